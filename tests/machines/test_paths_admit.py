"""admit_node by every way: found, configured, checked, smoked, admitted; abandoned whatever goes wrong on the way."""

from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Invalid, Unavailable, Unhealthy
from tests.machines.happy import LAUNCHED
from tests.machines.machine_world import Slow, answers, fails, run

FIND, CHECK = ["FindNode", "Found?"], ["CheckNode", "Checked?"]
ASKED = ["AdmitInstance", "Answered?"]
JUDGED = [*ASKED, "WriteReport", "Admitted?"]
UNJUDGED = ["AdmitInstance", "WriteReport", "Admitted?"]
"""AdmitInstance itself failed."""
BEFORE = {
    "FindNode": ["KeepEvent"],
    "ConfigureNode": ["KeepEvent", *FIND],
    "CheckNode": ["KeepEvent", *FIND, "ConfigureNode"],
    "AdmitInstance": ["KeepEvent", *FIND, "ConfigureNode", *CHECK, "SmokeNode"],
}
"""The way to each task."""
ABANDON = {"AdmitInstance": answers("abandoned")}


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
    """Fifteen seconds each; the answer with the deadline is handed back."""
    lambdas = {"FindNode": answers("waiting", "waiting", "found"), "CheckNode": answers("waiting", "ready")}

    result = run("admit_node", LAUNCHED, lambdas)

    finds = [*FIND, "WaitForRegistration", *FIND, "WaitForRegistration", *FIND]
    checks = [*CHECK, "WaitForGpus", *CHECK]
    assert result.path == ["KeepEvent", *finds, "ConfigureNode", *checks, "SmokeNode", *JUDGED, "Admitted"]
    assert result.seconds == 3 * 15 + 10
    assert result.called("FindNode")[1]["find"]["status"] == "waiting"
    assert result.called("CheckNode")[1]["find"]["deadline"]


def test_a_launch_that_is_not_ours_ends_at_once() -> None:
    """Nothing was touched, so there is nothing to answer or to report."""
    nothing = {"status": "ignored", "reason": "not ours", "run": None, "instance": None, "node": None, "deadline": None}

    result = run("admit_node", LAUNCHED, {"FindNode": answers(nothing)})

    assert result.status == "SUCCEEDED"
    assert result.path == ["KeepEvent", *FIND, "Ignored"]


def test_an_instance_that_went_away_is_only_reported() -> None:
    """Its roll has ended, or Auto Scaling took it back: nobody waits for an answer, but there was a run."""
    result = run("admit_node", LAUNCHED, {"FindNode": answers("gone")})

    assert result.status == "SUCCEEDED"
    assert result.path == ["KeepEvent", *FIND, "WriteReport", "Admitted?", "Ignored"]


def test_an_instance_that_is_not_judged_is_let_in_and_its_node_waited_for() -> None:
    """Mode observe: neither configured nor checked nor smoked, and never in the way."""
    lambdas = {"FindNode": answers("unchecked"), "AdmitInstance": answers("waiting", "released")}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path == ["KeepEvent", *FIND, *ASKED, "WaitForRelease", *JUDGED, "Released"]
    assert [payload["verdict"] for payload in result.called("AdmitInstance")] == ["release", "release"]
    assert (result.status, result.output["status"], result.seconds) == ("SUCCEEDED", "released", 15)


def test_a_policy_that_cannot_be_read_is_told_loudly_and_abandons_nothing() -> None:
    """The execution fails, for somebody has to mend the policy; the instance is let in behind its taint."""
    lambdas = {"FindNode": answers({"status": "unreadable", "run": None}), "AdmitInstance": answers("released")}

    result = run("admit_node", LAUNCHED, lambdas)

    assert result.path == ["KeepEvent", *FIND, *JUDGED, "Unreadable"]
    assert result.called("AdmitInstance")[0]["verdict"] == "release"
    assert (result.error, result.cause) == ("Invalid", "because released")


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


def test_a_smoke_that_cannot_be_started_abandons_the_node() -> None:
    """The name of the API's error is kept."""
    result = run("admit_node", LAUNCHED, {"SmokeNodeMachine": None, **ABANDON})

    assert result.path == [*BEFORE["AdmitInstance"], *JUDGED, "Abandoned"]
    assert result.error == "StepFunctions.StateMachineDoesNotExistException"
    assert str(result.cause).startswith("State Machine Does Not Exist")


@pytest.mark.parametrize("function", ["FindNode", "ConfigureNode", "CheckNode"])
@pytest.mark.parametrize("error", [Invalid("event: no launch"), Unavailable("throttled")], ids=["bad", "throttled"])
def test_an_error_abandons_the_node_and_names_itself(function: str, error: Exception) -> None:
    """Retried or not, in the end the hook is answered."""
    result = run("admit_node", LAUNCHED, {function: fails(error), **ABANDON})

    assert result.path == [*BEFORE[function], function, *JUDGED, "Abandoned"]
    assert len(result.called(function)) == (7 if isinstance(error, Unavailable) else 1)
    assert result.called("AdmitInstance")[0]["verdict"] == "abandon"
    assert (result.error, result.cause) == (type(error).__name__, str(error))
    assert result.called("WriteReport")[0]["error"] == {"name": type(error).__name__, "reason": str(error)}


def test_a_function_that_hangs_is_named() -> None:
    """A time-out carries no cause of its own."""
    result = run("admit_node", LAUNCHED, {"ConfigureNode": Slow(500)})

    assert result.path[-1] == "Abandoned"
    assert (result.error, result.cause) == ("States.Timeout", "ConfigureNode gave no answer in time")


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

    assert result.path == [*BEFORE["AdmitInstance"], *UNJUDGED, "Abandoned"]
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
