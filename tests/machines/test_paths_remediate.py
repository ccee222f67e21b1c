"""remediate_gpu by every way: closed first, decided, replaced in its turn; whatever fails, the node stays closed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from gpuops.adapters.pools import Pools
from gpuops.domain.errors import Refused, Unhealthy
from tests.fakes.world import table as stored
from tests.machines.happy import FAULT
from tests.machines.machine_world import Answer, Given, Result, answers, fails, run

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


@pytest.mark.parametrize("status", ["gone", "ignored", "owned"])
def test_what_is_not_there_or_not_ours_is_only_reported(status: str) -> None:
    """The goal holds: no such node takes work."""
    result = run("remediate_gpu", FAULT, {"IsolateNode": answers({"status": status, "run": None, "instance": None})})

    assert result.path == ["KeepEvent", *ISOLATE, "WriteReport", "Remediated?", "Remediated"]
    assert result.output["status"] == status


@pytest.mark.parametrize(
    ("isolated", "action"), [("open", "none"), ("observed", "replace"), ("closed", "escalate"), ("closed", "roll_ami")]
)
def test_nothing_is_repaired_that_is_not_closed_or_not_to_be_repaired(isolated: str, action: str) -> None:
    """What happens to the node then is close_repair's word."""
    lambdas = {"IsolateNode": answers(isolated), "DiagnoseFault": answers({"action": action})}

    result = run("remediate_gpu", FAULT, {**lambdas, "CloseRepair": answers("recorded")})

    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, *CLOSE, "Remediated"]


@pytest.mark.parametrize("drained", ["drained", "overdue"])
def test_an_instance_that_aws_takes_is_emptied_by_then_and_no_more(drained: str) -> None:
    """No budget is asked for, since it goes anyway, and nothing is repaired."""
    leaves = "2026-11-23T12:02:00Z"
    taken = {"fault": {**FAULT["fault"], "kind": "interruption", "xid": None, "deadline": leaves}}
    lambdas = {"DiagnoseFault": answers({"action": "evacuate"}), "DrainNode": answers("draining", drained)}

    result = run("remediate_gpu", taken, {**lambdas, "CloseRepair": answers("evacuated")})

    drain = ["DrainNode", "Drained?"]
    assert result.path == [
        "KeepEvent", *ISOLATE, *DIAGNOSE, *drain, "WaitForEvictions", *drain, *CLOSE, "Remediated"
    ]  # fmt: skip
    assert [asked["leaves_at"] for asked in result.called("DrainNode")] == [leaves] * 2


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

    assert result.path == ["KeepEvent", "IsolateNode", "Known?", "WriteReport", "Remediated?", "RemediationFailed"]
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


REPAIR = ["DrainNode", "Drained?", "RepairGpu", "Repaired?"]


def diagnosed(*actions: str) -> Answer:
    """diagnose_fault's words, one after the other."""
    return answers(*({"action": action, "reason": f"because {action}"} for action in actions))


@pytest.mark.parametrize(("action", "gpus"), [("reset", True), ("reboot", False)])
def test_a_node_is_emptied_repaired_and_proved_before_it_is_opened(action: str, gpus: bool) -> None:  # noqa: FBT001
    """Of a reset only the GPU pods have to go; training gets the time to save its work, and no more."""
    lambdas = {"DiagnoseFault": diagnosed(action), "SmokeNodeMachine": answers("passed")}

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, *OPEN, *REPAIR, "SmokeNode", *CLOSE, "Remediated"]
    (drained,) = result.called("DrainNode")
    assert (drained["faulty"], drained["only_gpus"], drained["instance"]) == (True, gpus, "i-0123456789abcdef0")
    (smoked,) = result.called("SmokeNodeMachine")
    assert (smoked["node"], smoked["run"]["id"]) == ("node-1", "node-1")
    assert result.called("CloseRepair")[0]["smoke"]["status"] == "passed"


def test_evictions_and_repairs_are_waited_for() -> None:
    """As long as each says, and each goes on from its own last word."""
    lambdas = {
        "DiagnoseFault": diagnosed("reboot"),
        "DrainNode": answers({"status": "draining", "wait_seconds": 30}, "drained"),
        "RepairGpu": answers("waiting", "repairing", "repaired"),
        "SmokeNodeMachine": answers("passed"),
    }

    result = run("remediate_gpu", FAULT, lambdas)

    assert (result.path.count("WaitForEvictions"), result.path.count("WaitForRepair")) == (1, 2)
    assert result.seconds == 30 + 60 + 60
    assert [("repair" in asked) for asked in result.called("RepairGpu")] == [False, True, True]


@pytest.mark.parametrize(
    "failing", [{"RepairGpu": answers("failed", "repaired")}, {"SmokeNodeMachine": fails(Unhealthy("Xid 48"), 1)}]
)
def test_what_did_not_help_is_followed_by_the_next_step(failing: dict[str, Answer]) -> None:
    """From a clean state: nothing of the first repair is taken for the second one's."""
    usual = {"DiagnoseFault": diagnosed("reset", "reboot"), "SmokeNodeMachine": answers("passed")}

    result = run("remediate_gpu", FAULT, {**usual, **failing})

    assert result.status == "SUCCEEDED"
    assert result.path.count("TakeNextStep") == 1
    second = result.called("RepairGpu")[-1]
    assert ("repair" in second, "error" in second, "smoke" in second) == (False, False, False)
    assert second["diagnose"]["action"] == "reboot"
    assert [child.name.rpartition("-")[2] for child in result.children][-1] == "reboot"


def test_a_smoke_that_gave_no_verdict_takes_no_next_step() -> None:
    """Nothing was proved against the node: a person looks."""
    lambdas = {"DiagnoseFault": diagnosed("reset"), "SmokeNodeMachine": fails(Refused("a tenant came"))}

    result = run("remediate_gpu", FAULT, {**lambdas, "CloseRepair": answers("kept")})

    assert result.path[-6:] == ["SmokeNode", "Proved?", *CLOSE, "RemediationFailed"]
    assert result.error == "Refused"


@pytest.mark.parametrize("status", ["restarted", "recorded"])
def test_a_pod_is_restarted_without_budget_drain_or_smoke(status: str) -> None:
    """The node stays open all the while."""
    lambdas = {
        "IsolateNode": answers("open"),
        "DiagnoseFault": diagnosed("restart_pod"),
        "RepairGpu": answers(status),
        "CloseRepair": answers(status),
    }

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, "RepairGpu", "Repaired?", *CLOSE, "Remediated"]


def test_a_node_that_was_left_open_is_closed_once_the_memory_says_so() -> None:
    """The third of its kind: isolate_node is told what diagnose_fault decided."""
    lambdas = {
        "IsolateNode": answers("open", "closed"),
        "DiagnoseFault": diagnosed("reset"),
        "SmokeNodeMachine": answers("passed"),
    }

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path[1:9] == [*ISOLATE, *DIAGNOSE, *ISOLATE, *DIAGNOSE]
    assert result.called("IsolateNode")[1]["diagnose"]["action"] == "reset"
    assert result.status == "SUCCEEDED"


def test_a_second_isolation_that_fails_is_closed_like_anything_else() -> None:
    """By then there is a run."""
    left = ["open"]

    def once(_: Any) -> dict[str, str]:
        if not left:
            raise Refused("forbidden")
        return {"status": left.pop()}

    lambdas = {"IsolateNode": once, "DiagnoseFault": diagnosed("reset"), "CloseRepair": answers("kept")}

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path[-6:] == ["IsolateNode", "Known?", *CLOSE, "RemediationFailed"]


def test_a_drain_that_is_overdue_keeps_the_node_closed() -> None:
    """close_repair says why."""
    lambdas = {"DiagnoseFault": diagnosed("reset"), "DrainNode": answers("overdue"), "CloseRepair": answers("kept")}

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path[-6:] == ["DrainNode", "Drained?", *CLOSE, "RemediationFailed"]


def test_a_node_that_everything_is_quiet_about_is_only_proved() -> None:
    """Nothing on it is disturbed, and nothing repaired."""
    lambdas = {"OpenRepair": answers("recovered"), "SmokeNodeMachine": answers("passed")}

    result = run("remediate_gpu", FAULT, lambdas)

    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, *OPEN, "SmokeNode", *CLOSE, "Remediated"]


HOT = {"fault": {"node": "node-1", "kind": "thermal", "first_seen": "2026-11-23T10:00:00Z"}}
FROZEN = [*DIAGNOSE, "FreezeSlicing", "Diagnosed?"]
SMOKED = {"SmokeNodeMachine": answers("passed")}


class Table:
    """DynamoDB, as the machine calls it."""

    def __init__(self, refused: bool = False) -> None:  # noqa: FBT001, FBT002
        self.items: list[Any] = []
        self.refused = refused

    def put_item(self, **call: Any) -> dict[str, Any]:
        """See DynamoDB."""
        if self.refused:
            meta: Any = {"HTTPStatusCode": 400, "RequestId": "r-1"}
            answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}, "ResponseMetadata": meta}
            raise ClientError(answer, "PutItem")
        self.items.append(call["Item"])
        return {}


def hot(lambdas: Given, table: Table | None = None) -> Result:
    """A thermal fault on its way."""
    relieved = {"DiagnoseFault": diagnosed("relieve", "replace"), **SMOKED, **lambdas}
    return run("remediate_gpu", HOT, relieved, {"dynamodb": table or Table()})


def test_heat_stops_the_growth_of_shares_before_its_load_moves_and_the_node_is_repaired_last() -> None:
    """In this order, once; the pool's adapter reads what the machine wrote."""
    table = Table()

    result = hot({}, table)

    repair = ["DrainNode", "Drained?", *OPEN, "RepairGpu", "Repaired?", "SmokeNode"]
    assert result.path == ["KeepEvent", *ISOLATE, *FROZEN, *OPEN, *repair, *CLOSE, "Remediated"]
    assert result.called("DrainNode")[0]["only_gpus"] is True
    (item,) = table.items
    assert (item["pk"], item["sk"]) == ({"S": "pool#gpu"}, {"S": "freeze#i-0123456789abcdef0"})
    assert item["why"] == {"S": "node-1: thermal"}
    with mock_aws():
        store = stored()
        store.put(item["pk"]["S"], item["sk"]["S"], {"why": item["why"]["S"], "until": item["until"]["S"]})
        until = datetime.fromisoformat(item["until"]["S"])
        looks = [Pools(store).frozen("gpu", until + timedelta(seconds=late)) for late in (-1, 0)]
    assert looks == ["node-1: thermal", ""]


def test_growth_that_cannot_be_stopped_keeps_the_node_closed() -> None:
    """Its load would crowd the others while they are shared further: a person decides."""
    result = hot({"CloseRepair": answers("kept")}, Table(refused=True))

    assert result.path == ["KeepEvent", *ISOLATE, *DIAGNOSE, "FreezeSlicing", *CLOSE, "RemediationFailed"]
    assert "growth of shares was not stopped" in result.called("CloseRepair")[0]["error"]["reason"]


def test_what_is_only_observed_freezes_nothing() -> None:
    """Nobody moves any load either."""
    table = Table()

    result = hot({"IsolateNode": answers("observed"), "CloseRepair": answers("observed")}, table)

    assert (result.path[-3:], table.items) == (["WriteReport", "Remediated?", "Remediated"], [])


@pytest.mark.parametrize("drains", [("draining", "drained"), ("drained",)])
def test_an_alarm_that_is_ok_again_in_the_middle_leaves_the_proof_and_nothing_else(drains: tuple[str, ...]) -> None:
    """While it is emptied, or when it is empty: no repair, an early return, under a name of its own."""
    lambdas = {"DrainNode": answers(*drains), "OpenRepair": answers("clear", "recovered")}

    result = hot(lambdas)

    wait = ["WaitForEvictionsOrQuiet"] if len(drains) > 1 else []
    assert result.path[-8 - len(wait) :] == ["Drained?", *wait, *OPEN, "SmokeNode", *CLOSE, "Remediated"]
    assert result.called("RepairGpu") == []
    assert result.called("OpenRepair")[1]["drain"]["status"] == drains[0]
    assert result.children[0].name.endswith("-smoke-recovered")


def test_a_proof_that_fails_after_that_goes_one_step_up() -> None:
    """And the alarm is not believed a second time: open_repair is asked without a drain, and knows why."""
    lambdas = {"OpenRepair": answers("recovered", "clear"), "ReplaceNodeMachine": answers("filled")}

    result = hot({**lambdas, "SmokeNodeMachine": fails(Unhealthy("no CUDA"))})

    end = ["SmokeNode", "Proved?", "TakeNextStep", *DIAGNOSE, *OPEN, "ReplaceNode", *CLOSE, "Remediated"]
    assert result.path[-len(end) :] == end
    asked = result.called("OpenRepair")[1]
    assert (asked["open"]["status"], "drain" in asked) == ("recovered", False)


@pytest.mark.parametrize("begun", [False, True])
def test_a_node_that_cannot_be_proved_under_its_pods_is_emptied_first(begun: bool) -> None:  # noqa: FBT001
    """Whether its drain had begun or not; then only the proof is left, under another name."""
    before = ["clear"] if begun else []
    crowded = {"crowded": True, "reason": "r"}
    opens: list[str | dict[str, Any]] = [
        *before,
        "recovered",
        {"status": "clear", **crowded},
        {"status": "recovered", **crowded},
    ]
    drains = ["draining", "drained"] if begun else ["drained"]
    smokes = iter([Refused("nothing can be tried"), None])

    def smoke(_: Any) -> Any:
        if (refusal := next(smokes)) is not None:
            raise refusal
        return {"status": "passed"}

    result = hot({"OpenRepair": answers(*opens), "DrainNode": answers(*drains), "SmokeNodeMachine": smoke})

    assert result.status == "SUCCEEDED"
    assert result.called("RepairGpu") == []
    names = [child.name.rpartition("-")[2] for child in result.children]
    assert names == ["recovered", "emptied"]
    after = result.called("OpenRepair")[len(before) + 1]["open"]
    assert (after["crowded"], after["status"]) == (True, "clear" if begun else "waiting")


def test_a_node_that_cannot_be_proved_even_empty_is_a_persons() -> None:
    """Nobody empties it a second time."""
    opens = answers({"status": "recovered", "crowded": True, "reason": "r"})

    result = hot({"OpenRepair": opens, "SmokeNodeMachine": fails(Refused("no image")), "CloseRepair": answers("kept")})

    assert result.path[-6:] == ["SmokeNode", "Proved?", *CLOSE, "RemediationFailed"]
