"""Old nodes go first: the functions over a small world, and when one may go.

Covered: the whole way, without a change of sizes; a floor at each count; who is not counted on; two at once; a second
call of each step; a successor that does not come; what a stopped run does; a newcomer that somebody else asked for; a
lost fence; what is put back after a run that died half-way.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Conflict
from gpuops.domain.policy.strategy import Floor
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.first import Limits, in_service, why_not_out
from tests.fakes.rotation import NEW, NOW, group, instance, node, run
from tests.fakes.steps import CLOSE, RETURN, claim, launch, leave, leftovers, old_world, opened, plan, retire
from tests.fakes.world import World

POLICY = "groups:\n- {cluster: train, group: gpu, mode: apply, strategy: terminate_first%s}\n"


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job; one may be out at a time."""
    with mock_aws():
        yield replace(old_world(), policy=POLICY % "")


def again(world: World, change: Any, answer: Any, **more: Any) -> Any:
    """Claim as the state machine would after that answer."""
    number = int(answer.slot.removeprefix("i-"), 16)
    return claim(world, change, number, claim=answer.model_dump(), **more)


def test_the_whole_way_changes_no_size(world: World) -> None:
    """Each old node goes, and only its successor's admission lets the next one go."""
    planned = plan(world)
    change = opened(world)
    assert (planned.strategy, planned.surge, {n.decrement for n in planned.nodes}) == ("terminate_first", 1, {False})
    for place, slot in enumerate((0, 2, 1)):
        taken = claim(world, change, slot)
        assert (taken.status, taken.node) == ("taken", None)
        number = next(n for n in range(3) if instance(n).id == taken.instance)
        assert retire(world, change, number, decrement=taken.decrement).status == "retiring"
        leave(world, number)
        assert retire(world, change, number).status == "retired"
        assert again(world, change, taken).status == "waiting"
        launch(world, 10 + place)
        filled = again(world, change, taken)
        assert (filled.status, filled.node) == ("filled", f"node-{instance(10 + place).id}")
    assert plan(world, run=planned.run, plan=planned).status == "current"

    CLOSE.close(planned.run, world)

    updates = [fields for verb, fields in world.groups.calls if verb == "update"]
    assert all("max" not in fields and "desired" not in fields for fields in updates)
    terminated = [given for verb, given in world.groups.calls if verb == "terminate"]
    assert terminated == [(instance(number).id, False) for number in (0, 2, 1)]
    assert leftovers(world) == []


def test_the_plan_says_how_far_the_group_shrinks(world: World) -> None:
    """And neither of a desired capacity nor of a maximum, which stay."""
    changes = plan(world).changes

    assert "old nodes go first: 1 out of service at a time, never fewer than 2 in service" in changes
    assert not [change for change in changes if "desired" in change or "maximum" in change]


@pytest.mark.parametrize("floor", ["nodes: 3", "percent: 67", "nodes: 5"])
def test_a_floor_at_the_groups_size_is_rejected(world: World, floor: str) -> None:
    """Waiting would not help: no node could ever go."""
    decision = plan(replace(world, policy=POLICY % f", floor: {{{floor}}}"))

    assert (decision.status, decision.reason.endswith("leaves no node of 3 to begin with")) == ("reject", True)


@pytest.mark.parametrize(
    ("floor", "size", "out", "nodes"),
    [(Floor(), 4, 1, 3), (Floor(), 2, 3, 0), (Floor(nodes=2), 9, 1, 2), (Floor(percent=75), 5, 1, 4)],
)
def test_a_floor_is_counted_in_nodes(floor: Floor, size: int, out: int, nodes: int) -> None:
    """A part of a node is a node; nothing said: all but those that may be out."""
    assert floor.of(size, out) == nodes


def test_only_one_of_the_two_is_given() -> None:
    """Which of them held would be a guess."""
    with pytest.raises(ValueError, match="not both"):
        Floor(nodes=1, percent=10)


def test_a_second_node_waits_until_the_first_ones_successor_serves(world: World) -> None:
    """Out of service is whoever was taken, drained or not, gone or not."""
    change = opened(world)
    taken = claim(world, change, 0)

    assert claim(world, change, 2).reason == "1 nodes are out of service already"
    retire(world, change, 0)
    leave(world, 0)
    launch(world, 10, admitted=False)
    assert again(world, change, taken).status == "waiting"
    assert claim(world, change, 2).status == "waiting"


def test_nobody_takes_the_newcomer_for_whom_another_slot_waits(world: World) -> None:
    """Two may be out: the second slot still does not live on the first one's successor."""
    world = replace(world, policy=POLICY % ", surge: 2")
    change = opened(world)
    taken = claim(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)
    launch(world, 10)

    second = claim(world, change, 2)

    assert (second.status, again(world, change, taken).node) == ("taken", f"node-{instance(10).id}")


def test_a_newcomer_that_nobody_waits_for_is_claimed_before_anything_goes(world: World) -> None:
    """An autoscaler scaled up meanwhile: then the group need not be a node short."""
    change = opened(world)
    launch(world, 10)

    assert claim(world, change, 0).status == "claimed"


def test_each_step_twice_is_one(world: World) -> None:
    """A retried call, or a whole execution started again, finds what the first one did."""
    change = opened(world)

    first, second = claim(world, change, 0), claim(world, change, 0)
    assert (first.status, first.instance) == (second.status, second.instance)
    retire(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)
    launch(world, 10)
    launch(world, 11)
    filled = [again(world, change, first) for _ in range(2)]

    assert len([call for call in world.groups.calls if call[0] == "terminate"]) == 1
    assert filled[0].node == filled[1].node
    assert len(world.claims.of("gpu")) == 1


def test_the_clock_of_the_successor_begins_when_its_place_is_free(world: World) -> None:
    """The drain before may have waited a day for a Job; then the whole patience is still there."""
    change = opened(world)
    taken = claim(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)
    later = NOW + timedelta(days=1)

    waits = claim(world, change, 0, later, claim=taken.model_dump())
    late = claim(world, change, 0, waits.deadline, claim=waits.model_dump())

    assert (waits.status, waits.deadline) == ("waiting", later + timedelta(hours=1))
    assert (late.status, late.reason.startswith(f"{instance(0).id} is gone; 0 new instances")) == ("overdue", True)
    assert claim(world, change, 2).status == "stopped"


def test_a_slot_whose_node_is_gone_waits_on_although_the_run_stopped(world: World) -> None:
    """Its successor comes all the same, and must be admitted before the group may be called whole."""
    change = opened(world)
    taken = claim(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)
    world.store.stop(run(), "another slot failed")
    launch(world, 10)

    assert again(world, change, taken).status == "filled"


def test_whoever_lost_the_group_takes_nothing_out(world: World) -> None:
    """A stale owner that wakes up is fenced off."""
    change = opened(world)
    taken = claim(world, change, 0)
    world.store.release("lock", run())
    world.store.take("lock", run("run-2"), NOW)

    with pytest.raises(Conflict, match="is lost"):
        claim(world, change, 2)
    with pytest.raises(Conflict, match="is lost"):
        again(world, change, taken)


def test_a_node_that_was_taken_and_not_drained_is_given_back(world: World) -> None:
    """Its cordon is ours; after it is gone there is nothing to give back, and no cordon is touched."""
    change = opened(world)
    taken = claim(world, change, 0)
    world.connected.cordon(world.connected.all_nodes[0], "run-1")
    request = {"run": run(), "instance": taken.instance, "claim": {"status": "taken"}}

    returned = RETURN.return_node(RETURN.Request.model_validate(request), world)
    assert (returned.node, world.connected.all_nodes[0].unschedulable) == (f"node-{taken.instance}", False)

    leave(world, 0)
    request |= {"claim": {"status": "overdue"}, "retire": {"status": "retired"}}
    gone = RETURN.return_node(RETURN.Request.model_validate(request), world)
    assert gone.node is None
    assert "on its way out" in gone.reason


def test_a_run_that_died_half_way_is_put_back(world: World) -> None:
    """One node was being drained, another one's successor is on its way: that one stays, for its place is empty."""
    world = replace(world, policy=POLICY % ", surge: 2")
    change = opened(world)
    claim(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)
    claim(world, change, 2)
    world.connected.cordon(world.connected.all_nodes[-1], "run-1")
    launch(world, 10)

    closed = CLOSE.close(run(), world)

    assert f"uncordoned node-{instance(2).id}" in closed.restored
    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "1"
    assert [i.id for i in world.groups.group.staying] == [instance(n).id for n in (1, 2, 10)]
    assert leftovers(world) == []


NODES = [instance(number) for number in range(4)]
LIMITS = Limits(out=2, floor=3)


def test_only_whoever_takes_workload_is_counted_on() -> None:
    """Not Ready, not admitted, cordoned by anybody, on its way in or out: such a node serves nothing new."""
    coming = instance(9, NEW, version="2", lifecycle="Pending:Wait")
    going = replace(NODES[3], lifecycle="Terminating")
    nodes = [node(NODES[0]), node(NODES[1], admitted=False), node(NODES[2], unschedulable=True), node(coming)]

    assert in_service(group([*NODES[:3], going, coming]), nodes) == {NODES[0].id}
    assert in_service(group(NODES), [node(NODES[0], ready=False)]) == frozenset()


def test_the_floor_holds_at_each_count(world: World) -> None:
    """One more than the floor serves: one may go. A claimed old node is as good as gone, a free newcomer not there."""
    opened(world)
    undo = world.store.undo("gpu")
    assert undo is not None
    serving = {one.id for one in NODES}
    taken = Claim(group="gpu", run="run-1", slot="i-9", old=NODES[0].id, first=True, decrement=False)
    new = instance(10, NEW, version="2")
    grown = group([*NODES[1:], new])
    claimed = taken.model_copy(update={"new": new.id, "node": "n"})

    assert why_not_out(group(NODES), undo, [], serving, LIMITS) is None
    short = why_not_out(group(NODES), undo, [], serving - {NODES[0].id}, LIMITS)
    assert short == "3 nodes are in service; with one less there were fewer than 3"
    assert why_not_out(group(NODES), undo, [taken], serving, LIMITS) is not None
    assert why_not_out(grown, undo, [taken], serving | {new.id}, LIMITS) is not None, "nobody has claimed it yet"
    assert why_not_out(grown, undo, [claimed], serving | {new.id}, LIMITS) is None
