"""remediate_gpu by every way: closed first, decided, replaced in its turn; whatever fails, the node stays closed."""

import pytest

from gpuops.domain.errors import Refused, Unhealthy
from tests.machines.happy import FAULT
from tests.machines.machine_world import answers, fails, run

ISOLATE, DIAGNOSE, OPEN = ["IsolateNode", "Isolated?"], ["DiagnoseFault", "Diagnosed?"], ["OpenRepair", "Opened?"]
CLOSE = ["CloseRepair", "WriteReport", "Remediated?"]
REPLACED = {"ReplaceNodeMachine": answers("filled")}


def test_a_node_is_closed_before_anything_else_and_replaced_in_its_turn() -> None:
    """The child gets the run, and closes no group: there is no change."""
    result = run("remediate_gpu", FAULT, REPLACED)

    assert result.status == "SUCCEEDED"
    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, *OPEN, "ReplaceNode", *CLOSE, "Remediated"]
    assert result.output["status"] == "repaired"
    (asked,) = result.called("ReplaceNodeMachine")
    assert (asked["instance"], asked["decrement"], "change" in asked) == ("i-0123456789abcdef0", False, False)
    assert result.called("CloseRepair")[0]["replace"]["status"] == "filled"


def test_the_budget_is_waited_for_behind_a_closed_node() -> None:
    """As long as open_repair says; the first answer is what the next begins with."""
    lambdas = {**REPLACED, "OpenRepair": answers("waiting", "waiting", "clear")}

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path.count("WaitForTurn") == 2
    assert result.seconds == 120
    assert [("open" in asked) for asked in result.called("OpenRepair")] == [False, True, True]


def test_the_global_stop_is_waited_for_before_the_node_is_closed() -> None:
    """Nothing is touched meanwhile."""
    waiting = {"status": "waiting", "wait_seconds": 60}

    result = run("remediate_gpu", FAULT, {**REPLACED, "IsolateNode": answers(waiting, "closed")})

    assert result.path[1:6] == [*ISOLATE, "WaitForStart", *ISOLATE]
    assert result.status == "SUCCEEDED"


@pytest.mark.parametrize("status", ["gone", "ignored"])
def test_what_is_not_there_or_not_ours_is_only_reported(status: str) -> None:
    """The goal holds: no such node takes work."""
    result = run("remediate_gpu", FAULT, {"IsolateNode": answers({"status": status, "run": None, "instance": None})})

    assert result.path == ["KeepEvent", *ISOLATE, "WriteReport", "Remediated?", "Remediated"]
    assert result.output["status"] == status


@pytest.mark.parametrize(
    ("isolated", "action"), [("open", "none"), ("observed", "replace"), ("closed", "escalate"), ("open", "replace")]
)
def test_nothing_is_repaired_that_is_not_closed_or_not_to_be_repaired(isolated: str, action: str) -> None:
    """What happens to the node then is close_repair's word."""
    lambdas = {"IsolateNode": answers(isolated), "DiagnoseFault": answers({"action": action})}

    result = run("remediate_gpu", FAULT, {**lambdas, "CloseRepair": answers("recorded")})

    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, *CLOSE, "Remediated"]


def test_a_node_that_stays_closed_fails_the_run() -> None:
    """Alarms watch that; the reason is close_repair's."""
    result = run("remediate_gpu", FAULT, {"OpenRepair": answers("overdue"), "CloseRepair": answers("kept")})

    assert result.path[-5:] == ["Opened?", *CLOSE, "RemediationFailed"]
    assert (result.error, result.cause) == ("Unhealthy", "because kept")


@pytest.mark.parametrize("step", ["DiagnoseFault", "OpenRepair", "ReplaceNodeMachine"])
def test_whatever_fails_is_closed_and_named(step: str) -> None:
    """close_repair learns why."""
    result = run("remediate_gpu", FAULT, {**REPLACED, step: fails(Refused("no")), "CloseRepair": answers("kept")})

    assert result.path[-4:] == [*CLOSE, "RemediationFailed"]
    assert (result.error, result.cause) == ("Refused", "because kept")
    assert result.called("CloseRepair")[0]["error"] == {"name": "Refused", "reason": "no"}


def test_a_node_that_could_not_be_closed_fails_the_run_with_a_report() -> None:
    """There is nothing to take back."""
    result = run("remediate_gpu", FAULT, {"IsolateNode": fails(Refused("forbidden"))})

    assert result.path == ["KeepEvent", "IsolateNode", "WriteReport", "Remediated?", "RemediationFailed"]
    assert (result.error, result.cause) == ("Refused", "forbidden")


def test_an_end_that_fails_hides_nothing() -> None:
    """Both reasons are told, the first one gives the name."""
    lambdas = {"ReplaceNodeMachine": fails(Unhealthy("no successor")), "CloseRepair": fails(Refused("forbidden"))}

    result = run("remediate_gpu", FAULT, lambdas)

    assert (result.error, result.cause) == ("Unhealthy", "no successor; then CloseRepair: forbidden")


def test_a_report_that_cannot_be_written_changes_no_outcome() -> None:
    """The goal holds without it."""
    result = run("remediate_gpu", FAULT, {**REPLACED, "WriteReport": fails(Refused("no bucket"))})

    assert (result.status, result.output["report"]["reason"]) == ("SUCCEEDED", "no bucket")
