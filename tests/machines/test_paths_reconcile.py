"""reconcile by every way: close what dead runs left, resume launches, start lost admissions, fail if one failed."""

from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Unavailable
from tests.machines.happy import FAULT, REPAIR_RUN, RUN
from tests.machines.machine_world import Answer, answers, fails, run

BEGIN = ["KeepEvent", "ListLeftovers"]
CHILD = "AdmitNodeMachine"
INNER = {"CloseChange", "WriteReport", "KeepCloseFailure", "AdmitNode", "StartedBefore", "KeepStartFailure"} | {
    "GuardLaunch",
    "KeepResumeFailure",
    "Repair?",
    "CloseRepair",
    "RemediateGpu",
    "TakenUpBefore",
    "KeepRepairFailure",
}
MAPS = ["CloseChanges", "ResumeLaunches", "StartAdmissions", "StartRepairs"]
LOST = {
    "run": REPAIR_RUN,
    "event": FAULT,
    "isolate": {"status": "closed", "reason": "died", "run": REPAIR_RUN, "node": "node-1", "instance": "i-1"},
    "error": {"name": "Aborted", "reason": "node-1-again ended without ending its repair"},
}


def leftovers(changes: int = 0, admissions: int = 0, resumptions: int = 0) -> Answer:
    """List so many of each."""
    runs = [{"run": {**RUN, "id": f"roll-{n}"}} for n in range(changes)]
    names = [f"i-{n:08d}" for n in range(admissions)]
    nodes = [{"cluster": "demo", "group": "gpu", "instance": name, "name": f"leftover-{name}-1"} for name in names]
    groups = [{"group": f"gpu-{n}"} for n in range(resumptions)]
    return answers({"changes": runs, "admissions": nodes, "resumptions": groups})


def outer(path: list[str]) -> list[str]:
    """The way without the states inside the Maps."""
    return [state for state in path if state not in INNER]


@pytest.mark.parametrize(("changes", "admissions"), [(0, 0), (1, 0), (0, 1), (1, 1), (3, 2)])
def test_everything_listed_is_closed_or_started(changes: int, admissions: int) -> None:
    """Lists of none, one and many, of both kinds."""
    result = run("reconcile", {}, {"ListLeftovers": leftovers(changes, admissions), CHILD: answers({})})

    assert outer(result.path) == [*BEGIN, *MAPS, "Reconciled?", "Reconciled"]
    assert result.output == {"closed": changes, "resumed": 0, "started": admissions, "repairs": 0}
    assert sorted(p["run"]["id"] for p in result.called("CloseChange")) == [f"roll-{n}" for n in range(changes)]
    assert sorted(p["instance"] for p in result.called(CHILD)) == [f"i-{n:08d}" for n in range(admissions)]


def test_a_dead_run_gets_its_report_from_reconcile() -> None:
    """It could not write one itself; if it did after all, its own stays."""
    result = run("reconcile", {}, {"ListLeftovers": leftovers(1)})

    (payload,) = result.called("WriteReport")
    assert (payload["run"]["id"], payload["error"]["name"], payload["keep"]) == ("roll-0", "Aborted", True)
    assert payload["close"]["status"] == "closed"


def test_an_admission_really_starts_and_is_not_waited_for() -> None:
    """A node may take longer than the next tick; what the list says is an event that admit_node takes."""
    lambdas = {"ListLeftovers": leftovers(admissions=1), "FindNode": answers("waiting", "found")}

    result = run("reconcile", {}, lambdas)

    assert result.output == {"closed": 0, "resumed": 0, "started": 1, "repairs": 0}
    assert result.seconds == 0
    assert [child.name for child in result.children] == ["leftover-i-00000000-1"]


def test_an_attempt_that_was_started_before_is_not_started_again() -> None:
    """Two ticks mean the same attempt: while it runs both get its name, and afterwards it was there already."""
    same = {"cluster": "demo", "group": "gpu", "instance": "i-00000000", "name": "leftover-i-00000000-1"}
    lambdas = {"ListLeftovers": answers({"admissions": [same, same]}), "FindNode": answers("waiting", "found")}

    result = run("reconcile", {}, lambdas)

    assert (result.status, len(result.children)) == ("SUCCEEDED", 1)
    assert result.output == {"closed": 0, "resumed": 0, "started": 2, "repairs": 0}


def test_another_input_under_a_name_that_is_taken_is_no_failure() -> None:
    """Whichever of the two comes first; the other one is an attempt that was made before."""
    same = {"cluster": "demo", "group": "gpu", "instance": "i-00000000", "name": "leftover-i-00000000-1"}
    other = {**same, "group": "gpu-b"}
    lambdas = {"ListLeftovers": answers({"admissions": [same, other]}), "FindNode": answers("waiting", "found")}

    result = run("reconcile", {}, lambdas)

    assert (result.status, len(result.children)) == ("SUCCEEDED", 1)
    assert result.output == {"closed": 0, "resumed": 0, "started": 1, "repairs": 0}


@pytest.mark.parametrize("changes", [0, 1])
@pytest.mark.parametrize("count", [1, 2])
def test_what_could_not_be_looked_at_fails_after_the_rest_is_done(changes: int, count: int) -> None:
    """One stale group keeps nobody else waiting, and nobody from hearing of it."""
    faults = [{"name": "Invalid", "reason": f"no group g-{n}"} for n in range(count)]
    listed = leftovers(changes, 1)(None)

    result = run("reconcile", {}, {"ListLeftovers": answers({**listed, "faults": faults}), CHILD: answers({})})

    assert outer(result.path)[-3:] == ["Reconciled?", "KeepFailures", "ReconcileFailed"]
    assert (len(result.called("CloseChange")), len(result.called(CHILD))) == (changes, 1)
    assert (result.error, result.cause) == ("Invalid", "; ".join(f"no group g-{n}" for n in range(count)))


def test_a_list_that_cannot_be_made_fails() -> None:
    """The next tick tries again."""
    result = run("reconcile", {}, {"ListLeftovers": fails(Unavailable("throttled"))})

    assert result.path == [*BEGIN, "ReconcileFailed"]
    assert len(result.called("ListLeftovers")) == 11
    assert (result.error, result.cause) == ("Unavailable", "throttled")


@pytest.mark.parametrize("changes", [1, 3])
def test_a_change_that_cannot_be_closed_stops_nothing_else(changes: int) -> None:
    """The others are closed, the admissions started, and then the execution says what failed."""

    def close(payload: Any) -> Any:
        if payload["run"]["id"] == "roll-0":
            raise Conflict("held by roll-9")
        return {}

    lambdas = {"ListLeftovers": leftovers(changes, 1), "CloseChange": close, CHILD: answers({})}

    result = run("reconcile", {}, lambdas)

    end = [*MAPS, "Reconciled?", "KeepFailures", "ReconcileFailed"]
    assert outer(result.path) == [*BEGIN, *end]
    assert len(result.called("CloseChange")) == changes
    assert len(result.called(CHILD)) == 1
    assert (result.error, result.cause) == ("Conflict", "held by roll-9")


def test_an_admission_that_cannot_be_started_fails() -> None:
    """Closing came first, and stays done."""
    result = run("reconcile", {}, {"ListLeftovers": leftovers(1, 1), CHILD: None})

    end = ["KeepStartFailure", "StartRepairs", "Reconciled?", "KeepFailures", "ReconcileFailed"]
    assert result.path[-6:] == ["AdmitNode", *end]
    assert len(result.called("CloseChange")) == 1
    assert result.error == "StepFunctions.StateMachineDoesNotExistException"


@pytest.mark.parametrize("resumptions", [1, 3])
def test_groups_whose_pause_is_over_launch_again(resumptions: int) -> None:
    """Each by its name alone: the breaker's item knows the rest."""
    result = run("reconcile", {}, {"ListLeftovers": leftovers(resumptions=resumptions)})

    assert result.output == {"closed": 0, "resumed": resumptions, "started": 0, "repairs": 0}
    assert sorted(p["group"] for p in result.called("GuardLaunch")) == [f"gpu-{n}" for n in range(resumptions)]


def test_a_launch_that_cannot_be_resumed_stops_nothing_else() -> None:
    """The next tick finds it again, and this one fails."""
    lambdas = {"ListLeftovers": leftovers(1, 1, 1), "GuardLaunch": fails(Conflict("throttled")), CHILD: answers({})}

    result = run("reconcile", {}, lambdas)

    assert outer(result.path) == [*BEGIN, *MAPS, "Reconciled?", "KeepFailures", "ReconcileFailed"]
    assert (len(result.called("CloseChange")), len(result.called(CHILD))) == (1, 1)
    assert (result.error, result.cause) == ("Conflict", "throttled")


@pytest.mark.parametrize("changes", [0, 1, 2])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_repair_that_died_for_good_is_closed_as_one_that_failed(changes: int, lost: int) -> None:
    """By close_repair, with the fault and why; people have its report. Changes of rolls beside it go their own way."""
    listed = {**leftovers(changes)(None), "lost": [LOST] * lost}

    result = run("reconcile", {}, {"ListLeftovers": answers(listed), "CloseRepair": answers("kept")})

    assert (result.status, len(result.called("CloseChange"))) == ("SUCCEEDED", changes)
    payloads = result.called("CloseRepair")
    assert [(p["run"]["id"], p["error"]["name"], p["event"]["fault"]["xid"]) for p in payloads] == [
        ("node-1", "Aborted", 79)
    ] * lost
    told = [p for p in result.called("WriteReport") if p.get("event")]
    assert [(p["keep"], p["close"]["status"], p["error"]["name"]) for p in told] == [(False, "kept", "Aborted")] * lost


def test_a_repair_that_cannot_be_closed_stops_nothing_else() -> None:
    """It is listed again at the next tick, and this one fails."""
    lambdas = {"ListLeftovers": answers({"changes": [], "lost": [LOST]}), "CloseRepair": fails(Conflict("cordoned"))}

    result = run("reconcile", {}, lambdas)

    assert outer(result.path) == [*BEGIN, *MAPS, "Reconciled?", "KeepFailures", "ReconcileFailed"]
    assert (result.error, result.cause) == ("Conflict", "cordoned")


def about(node: str) -> dict[str, Any]:
    """The fault, on another node."""
    return {"fault": {**FAULT["fault"], "node": node}}


@pytest.mark.parametrize("repairs", [1, 2])
def test_a_repair_that_died_is_taken_up_by_another_execution(repairs: int) -> None:
    """Under the listed name, with the dead one's input; nobody waits for it."""
    listed = [{**LOST, "name": f"node-{n}-again", "event": about(f"node-{n}")} for n in range(repairs)]

    result = run("reconcile", {}, {"ListLeftovers": answers({"repairs": listed}), "RemediateGpuMachine": answers({})})

    assert result.output == {"closed": 0, "resumed": 0, "started": 0, "repairs": repairs}
    assert sorted(p["fault"]["node"] for p in result.called("RemediateGpuMachine")) == [
        f"node-{n}" for n in range(repairs)
    ]
    assert [child.name for child in result.children] == [f"node-{n}-again" for n in range(repairs)]


def test_a_repair_that_is_taken_up_already_is_not_taken_up_twice() -> None:
    """Another tick was faster; a machine that is not there fails the execution."""
    same = {**LOST, "name": "node-1-again"}
    other = {**same, "event": about("node-2")}
    lambdas = {"ListLeftovers": answers({"repairs": [same, other]}), "IsolateNode": answers("waiting", "closed")}

    result = run("reconcile", {}, lambdas)
    nowhere = run("reconcile", {}, {"ListLeftovers": answers({"repairs": [same]}), "RemediateGpuMachine": None})

    assert (result.status, next(child.name for child in result.children)) == ("SUCCEEDED", "node-1-again")
    assert {"TakenUpBefore", "KeepRepairFailure"}.intersection(result.path) == {"TakenUpBefore"}
    assert nowhere.path[-4:] == ["KeepRepairFailure", "Reconciled?", "KeepFailures", "ReconcileFailed"]
