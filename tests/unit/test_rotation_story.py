"""The functions of a rotation over a small world: from plan to close, and each step alone.

Covered: the whole way; opening twice; a held group; a dead holder; a lost fence; claims by admission and zone; the
first failure stops the rest; instances and nodes that leave late or by themselves.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws

from gpuops.domain.errors import Conflict
from tests.fakes.rotation import ARN, LT, NEW, NOW, instance, run
from tests.fakes.steps import (
    CLOSE,
    OPEN,
    RETIRE,
    RETURN,
    claim,
    launch,
    leave,
    leftovers,
    old_world,
    opened,
    plan,
    retire,
)
from tests.fakes.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job."""
    with mock_aws():
        yield old_world()


def test_the_whole_way_rolls_the_group_and_leaves_nothing(world: World) -> None:
    """Plan, open, then claim and retire each node; the check says current, and close puts everything back."""
    planned = plan(world)
    assert [n.instance for n in planned.nodes] == [instance(n).id for n in (0, 2, 1)], "the training Job goes last"
    change = OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)
    assert (world.groups.group.desired, world.groups.group.max, world.groups.group.protects_new) == (4, 4, True)
    for place, planned_node in enumerate(planned.nodes):
        launch(world, 10 + place)
        number = next(n for n in range(3) if instance(n).id == planned_node.instance)
        assert claim(world, change, number).status == "claimed"
        assert retire(world, change, number, decrement=planned_node.decrement).status == "retiring"
        assert retire(world, change, number, decrement=planned_node.decrement).status == "retiring"
        leave(world, number)
        assert retire(world, change, number, decrement=planned_node.decrement).status == "retired"
    again = plan(world, run=planned.run, plan=planned)
    assert (again.status, again.reason) == ("current", f"all 3 instances run 1.36.3-20261101 ({NEW})")

    closed = CLOSE.close(planned.run, world)

    after = world.groups.group
    assert (after.desired, after.max, after.suspended, after.protects_new) == (3, 3, frozenset(), False)
    assert after.launch["LaunchTemplate"] == {"LaunchTemplateId": LT, "Version": "2"}
    assert closed.left == (f"launch template {LT}: the group now names version 2 (was 1)",)
    terminated = [call for call in world.groups.calls if call[0] == "terminate"]
    assert sorted(decrement for _, (_, decrement) in terminated) == [False, False, True], "each exactly once"
    assert leftovers(world) == []


def test_opening_twice_asks_for_nothing_more(world: World) -> None:
    """A retried call finds the same originals, version and goals."""
    first = opened(world)
    calls = list(world.groups.calls)

    again = opened(world)

    assert (again, world.groups.calls, len(world.templates.versions)) == (first, calls, 2)


def test_a_second_run_is_told_who_holds_the_group(world: World) -> None:
    """Its own close then leaves the first run's change alone."""
    planned = plan(world, name="run-2")
    opened(world)
    world.running.add(ARN + "run-1")

    with pytest.raises(Conflict, match=f"rotation of gpu is held by {ARN}run-1"):
        OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)
    CLOSE.close(planned.run, world)

    assert world.store.undo("gpu") is not None
    assert world.store.lock("lock", "gpu") is not None


def test_a_dead_holders_lock_is_taken_but_not_its_change(world: World) -> None:
    """Originals that are not put back yet would be lost under ours; reconcile closes them first."""
    planned = plan(world, name="run-2")
    opened(world)

    with pytest.raises(Conflict, match="by run run-1 is not put back yet"):
        OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)
    assert plan(world, name="run-3").status == "hold"


def test_a_lost_fence_stops_every_act(world: World) -> None:
    """Whoever lost the group can neither claim nor retire."""
    change = opened(world)
    world.store.release("lock", run())
    world.store.take("lock", run("run-2"), NOW)

    for act in (claim, retire):
        with pytest.raises(Conflict, match=f"number 1 is lost; it is held by {ARN}run-2|is lost"):
            act(world, change, 0)
    assert not [call for call in world.groups.calls if call[0] == "terminate"]


def test_a_claim_waits_for_admission_and_takes_each_node_once(world: World) -> None:
    """Not the unadmitted one; the second old node does not get the first one's."""
    change = opened(world)
    launch(world, 10, admitted=False)
    assert claim(world, change, 0).status == "waiting"
    launch(world, 11)

    first, second, repeated = claim(world, change, 0), claim(world, change, 2), claim(world, change, 0)

    assert (first.node, second.status, repeated.node) == (f"node-{instance(11).id}", "waiting", first.node)


def test_a_claim_prefers_the_zone_of_the_old_node(world: World) -> None:
    """A pod with a zonal volume can only follow there."""
    change = opened(world)
    launch(world, 10)
    launch(world, 11)

    assert claim(world, change, 1).node == f"node-{instance(11).id}"


def test_an_overdue_claim_stops_the_nodes_that_have_not_begun(world: World) -> None:
    """They would each wait as long for the same missing node."""
    change = opened(world)
    waiting = claim(world, change, 0)

    late = claim(world, change, 0, waiting.deadline, claim={"deadline": waiting.deadline})

    assert (waiting.status, late.status) == ("waiting", "overdue")
    assert claim(world, change, 1).status == "stopped"


def test_a_returned_node_stops_the_nodes_that_have_not_begun(world: World) -> None:
    """Whatever failed: the newcomer is claimed for the node that came back, and no other will come."""
    change = opened(world)
    launch(world, 10)
    claim(world, change, 0)

    RETURN.return_node(RETURN.Request(run=run(), instance=instance(0).id), world)

    assert claim(world, change, 1).reason == f"the run stopped: {instance(0).id} was returned"


def test_an_instance_that_left_by_itself_needs_no_claim(world: World) -> None:
    """Somebody else terminated it: nothing is left to replace."""
    change = opened(world)
    leave(world, 0)

    assert claim(world, change, 0).status == "gone"


def test_a_node_that_outlives_its_instance_is_waited_for(world: World) -> None:
    """A node lost count of would still be counted on; past the deadline the run stops."""
    change = opened(world)
    retire(world, change, 0)
    gone = instance(0).id
    world.groups.group = replace(
        world.groups.group, instances=tuple(i for i in world.groups.group.instances if i.id != gone)
    )

    waiting = retire(world, change, 0)
    request = RETIRE.RetireNode(
        run=run(), change=change, instance=gone, decrement=False, retire={"deadline": waiting.deadline}
    )
    late = RETIRE.retire(request, waiting.deadline, world)

    assert (waiting.status, waiting.reason) == ("retiring", f"Node node-{gone} is still there")
    assert late.status == "overdue"


def test_the_fencing_number_grows_with_each_holder(world: World) -> None:
    """Across holders too, or a late act of the first would pass as the second's."""
    first = opened(world)
    CLOSE.close(run(), world)

    second = opened(world, "run-2")

    assert second.fence > first.fence
