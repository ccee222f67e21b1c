"""A repair that died leaves no node closed with nobody told: it is taken up once, and then a person is called.

Covers: alive, dead, settled and foreign nodes, both ways out, an input that is lost, a group that the policy has lost,
and what close_repair writes on what it leaves closed.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.answers import Left, Order, Repair
from gpuops.domain.faults.left import AGAIN, NAME_LENGTH, name_again, order_of
from gpuops.domain.keys import FAULT, FAULT_SETTLED, RESET_BEFORE
from gpuops.domain.rotation.lock import LONGEST_FUNCTION, Execution
from gpuops.repair.left import left_repairs
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, group, instance
from tests.fakes.rotation import run as roll_run
from tests.fakes.steps import old_world
from tests.fakes.world import World

LOOK: Any = left_repairs
"""Over a fake world."""
LIST, CLOSE = load_app("list_leftovers"), load_app("close_repair")
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:gpuops-remediate-gpu"
VICTIM = instance(0)
NAME = f"node-{VICTIM.id}"
ISOLATED = {"status": "closed", "reason": "r", "node": NAME, "instance": VICTIM.id}
ORDER = Order.model_validate({"fault": {"node": NAME, "kind": "xid", "xid": 48, "first_seen": NOW}})


class Here(World):
    """Whose executions of remediate_gpu are these."""

    known: dict[str, Execution]

    def of_machine(self, machine: str, name: str) -> Execution:
        """See Executions."""
        assert machine == MACHINE
        return self.known.get(name, Execution(running=False))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Three nodes; the first was closed by `fault-1`, which was aborted long enough ago."""
    monkeypatch.setenv("REMEDIATE_GPU_MACHINE_ARN", MACHINE)
    with mock_aws():
        made = Here(**vars(old_world()))
        made.known = {"fault-1": dead()}
        made.connected.isolate(made.connected.all_nodes[0], "fault-1", "Xid 48", "xid-48")
        yield made


def dead(minutes: float = 15, given: str = ORDER.model_dump_json()) -> Execution:
    """It ended so many minutes ago."""
    return Execution(running=False, ended=NOW - timedelta(minutes=minutes), given=given)


def there(world: Here) -> Node:
    """The node as it is."""
    found = world.connected.node(NAME)
    assert found is not None
    return found


def look(world: Here) -> list[Left]:
    """One look, at which everything can be seen."""
    found: list[Left]
    found, faults = LOOK(world.latest(), NOW, world)
    assert faults == []
    return found


def test_a_dead_repair_is_taken_up_with_its_own_fault(world: Here) -> None:
    """Under a name that says whose it was: two ticks start one."""
    (found,) = look(world)

    assert (found.name, found.event, found.run.id) == ("fault-1-again", ORDER, "fault-1")
    assert found.error.reason == "fault-1 ended without ending its repair: fault-1-again takes it up"
    assert look(world) == [found]


def test_one_that_runs_or_may_still_act_is_left_alone(world: Here) -> None:
    """An invocation that began before the end may act for as long as Lambda lets it."""
    for execution in (Execution(running=True), dead(LONGEST_FUNCTION / timedelta(minutes=1) - 0.1)):
        world.known["fault-1"] = execution
        assert look(world) == []


def test_one_that_ended_as_it_should_is_left_alone(world: Here) -> None:
    """Its node says so; and a node that nobody of ours closed is nobody's business."""
    world.connected.settle_isolation(there(world), NOW)
    assert look(world) == []

    world.connected.end_isolation(there(world))
    assert look(world) == []


def test_one_that_died_twice_is_a_persons(world: Here) -> None:
    """With the fault, as close_repair takes it; its owner's slots are given back by the same call."""
    world.connected.isolate(there(world), "fault-1" + AGAIN, "Xid 48", "xid-48")
    world.known["fault-1" + AGAIN] = dead()

    (lost,) = look(world)

    assert (lost.name, lost.event, lost.run.id) == (None, ORDER, "fault-1-again")
    assert (lost.run.group, lost.run.cluster) == ("gpu", "train")
    assert lost.run.execution == "arn:aws:states:us-east-1:123456789012:execution:gpuops-remediate-gpu:fault-1-again"
    assert lost.error.reason == "fault-1-again ended without ending its repair, as the one before it did"


def test_one_whose_input_is_lost_is_a_persons_with_the_nodes_own_words(world: Here) -> None:
    """Step Functions forgets executions; one started by hand may have been given anything."""
    for execution in (Execution(running=False), dead(given="{}"), dead(given="no JSON")):
        world.known["fault-1"] = execution
        (lost,) = look(world)
        assert lost.name is None
        assert (lost.event.fault.evidence, lost.event.fault.node) == (("Xid 48",), NAME)


def test_what_the_policy_has_lost_is_said_and_hides_nothing_else(world: Here) -> None:
    """The tick fails with it, until a person opens the node."""
    world.groups.group = group([])

    found, faults = LOOK(world.latest(), NOW, world)

    assert (found, [type(fault) for fault in faults]) == ([], [Invalid])
    assert "fault-1" in str(faults[0])


def test_the_list_has_them_by_what_becomes_of_them(world: Here) -> None:
    """What the state machine starts, and what it closes."""
    other = world.connected.all_nodes[1]
    world.connected.isolate(other, "fault-2" + AGAIN, "Xid 79", "xid-79")
    world.known["fault-2" + AGAIN] = dead()

    listed = LIST.list_leftovers(NOW, world)

    assert [one.name for one in listed.repairs] == ["fault-1-again"]
    assert [one.isolate.node for one in listed.lost] == [other.name]
    assert listed.reason == "0 changes to close, 0 admissions to start, 2 repairs that died"


def test_a_person_is_called_once(world: Here) -> None:
    """With the evidence; the node then says that this is meant, and the next look passes it over."""
    world.connected.isolate(there(world), "fault-1" + AGAIN, "Xid 48", "xid-48")
    world.known["fault-1" + AGAIN] = dead()
    (lost,) = look(world)

    closed = CLOSE.close_repair(Repair.model_validate(lost.model_dump()), NOW, world)

    assert closed.status == "kept"
    assert [told["node"] for told in world.escalated] == [NAME]
    assert "fault-1-again ended without ending its repair" in world.escalated[0]["reason"]
    assert there(world).annotations[FAULT_SETTLED] == NOW.isoformat()
    assert there(world).annotations[FAULT] == "Xid 48"
    assert look(world) == []


def test_a_node_that_was_closed_anew_is_looked_after_again(world: Here) -> None:
    """Settled was the one before."""
    world.connected.settle_isolation(there(world), NOW)
    world.connected.isolate(there(world), "fault-2", "Xid 79", "xid-79")
    world.known["fault-2"] = dead()

    assert [found.name for found in look(world)] == ["fault-2-again"]


def test_a_dead_reset_is_taken_back_before_a_reboot(world: Here) -> None:
    """Its labels keep the plugin away: the node would offer no GPU afterwards."""
    world.connected.begin_reset(there(world), "fault-1", {})
    world.connected.isolate(there(world), "fault-2", "Xid 48", "xid-48")
    reboot = load_app("repair_gpu")
    state = {
        "run": roll_run("fault-2", machine="remediate_gpu"),
        "event": ORDER.model_dump(),
        "isolate": ISOLATED,
        "diagnose": {"action": "reboot", "reason": "r"},
    }

    reboot.repair(reboot.Repair.model_validate(state), NOW, world)

    assert RESET_BEFORE not in there(world).annotations


@pytest.mark.parametrize("length", [1, 73, 74, 80])
def test_names_stay_within_what_step_functions_takes(length: int) -> None:
    """And are never taken up a third time."""
    name = name_again("x" * length)

    assert name is not None
    assert len(name) <= NAME_LENGTH
    assert name_again(name) is None


def test_only_an_order_is_an_order() -> None:
    """What somebody else's execution was given is none."""
    assert order_of(ORDER.model_dump_json()) == ORDER
    assert [order_of(text) for text in ("", "[]", '{"fault": 1}')] == [None, None, None]
