"""A repair's functions over a small world: who is closed and who is not, the budget, the end, and the successor.

Covers: isolate_node in every mode and twice, whose node it is, the global stop; open_repair's slot; replacing a node
without a change (claim_node, retire_node); close_repair for each way a repair can end.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict
from gpuops.domain.faults.answers import Failed
from gpuops.domain.faults.diagnose import name_of, words_of
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.keys import FAULT, NVSENTINEL_STATE, QUARANTINE_KEY, RESET_BEFORE
from gpuops.domain.rotation.wish import GlobalStop
from tests.fakes.apps import load_app
from tests.fakes.rotation import ARN, NEW, NOW, POLICY, instance, node, run
from tests.fakes.steps import CLAIM, RETIRE, leave, old_world
from tests.fakes.world import World

ISOLATE, OPEN, CLOSE, DRAIN, REPAIR = (
    load_app(name) for name in ("isolate_node", "open_repair", "close_repair", "drain_node", "repair_gpu")
)
EXECUTION = {"id": ARN + "fault-1", "name": "fault-1", "machine": "remediate_gpu"}
VICTIM = instance(0)
NAME = f"node-{VICTIM.id}"
XID = {"kind": "xid", "xid": 79, "first_seen": NOW, "evidence": ["NVRM: Xid 79"]}
RUN = run("fault-1", machine="remediate_gpu")


@pytest.fixture
def world() -> Iterator[World]:
    """Three nodes of the policy's one group."""
    with mock_aws():
        yield old_world()


def isolate(world: World, **fault: Any) -> Any:
    """Close the node of a fault."""
    event = {"fault": {"cluster": "train", "node": NAME, **XID, **fault}}
    request = ISOLATE.Request.model_validate({"event": event, "execution": EXECUTION})
    return ISOLATE.isolate(request, NOW, world)


def repair(isolated: Any, action: str = "replace", **more: Any) -> Any:
    """The state that the later functions get."""
    event = {"fault": {"node": NAME, **XID}}
    diagnose = {"action": action, "reason": "Xid 79 is fatal"}
    state = {"run": RUN, "event": event, "isolate": isolated, "diagnose": diagnose, **more}
    return OPEN.Repair.model_validate(state)


def closed(world: World) -> Any:
    """A node in quarantine."""
    return isolate(world)


def test_the_node_is_closed_and_says_why_and_by_whom(world: World) -> None:
    """Cordon, taint and annotation; twice is as good as once."""
    answers = [isolate(world) for _ in range(2)]

    there = world.connected.node(NAME)
    assert there is not None
    assert [answer.status for answer in answers] == ["closed", "closed"]
    assert (there.unschedulable, there.isolated_by) == (True, "fault-1")
    assert [(t.key, t.value, t.effect) for t in there.taints] == [(QUARANTINE_KEY, "xid-79", "NoSchedule")]
    assert there.annotations[FAULT] == "Xid 79: NVRM: Xid 79"
    assert (answers[0].run, answers[0].instance) == (RUN, VICTIM.id)


def test_a_node_is_found_by_its_instance_too(world: World) -> None:
    """Events of EC2 name nothing else."""
    assert isolate(world, node="", instance=VICTIM.id).node == NAME


@pytest.mark.parametrize("where", [{"node": "node-x"}, {"instance": "i-another"}, {"node": ""}])
def test_a_node_that_is_not_there_any_more_is_gone(world: World, where: dict[str, str]) -> None:
    """One of the same name with another instance came after the fault."""
    assert isolate(world, **where).status == "gone"
    assert not any(n.unschedulable for n in world.connected.all_nodes)


@pytest.mark.parametrize(("mode", "status"), [("observe", "observed"), ("recommend", "observed"), ("apply", "closed")])
def test_only_apply_touches_a_node(world: World, mode: str, status: str) -> None:
    """The others say what they would do."""
    world.policy = POLICY.replace("apply", mode)

    assert isolate(world).status == status
    assert any(n.unschedulable for n in world.connected.all_nodes) == (mode == "apply")


def test_a_node_of_no_group_of_the_policy_is_not_ours(world: World) -> None:
    """Nor is a cluster that it does not name."""
    stranger = node(instance(9))
    world.connected.all_nodes.append(stranger)

    assert isolate(world, node=stranger.name).status == "ignored"
    assert isolate(world, cluster="other").status == "ignored"
    assert isolate(world, cluster="").status == "closed"


def test_an_applications_fault_closes_nothing(world: World) -> None:
    """Xid 13 is its own doing."""
    assert isolate(world, xid=13).status == "open"
    assert not any(n.unschedulable for n in world.connected.all_nodes)


def test_a_node_that_another_execution_is_at_work_on_is_left_to_it(world: World) -> None:
    """A signal's and one by hand must not reset one node twice; what a run left closed is anybody's to go on with."""
    world.connected.isolate(there(world), "fault-0", "Xid 48", "xid-48")
    world.running = {ARN + "fault-0"}
    assert isolate(world).status == "owned"
    assert there(world).isolated_by == "fault-0"

    world.running = set()

    assert isolate(world).status == "closed"
    assert there(world).isolated_by == "fault-1"


def test_of_two_that_close_a_node_in_one_moment_the_last_one_has_it(world: World) -> None:
    """The other one finds out before it disturbs anything."""
    state = repair(closed(world))
    world.connected.isolate(there(world), "fault-2", "Xid 48", "xid-48")

    answer = OPEN.open_repair(state, NOW, world)
    left = CLOSE.close_repair(state.model_copy(update={"open": answer}), NOW, world)

    assert (answer.status, "run fault-2 has the node" in answer.reason) == ("gone", True)
    assert (left.status, f"{NAME} is left to run fault-2" in left.reason) == ("gone", True)
    assert there(world).isolated_by == "fault-2", "its quarantine is not ours to lift"
    assert world.escalated == []
    assert world.budgets.slots() == ()


def test_a_node_that_was_taken_over_in_mid_repair_is_not_said_to_be_open_again(world: World) -> None:
    """Its GPUs were reset and proved, and AWS takes the instance: the other run has it, and closed it stays."""
    proved = {"repair": {"status": "repaired", "reason": "its GPUs were reset"}, "smoke": {"status": "passed"}}
    state = repair(closed(world), "reset", open={"status": "clear", "reason": "", "since": NOW}, **proved)
    world.connected.isolate(there(world), "fault-2", "interruption", "interruption")

    verdict = CLOSE.close_repair(state, NOW, world)

    assert (verdict.status, f"{NAME} is left to run fault-2" in verdict.reason) == ("gone", True)
    assert there(world).isolated_by == "fault-2"
    assert world.escalated == []


@pytest.mark.parametrize(
    ("by", "status", "why"), [("fault-2", "gone", "left to run fault-2"), ("", "released", "was opened meanwhile")]
)
def test_a_repair_that_is_redriven_after_another_one_leaves_the_node_alone(
    world: World, by: str, status: str, why: str
) -> None:
    """It evicts, resets, reboots and terminates nothing there: pods may be on it again. Nobody is called for that."""
    state = repair(closed(world), "reboot")
    world.connected.end_isolation(there(world))
    if by:
        world.connected.isolate(there(world), by, "Xid 48", "xid-48")
    drain = DRAIN.Request(run=state.run, instance=VICTIM.id, faulty=True)
    retire = RETIRE.RetireNode(run=state.run, instance=VICTIM.id)

    steps: list[Callable[[], Any]] = [
        lambda: DRAIN.drain(drain, NOW, world),
        lambda: DRAIN.drain(drain.model_copy(update={"terminates": True}), NOW, world),
        lambda: REPAIR.repair(state, NOW, world),
        lambda: RETIRE.retire(retire, NOW, world),
    ]
    for step in steps:
        with pytest.raises(Conflict, match=f"{NAME} is not run fault-1's to repair any more"):
            step()
    left = CLOSE.close_repair(
        state.model_copy(update={"error": Failed(name="Conflict", reason="not ours")}), NOW, world
    )
    assert (left.status, why in left.reason) == (status, True)
    assert (there(world).isolated_by or "", world.escalated) == (by, [])


def test_what_aws_takes_is_emptied_and_leaves_whoever_has_it(world: World) -> None:
    """But is not rebooted any more."""
    state = repair(closed(world), "reboot")
    taken = GpuFault(kind="interruption", instance=VICTIM.id, first_seen=NOW, deadline=NOW + timedelta(minutes=2))
    world.connected.isolate(there(world), "fault-2", words_of(taken), name_of(taken))

    drained = DRAIN.drain(DRAIN.Request(run=state.run, instance=VICTIM.id, faulty=True), NOW, world)
    retired = RETIRE.retire(RETIRE.RetireNode(run=state.run, instance=VICTIM.id), NOW, world)

    assert (drained.status, retired.status) == ("drained", "retiring")
    with pytest.raises(Conflict, match="run fault-2 has it"):
        REPAIR.repair(state, NOW, world)


def test_a_reset_of_another_repair_is_not_taken_back(world: World) -> None:
    """Its DaemonSets would come back in its middle."""
    state = repair(closed(world), error=Failed(name="Conflict", reason="not ours"))
    world.connected.isolate(there(world), "fault-2", "Xid 48", "xid-48")
    world.connected.begin_reset(there(world), "fault-2", {})

    CLOSE.close_repair(state, NOW, world)

    assert RESET_BEFORE in there(world).annotations


def test_an_interruption_takes_a_node_over_from_a_repair_that_knows_of_no_deadline(world: World) -> None:
    """Two minutes are too short to ask whose it is."""
    world.connected.isolate(there(world), "fault-0", "rebalance", "rebalance")
    world.running = {ARN + "fault-0"}

    assert isolate(world, kind="maintenance", xid=None, deadline=NOW + timedelta(days=9)).status == "owned"
    assert isolate(world, kind="interruption", xid=None, deadline=NOW + timedelta(minutes=2)).status == "closed"
    assert there(world).isolated_by == "fault-1"


def test_the_global_stop_is_read_before_the_act(world: World) -> None:
    """And waited for."""
    world.wishes.write_stop(GlobalStop(at=NOW, by="ops", reason="audit"))

    answer = isolate(world)

    assert (answer.status, answer.wait_seconds) == ("waiting", 20)
    assert not any(n.unschedulable for n in world.connected.all_nodes)


def test_a_slot_of_the_budget_comes_before_anything_that_disturbs(world: World) -> None:
    """A full one is waited for, and a person hears of it in the end."""
    world.policy = "budget: {nodes: 1}\nbreaker_percent: 100\n" + POLICY
    state = repair(closed(world))
    assert [OPEN.open_repair(state, NOW, world).status for _ in range(2)] == ["clear", "clear"]

    world.connected.isolate(world.connected.all_nodes[1], "fault-2", "Xid 79", "xid-79")
    other = state.model_copy(update={"run": run("fault-2"), "isolate": replace_instance(state, instance(1).id)})
    world.connected.isolate(world.connected.all_nodes[1], "fault-2", "Xid 79", "xid-79")
    first = OPEN.open_repair(other, NOW, world)
    last = OPEN.open_repair(other.model_copy(update={"open": first}), NOW + timedelta(hours=24), world)

    assert (first.status, last.status) == ("waiting", "overdue")
    assert first.wait_seconds > 0
    assert "fault-1" in first.reason


def replace_instance(state: Any, name: str) -> Any:
    """The same, of another node."""
    return state.isolate.model_copy(update={"instance": name})


def test_a_repair_waits_while_everything_is_stopped(world: World) -> None:
    """Without taking a slot."""
    state = repair(closed(world))
    world.wishes.write_stop(GlobalStop(at=NOW, by="ops", reason="audit"))

    assert OPEN.open_repair(state, NOW, world).status == "waiting"
    assert world.budgets.slots() == ()


def test_an_instance_on_its_way_out_needs_no_repair(world: World) -> None:
    """A roll, or a person, was quicker."""
    state = repair(closed(world))
    leave(world, 0)

    assert OPEN.open_repair(state, NOW, world).status == "gone"


def claim(world: World, seconds: int = 0, before: Any = None) -> Any:
    """Ask as replace_node does for a repair: without a change."""
    given = {"run": run("fault-1"), "instance": VICTIM.id, "decrement": False}
    request = CLAIM.ClaimNode(**given, claim=before.model_dump() if before else None)
    return CLAIM.claim(request, NOW + timedelta(seconds=seconds), world)


def join(world: World, number: int, seconds: int, *, lifecycle: str = "InService", admitted: bool = True) -> None:
    """A successor is launched."""
    new = instance(number, lifecycle=lifecycle, launched=NOW + timedelta(seconds=seconds))
    world.groups.group = replace(world.groups.group, instances=(*world.groups.group.instances, new))
    world.connected.all_nodes.append(node(new, admitted=admitted))


def test_a_faulty_node_goes_first_and_its_successor_is_waited_for(world: World) -> None:
    """In service is not enough: it must have been admitted."""
    closed(world)
    taken = claim(world)
    assert (taken.status, taken.instance) == ("taken", VICTIM.id)
    request = RETIRE.RetireNode(run=run("fault-1"), instance=VICTIM.id, decrement=False)
    assert RETIRE.retire(request, NOW, world).status == "retiring"
    assert ("terminate", (VICTIM.id, False)) in world.groups.calls
    leave(world, 0)
    assert RETIRE.retire(request, NOW, world).status == "retired"

    waiting = claim(world, 60, taken)
    assert (waiting.status, waiting.started) == ("waiting", NOW)
    join(world, 7, 30, admitted=False)
    assert "not admitted" in claim(world, 90, waiting).reason
    world.connected.all_nodes[-1] = node(instance(7))
    assert claim(world, 120, waiting).status == "filled"


def test_a_successor_that_does_not_come_says_why(world: World) -> None:
    """Auto Scaling's own words; the patience begins when the old one is gone."""
    taken = claim(world)
    leave(world, 0)
    world.groups.failure = "We currently do not have sufficient g4dn.xlarge capacity"

    waiting = claim(world, 600, taken)
    late = claim(world, 600 + 3600, waiting)

    assert (waiting.status, late.status) == ("waiting", "overdue")
    assert "sufficient" in late.reason


def test_an_instance_that_is_gone_already_needs_no_successor_of_ours(world: World) -> None:
    """Whoever took it has its successor launched."""
    leave(world, 0)

    assert claim(world).status == "gone"


def close(world: World, isolated: Any, action: str = "replace", **more: Any) -> Any:
    """End the repair."""
    return CLOSE.close_repair(repair(isolated, action, **more), NOW, world)


def test_a_node_that_was_emptied_before_aws_takes_it_stays_closed(world: World) -> None:
    """Whether it is there still, or not; one that was not empty in time is a person's business."""
    isolated = closed(world)
    full = close(world, isolated, "evacuate", drain={"status": "overdue", "reason": "1 pods left"})
    empty = close(world, isolated, "evacuate", drain={"status": "drained"})
    leave(world, 0)
    gone = close(world, isolated, "evacuate", drain={"status": "drained"})

    assert [one.status for one in (full, empty, gone)] == ["kept", "evacuated", "evacuated"]
    assert len(world.escalated) == 1


def test_a_replaced_node_was_repaired_and_frees_its_slot(world: World) -> None:
    """Twice is as good as once."""
    state = repair(closed(world))
    OPEN.open_repair(state, NOW, world)
    leave(world, 0)

    assert [close(world, state.isolate, replace={"status": "filled"}).status for _ in range(2)] == ["repaired"] * 2
    assert world.budgets.slots() == ()
    assert world.escalated == []


def test_a_board_that_was_replaced_is_remembered(world: World) -> None:
    """EC2 hands it out again, and an admission asks for it."""
    state = repair(closed(world), replace={"status": "filled"})
    fault = state.event.fault.model_copy(update={"uuid": "GPU-1"})
    known = state.model_copy(update={"event": state.event.model_copy(update={"fault": fault})})

    CLOSE.close_repair(known, NOW, world)

    assert [gpu.uuid for gpu in world.memory.faulty_gpus(["GPU-1"])] == ["GPU-1"]


def test_a_node_that_is_proved_is_opened(world: World) -> None:
    """Our own quarantine is lifted, with what a reset left; a roll's cordon is not ours."""
    isolated = closed(world)
    world.connected.begin_reset(there(world), "fault-1", {"nvidia.com/gpu.deploy.dcgm": "false"})
    world.connected.cordon(there(world), "roll-1")

    answer = close(world, isolated, "reset", repair={"status": "repaired", "reason": "reset"}, smoke={})

    left = there(world)
    assert answer.status == "repaired"
    assert (left.isolated_by, left.taints, left.labels) == (None, (), {})
    assert (left.unschedulable, left.cordoned_by) == (True, "roll-1")


def test_a_quarantine_of_another_run_is_not_lifted(world: World) -> None:
    """It has its own reasons."""
    isolated = closed(world)
    world.connected.isolate(there(world), "fault-2", "another", "xid-48")

    close(world, isolated, "reset", repair={"status": "repaired", "reason": "reset"}, smoke={})

    assert (there(world).isolated_by, there(world).unschedulable) == ("fault-2", True)


def there(world: World) -> Node:
    """The node as it is now."""
    found = world.connected.node(NAME)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"action": "escalate"}, "Xid 79 is fatal"),
        ({"error": {"name": "Refused", "reason": "no capacity"}}, "Refused: no capacity"),
        ({"open": {"status": "overdue", "reason": "budget", "since": NOW}}, "budget"),
    ],
)
def test_a_node_that_is_not_repaired_stays_closed_and_people_know(
    world: World, more: dict[str, Any], words: str
) -> None:
    """With the evidence."""
    answer = close(world, closed(world), **more)

    there = world.connected.node(NAME)
    assert answer.status == "kept"
    assert there is not None
    assert there.unschedulable
    (told,) = world.escalated
    assert words in told["reason"]
    assert "NVRM: Xid 79" in told["reason"]
    assert (told["node"], told["instance"]) == (NAME, VICTIM.id)


def test_a_node_that_went_away_meanwhile_is_nobodys_business(world: World) -> None:
    """Nor is one that has its name by now."""
    isolated = closed(world)
    world.connected.all_nodes[0] = replace(node(instance(8, NEW)), name=NAME)

    assert close(world, isolated).status == "gone"
    assert world.escalated == []


def test_a_node_that_somebody_else_takes_is_gone_before_its_node_is(world: World) -> None:
    """Its instance is on its way out, and nobody needs to hear of that."""
    answer = close(world, closed(world), open={"status": "gone", "reason": "on its way out", "since": NOW})

    assert (answer.status, world.escalated) == ("gone", [])


def test_what_closed_nothing_is_recorded(world: World) -> None:
    """And what may not be done is said."""
    isolated = closed(world)
    opened = isolated.model_copy(update={"status": "open"})
    observed = isolated.model_copy(update={"status": "observed", "reason": "mode observe"})

    assert close(world, opened, "none").status == "recorded"
    assert close(world, observed).reason == "mode observe: replace would be right, because Xid 79 is fatal"


def test_a_node_that_nvsentinel_holds_is_left_to_it(world: World) -> None:
    """The reason says so; but what AWS takes by a known time is emptied, whoever has it."""
    world.connected.all_nodes[0] = replace(there(world), labels={NVSENTINEL_STATE: "remediating"})

    left = isolate(world)
    taken = isolate(world, kind="interruption", xid=None, deadline=NOW + timedelta(minutes=2))

    assert (left.status, left.reason) == ("owned", f"{NAME} is left to NVSentinel (remediating)")
    assert taken.status == "closed"


@pytest.mark.parametrize(
    ("more", "thawed"),
    [
        ({"smoke": {"status": "passed"}}, True),
        ({"replace": {"status": "filled"}}, True),
        ({"error": {"name": "Refused", "reason": "no"}}, False),
    ],
)
def test_shares_may_grow_again_once_a_hot_node_is_well(world: World, more: dict[str, Any], thawed: bool) -> None:  # noqa: FBT001
    """Or replaced; one that stays closed holds them until its item is too old."""
    isolated = closed(world)
    until = (NOW + timedelta(hours=24)).isoformat()
    world.store._table.put("pool#gpu", f"freeze#{VICTIM.id}", {"why": "hot", "until": until})
    state = repair(isolated, "relieve", **more)
    hot = state.model_copy(update={"event": {"fault": {"kind": "thermal", "first_seen": NOW}}})

    CLOSE.close_repair(OPEN.Repair.model_validate(hot.model_dump(warnings=False)), NOW, world)

    assert (world.pools.frozen("gpu", NOW) == "") is thawed
