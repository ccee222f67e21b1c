"""The functions of a rotation over a small world: from plan to close, and each step alone.

Covered: the whole way; opening twice; a held group; a dead holder; a lost fence; claims by admission and zone; the
choice of the old node, in the plan's order and by zone; the first failure stops the rest; instances and nodes that
leave late or by themselves.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from moto import mock_aws

from gpuops.adapters.claims import Claims
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.claim import Claim
from tests.fakes.rotation import ARN, LT, NEW, NOW, POLICY, instance, node, run
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
        slot = next(n for n in range(3) if instance(n).id == planned_node.instance)
        claimed = claim(world, change, slot, decrement=planned_node.decrement)
        assert claimed.status == "claimed"
        number = next(n for n in range(3) if instance(n).id == claimed.instance)
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


def test_a_roll_goes_before_the_next_node_that_shares_and_waits_for_this_one(world: World) -> None:
    """The group is taken at once; whoever changes one node of it has ten minutes to end."""
    planned, sharing = plan(world), run("apply-1").model_copy(update={"machine": "apply_gpu_config"})
    request = OPEN.OpenChange(run=planned.run, plan=planned)
    world.running |= {ARN + "run-1", ARN + "apply-1"}
    world.store.take("lock", sharing, NOW)

    waits = OPEN.open_or_wait(request, NOW, world)
    again = request.model_copy(update={"change": waits})
    assert (waits.status, waits.since, world.store.lock("rotation", "gpu") is not None) == ("waiting", NOW, True)
    assert OPEN.open_or_wait(again, NOW + timedelta(minutes=9), world).since == NOW
    with pytest.raises(Conflict, match="lock of gpu is held by"):
        OPEN.open_or_wait(again, NOW + timedelta(minutes=10), world)

    world.store.release("lock", sharing)
    assert OPEN.open_or_wait(again, NOW + timedelta(minutes=9), world).status == "open"


def test_a_second_roll_does_not_wait_for_the_first(world: World) -> None:
    """EventBridge may deliver twice: whoever comes second says at once who has the group."""
    planned = plan(world, name="run-2")
    opened(world)
    world.running.add(ARN + "run-1")

    with pytest.raises(Conflict, match=f"rotation of gpu is held by {ARN}run-1"):
        OPEN.open_or_wait(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)


def test_a_dead_holders_lock_is_taken_but_not_its_change(world: World) -> None:
    """Originals that are not put back yet would be lost under ours; reconcile closes them first."""
    planned = plan(world, name="run-2")
    opened(world)

    with pytest.raises(Conflict, match="by run run-1 is not put back yet"):
        OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)
    with pytest.raises(Conflict, match="run run-1 has the group"):
        plan(world, name="run-3")


def test_a_second_event_in_mid_roll_names_the_first(world: World) -> None:
    """A duplicate is no fault, but it may not wait and roll again; who only observes is just told."""
    opened(world)

    with pytest.raises(Conflict, match="run run-1 has the group"):
        plan(world, name="run-2")
    assert plan(replace(world, policy=POLICY.replace("apply", "observe")), name="run-2").status == "hold"


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

    assert (first.node, second.status) == (f"node-{instance(11).id}", "waiting")
    assert (repeated.node, repeated.instance) == (first.node, first.instance)


def test_a_slot_takes_the_first_of_the_plan_whatever_its_own_name(world: World) -> None:
    """The training Job's node has its name on the last slot; the first to ask still gets an idle node."""
    change = opened(world)
    launch(world, 10)

    assert claim(world, change, 1).instance == instance(0).id


def test_the_slot_that_gives_back_the_surge_goes_last(world: World) -> None:
    """Its newcomer will not be replaced: taken too early, another slot would wait for one in vain."""
    change = opened(world)
    for number in (10, 11, 12):
        launch(world, number)

    early = claim(world, change, 1, decrement=True)
    others = [claim(world, change, number).instance for number in (0, 2)]
    uneven = claim(world, change, 1, decrement=True)
    late = uneven.model_dump() | {"started": NOW - timedelta(minutes=5)}
    last = claim(world, change, 1, decrement=True, claim=late)

    assert (early.status, early.reason) == ("waiting", "gives back the surge, after 2 slots without a claim yet")
    assert (uneven.status, uneven.wait_seconds) == ("waiting", 30)
    assert uneven.reason == f"until {', '.join(others)} went: their successors even the zones"
    assert sorted([*others, last.instance]) == [instance(number).id for number in range(3)]


def test_the_last_slot_goes_once_the_others_old_nodes_went(world: World) -> None:
    """What is launched for them then stands where the last old node is not needed."""
    change = opened(world)
    for number in (10, 11, 12):
        launch(world, number)
    for slot in (0, 2):
        old = claim(world, change, slot).instance
        leave(world, int(old.removeprefix("i-"), 16))

    assert claim(world, change, 1, decrement=True).status == "claimed"


def test_a_claim_prefers_the_zone_of_the_old_node(world: World) -> None:
    """A pod with a zonal volume can only follow there."""
    change = opened(world)
    launch(world, 11)
    launch(world, 12)

    claimed = claim(world, change, 1)

    assert (claimed.instance, claimed.node) == (instance(0).id, f"node-{instance(12).id}")


class TooEarly(Claims):
    """Claims that were read a moment before somebody else's was there."""

    def of(self, group: str) -> list[Claim]:
        """See Claims."""
        return []


class EarlyWorld(World):
    """The world of whoever read them so."""

    @property
    def claims(self) -> Claims:
        """The table's, but as they were."""
        return TooEarly(self.store._table)


def test_two_slots_that_look_at_the_same_moment_share_nothing(world: World) -> None:
    """The second one read the claims before the first one's was there: it waits, and then takes others."""
    change = opened(world)
    launch(world, 10)
    launch(world, 11)
    claim(world, change, 0)

    assert claim(EarlyWorld(**vars(world)), change, 2).status == "waiting"
    claim(world, change, 2)

    taken = [(one.slot, one.old, one.new) for one in world.claims.of("gpu")]
    assert [len(set(column)) for column in zip(*taken, strict=True)] == [2, 2, 2]


def test_an_overdue_claim_stops_the_nodes_that_have_not_begun(world: World) -> None:
    """They would each wait as long for the same missing node."""
    change = opened(world)
    waiting = claim(world, change, 0)

    late = claim(world, change, 0, waiting.deadline, claim=waiting.model_dump())

    assert (waiting.wait_seconds, waiting.deadline - NOW) == (240, timedelta(hours=1))
    assert (waiting.status, late.status) == ("waiting", "overdue")
    assert claim(world, change, 1).status == "stopped"


@pytest.mark.parametrize("told", [True, False])
def test_an_overdue_claim_says_what_became_of_the_newcomers(world: World, *, told: bool) -> None:
    """In our own words if we abandoned one, else in Auto Scaling's; a deadline alone helps nobody."""
    change = opened(world)
    waiting = claim(world, change, 0)
    world.groups.failure = "We currently do not have sufficient g4dn.xlarge capacity"
    if told:
        world.store.tell_abandoned("gpu", "i-9 was abandoned: no passed CUDA sample")

    late = claim(world, change, 0, waiting.deadline, claim=waiting.model_dump())

    assert late.reason.endswith("no passed CUDA sample" if told else "g4dn.xlarge capacity")


def test_a_returned_node_stops_the_nodes_that_have_not_begun(world: World) -> None:
    """Whatever failed: the newcomer is claimed for the node that came back, and no other will come."""
    change = opened(world)
    launch(world, 10)
    claim(world, change, 0)

    request = {"run": run(), "instance": instance(0).id, "claim": {"status": "claimed"}}
    RETURN.return_node(RETURN.Request.model_validate(request), world)

    assert claim(world, change, 1).reason == f"the run stopped: {instance(0).id} was returned"


def test_a_slot_without_a_claim_gives_no_node_back(world: World) -> None:
    """The node whose name it bears may be drained by another slot at this moment: that cordon stays."""
    opened(world)
    world.connected.cordon(world.connected.all_nodes[0], "run-1")
    request = {"run": run(), "instance": instance(0).id, "claim": {"status": "overdue"}}

    returned = RETURN.return_node(RETURN.Request.model_validate(request), world)

    undo = world.store.undo("gpu")
    assert undo is not None
    assert (returned.node, world.connected.all_nodes[0].unschedulable) == (None, True)
    assert undo.stopped == f"no node was claimed for slot {instance(0).id}"


def test_an_instance_that_left_by_itself_leaves_one_slot_without_work(world: World) -> None:
    """Never the one that gives back the surge: that one still has an instance to take."""
    change = opened(world)
    for number in (0, 2):
        leave(world, number)
        launch(world, 10 + number)

    assert claim(world, change, 0).status == "gone"
    assert claim(world, change, 1, decrement=True).instance == instance(1).id
    assert claim(world, change, 2, decrement=True).status == "gone"


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
    drained = request.model_copy(update={"drain": RETIRE.Host(node=f"node-{gone}")})
    assert RETIRE.retire(drained, NOW, world).reason == waiting.reason
    world.connected.all_nodes = [replace(node(instance(7)), name=f"node-{gone}")]
    assert RETIRE.retire(drained, NOW, world).status == "retired", "the name is another instance's by now"

    assert (waiting.status, waiting.reason) == ("retiring", f"Node node-{gone} is still there")
    assert (waiting.wait_seconds, late.wait_seconds) == (20, 0)
    assert late.status == "overdue"


def test_the_fencing_number_grows_with_each_holder(world: World) -> None:
    """Across holders too, or a late act of the first would pass as the second's."""
    first = opened(world)
    CLOSE.close(run(), world)

    second = opened(world, "run-2")

    assert second.fence > first.fence


def test_the_node_of_an_instance_that_terminates_late_is_not_given_back(world: World) -> None:
    """Its retirement was overdue, not undone: a pod that is let in now dies with it."""
    change = opened(world)
    launch(world, 10)
    claim(world, change, 0)
    world.connected.cordon(world.connected.all_nodes[0], "run-1")
    retire(world, change, 0)

    request = {"run": run(), "instance": instance(0).id, "claim": {"status": "claimed"}}
    returned = RETURN.return_node(RETURN.Request.model_validate(request), world)

    assert (returned.node, world.connected.all_nodes[0].unschedulable) == (None, True)
    assert "on its way out" in returned.reason
