"""admit_node by every way: found, configured, checked, smoked, admitted; emptied first for a new root volume.

Abandoned for what is wrong with the instance, held for whatever else goes wrong.
"""

from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Invalid, Unavailable, Unhealthy
from tests.machines.happy import LAUNCHED
from tests.machines.machine_world import Slow, answers, fails, run

FIND, CHECK = ["FindNode", "Found?"], ["CheckNode", "Checked?"]
JUDGED = ["AdmitInstance", "GuardLaunch", "WriteReport", "Admitted?"]
ASKED = ["AdmitInstanceUnjudged", "Answered?"]
LET_IN = [*ASKED, "WriteReport", "Admitted?"]
"""The instance was not judged: there is nothing to count."""
UNJUDGED = ["AdmitInstance", "WriteReport", "Admitted?"]
"""AdmitInstance itself failed."""
BEFORE = {
    "FindNode": [],
    "ConfigureNode": [*FIND],
    "CheckNode": [*FIND, "ConfigureNode"],
    "AdmitInstance": [*FIND, "ConfigureNode", *CHECK, "SmokeNode"],
}
"""The way to each task."""
UNCONFIGURED = {"status": "unconfigured", "reason": "no such configuration", "gpus": 0, "allocatable": 0}
ABANDON, HOLD = {"AdmitInstance": answers("abandoned")}, {"AdmitInstance": answers("held")}


def test_a_sound_node_is_admitted() -> None:
    """The child machine really runs here; its verdict is what admits."""
    result = run("admit_node", LAUNCHED)

    assert result.path == [*BEFORE["AdmitInstance"], *JUDGED, "Admitted"]
    assert result.output["node"] == "node-1"
    assert result.output["status"] == "admitted"
    assert result.output["report"]["status"] == "written"
    assert result.called("AdmitInstance")[0]["verdict"] == "admit"
    assert [child.name for child in result.children] == ["admit_node-1-smoke"]
    assert result.seconds == 10


def test_the_functions_know_the_execution_that_they_work_for() -> None:
    """The run's identity is made of it, and the lock's owner is looked up by it."""
    result = run("admit_node", LAUNCHED)

    execution = result.called("FindNode")[0]["execution"]
    assert execution["id"].endswith(":admit_node:admit_node-1")
    assert (execution["name"], execution["machine"]) == ("admit_node-1", "admit_node")
    assert result.called("FindNode")[0]["event"] == LAUNCHED


def test_a_node_is_waited_for_and_so_are_its_gpus() -> None:
    """As long as the functions say; the answer with the deadline is handed back."""
    later = {"status": "waiting", "reason": "not yet", "wait_seconds": 40}
    lambdas = {"FindNode": answers("waiting", later, "found"), "CheckNode": answers(later, "ready")}

    result = run("admit_node", LAUNCHED, lambdas)

    finds = [*FIND, "WaitForRegistration", *FIND, "WaitForRegistration", *FIND]
    checks = [*CHECK, "WaitForGpus", *CHECK]
    assert result.path == [*finds, "ConfigureNode", *checks, "SmokeNode", *JUDGED, "Admitted"]
    assert result.seconds == 15 + 40 + 40 + 10
    assert result.called("FindNode")[1]["find"]["status"] == "waiting"
    assert result.called("CheckNode")[1]["find"]["deadline"]


def test_a_launch_that_is_not_ours_ends_at_once() -> None:
    """Nothing was touched, so there is nothing to answer or to report."""
    nothing = {"status": "ignored", "reason": "not ours", "run": None, "instance": None, "node": None, "deadline": None}

    result = run("admit_node", LAUNCHED, {"FindNode": answers(nothing)})

    assert result.status == "SUCCEEDED"
    assert result.path == [*FIND, "Ignored"]


def test_an_instance_that_went_away_is_only_reported() -> None:
    """Its roll has ended, or Auto Scaling took it back: nobody waits for an answer, but there was a run."""
    result = run("admit_node", LAUNCHED, {"FindNode": answers("gone")})

    assert result.status == "SUCCEEDED"
    assert result.path == [*FIND, "WriteReport", "Admitted?", "Ignored"]


def test_an_instance_that_is_not_judged_is_let_in_and_its_node_waited_for() -> None:
    """Mode observe: neither configured nor checked nor smoked, and never in the way."""
    lambdas = {"FindNode": answers("unchecked"), "AdmitInstance": answers("waiting", "released")}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path == [*FIND, *ASKED, "WaitForRelease", *LET_IN, "Released"]
    assert [payload["verdict"] for payload in result.called("AdmitInstance")] == ["release", "release"]
    assert (result.status, result.output["status"], result.seconds) == ("SUCCEEDED", "released", 15)


def test_a_policy_that_cannot_be_read_is_told_loudly_and_abandons_nothing() -> None:
    """The execution fails, for somebody has to mend the policy; the instance is let in behind its taint."""
    lambdas = {"FindNode": answers({"status": "unreadable", "run": None}), "AdmitInstance": answers("released")}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path == [*FIND, *LET_IN, "Unreadable"]
    assert result.called("AdmitInstance")[0]["verdict"] == "release"
    assert (result.error, result.cause) == ("Invalid", "because released")


@pytest.mark.parametrize(("find", "error"), [("unreadable", "Invalid"), ("overdue", "Unhealthy")])
def test_a_new_root_volume_that_is_not_answered_is_told_loudly(find: str, error: str) -> None:
    """It was held, and counts as no bad launch."""
    result = run("admit_node", LAUNCHED, {"FindNode": answers(find), "AdmitInstance": answers("held")})

    assert (result.error, result.cause) == (error, "because held")
    assert [asked["admit"]["status"] for asked in result.called("GuardLaunch")] == (
        ["held"] if find == "overdue" else []
    )


@pytest.mark.parametrize("function", ["FindNode", "CheckNode"])
def test_an_overdue_node_that_cannot_be_abandoned_keeps_its_own_reason(function: str) -> None:
    """What was wrong with the node comes first; what failed afterwards is told too."""
    lambdas = {function: answers("overdue"), "AdmitInstance": fails(Conflict("throttled"))}

    result = run("admit_node", LAUNCHED, lambdas)

    assert (result.error, result.cause) == ("Unhealthy", "because overdue; then AdmitInstance: throttled")


@pytest.mark.parametrize(("function", "asked"), [("FindNode", FIND), ("CheckNode", CHECK)])
def test_an_overdue_node_is_abandoned(function: str, asked: list[str]) -> None:
    """The verdict is abandon, and the reason is what admit_instance made of the steps before."""
    lambdas = {function: answers("overdue"), "AdmitInstance": answers("abandoned")}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path == [*BEFORE[function], *asked, *JUDGED, "Abandoned"]
    assert result.called("AdmitInstance")[0]["verdict"] == "abandon"
    assert (result.error, result.cause) == ("Unhealthy", "because abandoned")


def test_a_node_that_fails_its_smoke_is_abandoned_with_the_childs_own_reason() -> None:
    """The child really fails: Step Functions wraps its description in JSON, the operator gets the reason."""
    result = run("admit_node", LAUNCHED, {"ReadSmoke": answers("failed"), **ABANDON})

    assert result.path == [*BEFORE["AdmitInstance"], *JUDGED, "Abandoned"]
    assert result.called("AdmitInstance")[0]["verdict"] == "abandon"
    assert result.called("AdmitInstance")[0]["error"] == {"name": "Unhealthy", "reason": "because failed"}
    assert (result.error, result.cause) == ("Unhealthy", "because failed")


def test_a_smoke_that_cannot_be_started_holds_the_node() -> None:
    """That is no fault of the node; the name of the API's error is kept."""
    result = run("admit_node", LAUNCHED, {"SmokeNodeMachine": None, **HOLD})

    assert result.path == [*BEFORE["AdmitInstance"], *JUDGED, "Held"]
    assert result.called("AdmitInstance")[0]["verdict"] == "hold"
    assert result.error == "StepFunctions.StateMachineDoesNotExistException"
    assert str(result.cause).startswith("State Machine Does Not Exist")


@pytest.mark.parametrize("function", ["FindNode", "ConfigureNode", "CheckNode"])
@pytest.mark.parametrize(
    "error", [Invalid("event: no launch"), Unavailable("throttled"), ValueError("bug")], ids=["bad", "throttled", "bug"]
)
def test_an_error_of_ours_holds_the_node_and_names_itself(function: str, error: Exception) -> None:
    """Retried or not, replacing instances would not mend it: it goes into service behind its taint."""
    result = run("admit_node", LAUNCHED, {function: fails(error), **HOLD})

    assert result.path == [*BEFORE[function], function, *JUDGED, "Held"]
    assert len(result.called(function)) == (11 if isinstance(error, Unavailable) else 1)
    assert result.called("AdmitInstance")[0]["verdict"] == "hold"
    assert (result.status, result.error, result.cause) == ("FAILED", type(error).__name__, str(error))
    assert result.called("WriteReport")[0]["error"] == {"name": type(error).__name__, "reason": str(error)}


@pytest.mark.parametrize("function", ["ConfigureNode", "CheckNode"])
def test_a_function_that_finds_the_node_unhealthy_abandons_it(function: str) -> None:
    """The one error that is about the instance."""
    result = run("admit_node", LAUNCHED, {function: fails(Unhealthy("it went away")), **ABANDON})

    assert result.path == [*BEFORE[function], function, *JUDGED, "Abandoned"]
    assert result.called("AdmitInstance")[0]["verdict"] == "abandon"
    assert (result.error, result.cause) == ("Unhealthy", "it went away")


def test_a_function_that_hangs_is_named() -> None:
    """A time-out carries no cause of its own."""
    result = run("admit_node", LAUNCHED, {"ConfigureNode": Slow(500), **HOLD})

    assert result.path[-1] == "Held"
    assert (result.error, result.cause) == ("States.Timeout", "ConfigureNode gave no answer in time")


def test_a_smoke_that_no_node_could_pass_holds_the_node() -> None:
    """An image that no Job takes is a fault of the policy."""
    result = run("admit_node", LAUNCHED, {"StartSmoke": fails(Invalid("image: no such")), **HOLD})

    assert result.called("AdmitInstance")[0]["verdict"] == "hold"
    assert (result.path[-1], result.error, result.cause) == ("Held", "Invalid", "image: no such")


def test_the_smoke_is_told_what_to_expect() -> None:
    """What the node offers, and whose hook hears of it meanwhile."""
    lambdas = {
        "FindNode": answers({"hook": HOOK}),
        "CheckNode": answers({"gpus": 4, "allocatable": 8, "replicas": 2, "resource": "nvidia.com/gpu.shared"}),
    }

    result = run("admit_node", LAUNCHED, lambdas)

    (asked,) = result.called("StartSmoke")
    assert asked["expected"] == {"gpus": 4, "replicas": 2, "resource": "nvidia.com/gpu.shared"}
    assert (asked["node"], asked["instance"], asked["hook"]) == ("node-1", "i-1", HOOK)


@pytest.mark.parametrize("before", [{}, ABANDON], ids=["admitted", "abandoned"])
def test_a_guard_that_fails_takes_nothing_back(before: Any) -> None:
    """What was decided about the instance stays so; the guard's failure is in the report's payload."""
    result = run("admit_node", LAUNCHED, {"GuardLaunch": fails(Conflict("no table")), **before})

    assert result.path[-1] == ("Abandoned" if before else "Admitted")
    assert result.called("WriteReport")[0]["guard"] == {"status": "failed", "reason": "no table"}


@pytest.mark.parametrize("after", ["configured", "unconfigured"])
def test_a_fresh_cluster_is_configured_once_and_the_node_again(after: str) -> None:
    """Where that does not help, somebody else's plugin stands: its GPUs are counted next."""
    lambdas = {"ConfigureNode": answers("unconfigured", after), "CheckNode": answers(UNCONFIGURED, "ready")}

    result = run("admit_node", LAUNCHED, lambdas)

    configured = ["ConfigureNode", *CHECK, "ApplyConfig", "ConfigureNode"]
    assert result.path == [*FIND, *configured, *CHECK, "SmokeNode", *JUDGED, "Admitted"]
    assert result.called("ApplyConfig")[0]["event"] == {"cluster": "demo"}


def test_a_cluster_that_cannot_be_configured_holds_the_node() -> None:
    """Its GPUs may never show, and that is not its fault."""
    configured = {"ConfigureNode": answers("unconfigured"), "CheckNode": answers(UNCONFIGURED)}
    lambdas = {**configured, "ApplyConfig": fails(Conflict("helm owns it")), **HOLD}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path[-1] == "Held"
    assert result.called("AdmitInstance")[0]["verdict"] == "hold"
    assert (result.error, result.cause) == ("Conflict", "helm owns it")


HOOK = {"name": "gpuops-admit", "group": "gpu", "token": None, "heartbeat_seconds": 900}
REPLACE = {"status": "replacing", "reason": "a new root volume", "hook": HOOK}
REPLACING = {"FindNode": answers(REPLACE)}
QUARANTINE, DRAIN = ["QuarantineNode", "Quarantined?"], ["DrainNode", "Drained?"]


def test_a_node_that_gets_a_new_root_volume_is_emptied_and_admitted_anew() -> None:
    """Closed at each pass, because the hook has to hear of us meanwhile; then it restarts, and is judged as if new."""
    lambdas = {
        "FindNode": answers(REPLACE, "waiting", "found"),
        "QuarantineNode": answers("closed", "closed", {"status": "continued", "reason": "empty", "wait_seconds": 60}),
        "DrainNode": answers("draining", "drained"),
    }

    result = run("admit_node", LAUNCHED, lambdas)

    emptied = [*QUARANTINE, *DRAIN, "WaitForEvictions", *QUARANTINE, *DRAIN, *QUARANTINE, "WaitForRestart"]
    back = [*FIND, "WaitForRegistration", *FIND, "ConfigureNode", *CHECK, "SmokeNode", *JUDGED, "Admitted"]
    assert result.path == [*FIND, *emptied, *back]
    assert result.seconds == 20 + 60 + 15 + 10
    assert result.called("DrainNode")[0]["instance"] == "i-1"
    assert result.called("QuarantineNode")[2]["drain"]["status"] == "drained"
    assert result.called("FindNode")[1]["quarantine"]["status"] == "continued"


def test_a_drain_is_looked_at_again_before_the_hook_lapses() -> None:
    """The drain's own pause grows to minutes."""
    patient = {"status": "draining", "reason": "a Job runs", "wait_seconds": 900}
    lambdas = {
        **REPLACING,
        "DrainNode": answers(patient, "overdue"),
        "QuarantineNode": answers("closed", "closed", "kept"),
    }

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.seconds == 300


def test_a_node_that_cannot_be_emptied_is_kept_closed_and_its_hook_unanswered() -> None:
    """Nobody but a person can make those pods go."""
    lambdas = {**REPLACING, "DrainNode": answers("overdue"), "QuarantineNode": answers("closed", "kept")}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path == [*FIND, *QUARANTINE, *DRAIN, *QUARANTINE, "WriteReport", "Admitted?", "Kept"]
    assert result.called("AdmitInstance") == []
    assert (result.error, result.cause) == ("Refused", "because kept")


@pytest.mark.parametrize(
    ("function", "error", "end"),
    [
        ("QuarantineNode", Unavailable("throttled"), "Held"),
        ("DrainNode", Conflict("somebody else's"), "Held"),
        ("QuarantineNode", Unhealthy("it went away"), "Abandoned"),
    ],
)
def test_a_failure_before_the_volume_is_replaced_answers_no_hook(function: str, error: Exception, end: str) -> None:
    """An answer would take the volume away from under its pods."""
    result = run("admit_node", LAUNCHED, {**REPLACING, function: fails(error)})

    assert result.called("AdmitInstance") == []
    assert (result.path[-1], result.error, result.cause) == (end, type(error).__name__, str(error))


@pytest.mark.parametrize(
    ("smoke", "cause"),
    [
        (answers("passed"), "taint stays"),
        (fails(Unhealthy("no GPU")), "no GPU; then AdmitInstance: taint stays"),
    ],
    ids=["sound", "sick"],
)
def test_an_instance_that_cannot_be_judged_is_not_called_admitted(smoke: Any, cause: str) -> None:
    """The report is written all the same, and what went wrong before is told first."""
    result = run("admit_node", LAUNCHED, {"SmokeNodeMachine": smoke, "AdmitInstance": fails(Conflict("taint stays"))})

    assert result.path == [*BEFORE["AdmitInstance"], *UNJUDGED, "Held" if result.error == "Conflict" else "Abandoned"]
    assert result.error in {"Conflict", "Unhealthy"}
    assert result.cause == cause


def test_an_admit_instance_that_changes_its_mind_abandons() -> None:
    """The node may go away between its smoke and its admission."""
    result = run("admit_node", LAUNCHED, ABANDON)

    assert result.called("AdmitInstance")[0]["verdict"] == "admit"
    assert (result.error, result.cause) == ("Unhealthy", "because abandoned")


def test_a_report_that_fails_takes_nothing_back() -> None:
    """The node takes work already: calling it abandoned would be false."""
    result = run("admit_node", LAUNCHED, {"WriteReport": fails(Conflict("no bucket"))})

    assert result.path[-2:] == ["Admitted?", "Admitted"]
    assert result.output["report"] == {"status": "failed", "reason": "no bucket"}


def test_a_report_that_fails_does_not_hide_why_a_node_was_abandoned() -> None:
    """The error is the node's, not the report's."""
    lambdas = {"WriteReport": fails(Conflict("no bucket")), "CheckNode": fails(Unhealthy("no GPU")), **ABANDON}

    result = run("admit_node", LAUNCHED, lambdas)

    assert (result.error, result.cause) == ("Unhealthy", "no GPU")
