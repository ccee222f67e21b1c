"""Instances that stay: each step of the functions over a small world, and what is left where one of them fails.

Covered: the whole way, with a canary, without a change of sizes; who is counted on; each step twice; a refusal of
EC2's; a task that fails, or never ends; an instance that goes away; a node that is not admitted, and its way back; a
roll that comes to this for want of capacity; a run that died before, while and after a root volume was replaced; a lost
fence, and the global stop.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict, Refused
from gpuops.domain.keys import ADMITTED
from gpuops.domain.rotation.wish import GlobalStop
from tests.fakes.apps import load_app
from tests.fakes.rotation import NEW, NOW, OLD, Images, image, instance, run
from tests.fakes.steps import CLOSE, OPEN, RETURN, claim, launch, leave, leftovers, old_world, opened, plan
from tests.fakes.world import World

ROOT, BACK, DRAIN = load_app("replace_root"), load_app("open_rollback"), load_app("drain_node")
POLICY = "groups:\n- {cluster: train, group: gpu, mode: apply, strategy: replace_root_volume%s}\n"
NO_CAPACITY = "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested."
FIRST, LAST = instance(0).id, instance(2).id


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job; one may be out at a time, and there is no canary."""
    with mock_aws():
        yield replace(old_world(), policy=POLICY % ", canary: {nodes: 0}")


def node_of(world: World, name: str) -> Node:
    """The instance's node as it is now."""
    return next(node for node in world.connected.all_nodes if node.instance == name)


def swap(world: World, change: Any, name: str, before: Any = None, *, now: Any = NOW) -> Any:
    """Replace the root volume of a drained node."""
    given = {"run": run(), "change": change, "instance": name, "replace": before and before.model_dump()}
    return ROOT.replace_root(ROOT.Request.model_validate(given), now, world)


def restart(world: World, name: str, *, admitted: bool = True) -> None:
    """EC2 is done, the machine is up again, and its admission has ended."""
    task, node = world.roots.tasks[name], node_of(world, name)
    world.roots.tasks[name] = replace(task, state="succeeded")
    group = world.groups.group
    moved = tuple(replace(i, ami=task.image) if i.id == name else i for i in group.instances)
    world.groups.group = replace(group, instances=moved)
    up = replace(node, boot_id=f"{node.boot_id}+", unschedulable=node.unschedulable and not admitted)
    marks = {key: value for key, value in up.annotations.items() if not admitted or "quarantin" not in key}
    up = replace(up, annotations={**marks, ADMITTED: NOW.isoformat()} if admitted else marks)
    up = replace(up, taints=() if admitted else up.taints)
    world.connected.all_nodes = [up if n.instance == name else n for n in world.connected.all_nodes]


def closed(world: World, change: Any, name: str) -> None:
    """The drain has taken a slot of the budget, and cordoned the node."""
    request = DRAIN.Request(run=run(), change=change, instance=name)
    assert DRAIN.drain(request, NOW, world).status == "drained"


def moved(world: World, change: Any, number: int) -> Any:
    """One slot from its claim until its node is back."""
    taken = claim(world, change, number)
    assert taken.status == "in_place"
    closed(world, change, taken.instance)
    begun = swap(world, change, taken.instance)
    assert (begun.status, node_of(world, taken.instance).pending) == ("replacing", True)
    restart(world, taken.instance)
    assert swap(world, change, taken.instance, begun).status == "replaced"
    return claim(world, change, number, claim=taken.model_dump(), admit={"reason": "passed"})


def test_the_whole_way_keeps_every_instance(world: World) -> None:
    """No size changes, nothing is terminated, and what would have replaced a restarting node runs again."""
    world.connected.pods.clear()
    planned = plan(world)
    change = opened(world)
    assert (planned.strategy, {n.decrement for n in planned.nodes}) == ("replace_root_volume", {False})
    assert "ReplaceUnhealthy" in world.groups.group.suspended

    assert [moved(world, change, number).status for number in (0, 2, 1)] == ["filled"] * 3

    assert plan(world, run=planned.run, plan=planned).status == "current"
    assert [image for _, image in world.roots.asked] == [NEW] * 3
    assert world.budgets.slots() == ()
    CLOSE.close(planned.run, world)
    assert not world.groups.group.suspended
    assert [call for call in world.groups.calls if call[0] == "terminate" or "desired" in call[1]] == []
    assert leftovers(world) == []


def test_the_plan_says_what_happens_to_the_nodes(world: World) -> None:
    """And that nothing replaces what restarts."""
    changes = plan(world).changes

    told = "instances stay and get another root volume: 1 out of service at a time, never fewer than 2 in service"
    assert told in changes
    assert "suspend AZRebalance, AlarmNotification, ScheduledActions, ReplaceUnhealthy, while it rolls" in changes


def test_a_second_node_waits_until_the_first_one_is_back(world: World) -> None:
    """Whoever restarts serves nobody; who is back serves again, whatever its claim says of an old node."""
    change = opened(world)
    taken = claim(world, change, 0)
    closed(world, change, taken.instance)
    assert claim(world, change, 2).reason == "1 nodes are out of service already"

    begun = swap(world, change, taken.instance)
    restart(world, taken.instance)
    swap(world, change, taken.instance, begun)
    claim(world, change, 0, claim=taken.model_dump(), admit={})

    assert claim(world, change, 2).status == "in_place"


def test_who_does_not_serve_takes_nothing_away(world: World) -> None:
    """A node that is closed already may be helped although not one more may be spared."""
    world.connected.all_nodes = [replace(n, unschedulable=n.instance == FIRST) for n in world.connected.all_nodes]
    change = opened(world)

    assert claim(world, change, 0).instance == FIRST
    world.claims.forget(run())
    world.connected.all_nodes = [replace(n, unschedulable=n.instance == LAST) for n in world.connected.all_nodes]
    assert claim(world, change, 0).reason.startswith("2 nodes are in service; with one less")


def test_each_step_twice_is_one(world: World) -> None:
    """An answer that was lost is asked for again: one claim, one task, one slot given back."""
    change = opened(world)
    taken, again = claim(world, change, 0), claim(world, change, 0)
    assert (taken.status, taken.instance) == (again.status, again.instance)
    closed(world, change, taken.instance)
    begun, repeated = swap(world, change, taken.instance), swap(world, change, taken.instance)
    assert begun.task == repeated.task
    restart(world, taken.instance)
    assert swap(world, change, taken.instance).status == "replaced", "its task is not known to a lost answer"

    filled = [claim(world, change, 0, claim=taken.model_dump(), admit={}) for _ in range(2)]

    assert [answer.status for answer in filled] == ["filled", "filled"]
    assert len(world.claims.of("gpu")) == 1


def test_what_ec2_refuses_leaves_the_node_as_it_was(world: World) -> None:
    """It is what it was when it was admitted, and returns to service."""
    change = opened(world)
    taken = claim(world, change, 0)
    closed(world, change, taken.instance)
    world.roots.refused = Refused("an image of somebody else's")

    with pytest.raises(Refused):
        swap(world, change, taken.instance)
    request = {"run": run(), "instance": taken.instance, "claim": {"status": "in_place"}}
    RETURN.return_node(RETURN.Request.model_validate(request), world)

    node = node_of(world, taken.instance)
    assert (node.pending, node.quarantined, node.unschedulable) == (False, None, False)
    assert world.budgets.slots() == ()


@pytest.mark.parametrize(
    ("state", "told"), [("failed", "it keeps the one it had"), ("failed-detached", "it has no root volume")]
)
def test_a_task_that_fails_says_what_became_of_the_node(world: World, state: str, told: str) -> None:
    """The run stops; the node stays behind its taint until it is admitted again, or replaced."""
    change = opened(world)
    name = claim(world, change, 0).instance
    closed(world, change, name)
    begun = swap(world, change, name)
    world.roots.tasks[name] = replace(world.roots.tasks[name], state=state)

    answer = swap(world, change, name, begun)

    assert (answer.status, answer.reason.endswith(told)) == ("failed", True)
    assert node_of(world, name).pending


def test_a_task_that_never_ends_is_not_waited_for_longer_than_that(world: World) -> None:
    """Neither is one that succeeded and shows in nothing."""
    change = opened(world)
    name = claim(world, change, 0).instance
    closed(world, change, name)
    begun = swap(world, change, name)

    assert swap(world, change, name, begun, now=NOW + timedelta(minutes=29)).status == "replacing"
    assert swap(world, change, name, begun, now=NOW + timedelta(minutes=30)).status == "overdue"
    world.roots.tasks[name] = replace(world.roots.tasks[name], state="succeeded")
    assert swap(world, change, name, begun, now=NOW + timedelta(minutes=30)).status == "overdue"


def test_an_instance_that_goes_away_stops_the_run(world: World) -> None:
    """Nobody will come back in its place while the group's own replacements stand still."""
    change = opened(world)
    taken = claim(world, change, 0)
    leave(world, 0)

    assert swap(world, change, taken.instance).status == "gone"
    late = claim(world, change, 0, claim=taken.model_dump(), admit={"reason": "nothing was left to admit"})

    assert (late.status, late.reason.endswith("nothing was left to admit")) == ("overdue", True)
    assert claim(world, change, 2).status == "stopped"


def test_nothing_is_begun_while_everything_is_stopped_and_nothing_begun_is_left_alone(world: World) -> None:
    """A node that restarts will be there again, whatever anybody wishes."""
    change = opened(world)
    name = claim(world, change, 0).instance
    closed(world, change, name)
    world.wishes.write_stop(GlobalStop(by="ann", at=NOW, reason="a bad day"))

    waits = swap(world, change, name)

    assert (waits.status, waits.resting, world.roots.asked) == ("replacing", NOW, [])
    assert not node_of(world, name).pending
    world.wishes.lift_stop()
    assert swap(world, change, name, waits, now=NOW + timedelta(days=1)).task
    assert world.roots.asked == [(name, NEW)]


def test_whoever_lost_the_group_replaces_nothing(world: World) -> None:
    """A stale owner that wakes up is fenced off."""
    change = opened(world)
    name = claim(world, change, 0).instance
    world.store.release("lock", run())
    world.store.take("lock", run("run-2"), NOW)

    with pytest.raises(Conflict, match="is lost"):
        swap(world, change, name)
    assert world.roots.asked == []


def failed_canary(world: World) -> Any:
    """One canary, whose node does not pass its admission from the new volume; return its change."""
    world.policy = POLICY % ""
    world.connected.pods.clear()
    change = opened(world)
    taken = claim(world, change, 0)
    closed(world, change, taken.instance)
    begun = swap(world, change, taken.instance)
    restart(world, taken.instance, admitted=False)
    assert swap(world, change, taken.instance, begun).status == "replaced"
    world.store.tell_abandoned("gpu", f"{taken.instance} was abandoned: no CUDA", taken.instance)
    bad = claim(world, change, 0, claim=taken.model_dump(), admit={"reason": "no CUDA"})
    assert (bad.status, bad.reason.endswith("was abandoned: no CUDA")) == ("condemned", True)
    request = {"run": run(), "instance": taken.instance, "claim": {"status": "condemned"}, "replace": {}}
    RETURN.return_node(RETURN.Request.model_validate(request), world)
    return change


def test_a_canary_that_is_not_admitted_gets_its_own_image_back(world: World) -> None:
    """In the same place, by the same steps; behind its taint until it has proved itself, and never open in between."""
    change = failed_canary(world)
    assert node_of(world, FIRST).pending

    back = BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)
    again = BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)
    assert ([n.instance for n in back.nodes], back, back.nodes[0].decrement) == ([FIRST], again, False)
    filled = moved(world, back.change, 0)

    assert (filled.status, world.roots.asked) == ("filled", [(FIRST, NEW), (FIRST, OLD)])
    done = CLOSE.close(run(), world)
    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "1"
    assert not [left for left in done.left if "still run" in left]
    assert leftovers(world) == []
    assert plan(world, name="run-2").status == "hold", "and is not tried again by itself"


def test_a_node_that_somebody_added_meanwhile_goes_back_too(world: World) -> None:
    """It was launched from the new version, so it never ran another image: it gets the group's."""
    change = failed_canary(world)
    launch(world, 10)

    back = BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)
    assert {n.instance for n in back.nodes} == {FIRST, instance(10).id}
    for number in (0, 10):
        assert moved(world, back.change, number).status == "filled"

    assert {i.ami for i in world.groups.group.staying} == {OLD}


def test_a_refusal_on_the_way_back_opens_nothing(world: World) -> None:
    """The node runs what proved to be bad: it must not take work because EC2 would not help it."""
    change = failed_canary(world)
    back = BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)
    claim(world, back.change, 0)
    closed(world, back.change, FIRST)
    world.roots.refused = Refused("no")

    with pytest.raises(Refused):
        swap(world, back.change, FIRST)

    assert node_of(world, FIRST).pending
    CLOSE.close(run(), world)
    assert node_of(world, FIRST).pending


@pytest.mark.parametrize(
    ("died", "pending"),
    [("before", False), ("while", True), ("after", True), ("unadmitted", True)],
)
def test_a_run_that_died_leaves_no_node_open_that_must_not_be_nor_closed_that_need_not(
    world: World,
    died: str,
    pending: bool,  # noqa: FBT001 - one of the parameters
) -> None:
    """Where no task began, the node is what it was. Else reconcile has it admitted, and need not wait for its drain."""
    change = opened(world)
    name = claim(world, change, 0).instance
    closed(world, change, name)
    if died == "unadmitted":
        marks = {k: v for k, v in node_of(world, name).annotations.items() if k != ADMITTED}
        bare = replace(node_of(world, name), annotations=marks)
        world.connected.all_nodes = [bare if n.instance == name else n for n in world.connected.all_nodes]
    swap(world, change, name)
    if died in {"before", "unadmitted"}:
        del world.roots.tasks[name]
    elif died == "after":
        restart(world, name, admitted=False)

    done = CLOSE.close(run(), world)

    node = node_of(world, name)
    assert (node.pending, node.quarantined, node.unschedulable) == (pending, None, False)
    assert [left for left in done.left if "waits for its admission" in left] == (
        [f"{node.name} waits for its admission: reconcile starts it"] if pending else []
    )
    assert leftovers(world) == []


def test_a_change_that_is_open_is_widened_for_the_others(world: World) -> None:
    """The canary's claim stays: it is not begun a second time, and counts as a node that serves."""
    world.policy = POLICY % ", canary: {nodes: 1}"
    world.connected.pods.clear()
    planned = plan(world)
    change = opened(world)
    assert moved(world, change, 0).status == "filled"

    wide = OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned, stage="forward"), NOW, world)

    assert [moved(world, wide, number).status for number in (2, 1)] == ["filled", "filled"]
    assert {i.ami for i in world.groups.group.staying} == {NEW}


def scarce(world: World) -> World:
    """A roll that wants to grow, and may go on otherwise; EC2 has nothing left, and tells the sizes of its images."""
    named = POLICY % ", canary: {nodes: 0}, on_no_capacity: next"
    world.policy = named.replace("replace_root_volume", "surge")
    world.images = Images(known={ami: image(ami, root_device="/dev/xvda", root_gib=20) for ami in (OLD, NEW)})
    world.groups.failure = NO_CAPACITY
    world.connected.pods.clear()
    return world


def given_up(world: World, change: Any) -> Any:
    """A slot that waited in vain for a newcomer, once its place stayed empty for long enough."""
    waits = claim(world, change, 0)
    assert waits.status == "waiting"
    return claim(world, change, 0, NOW + timedelta(minutes=5), claim=waits.model_dump())


def test_a_roll_that_cannot_grow_keeps_its_instances_where_it_may(world: World) -> None:
    """What was asked for in vain is taken back, and so is what the roll needed only from then on."""
    change = opened(scarce(world))
    assert "ReplaceUnhealthy" not in world.groups.group.suspended
    assert given_up(world, change).reason.endswith("from now on instances stay and get another root volume")

    assert moved(world, change, 0).status == "filled"
    assert "ReplaceUnhealthy" in world.groups.group.suspended
    assert moved(world, change, 2).status == "filled"
    assert claim(world, change, 1).status == "gone", "the last one gives back the surge"
    last = claim(world, change, 1, decrement=True)
    assert (last.status, last.decrement) == ("in_place", False)

    CLOSE.close(run(), world)

    assert (world.groups.group.desired, world.groups.group.max, len(world.groups.group.staying)) == (3, 3, 3)
    assert not world.groups.group.suspended
    assert [call for call in world.groups.calls if call[0] == "terminate"] == []


def test_an_instance_that_comes_after_all_is_taken_for_an_old_one(world: World) -> None:
    """It is paid for: then that old node need not be out of service for a minute."""
    change = opened(scarce(world))
    given_up(world, change)
    launch(world, 10)

    assert claim(world, change, 0).status == "claimed"


def test_a_roll_that_may_not_keep_instances_lets_old_ones_go_first(world: World) -> None:
    """The new image's root volume is smaller: EC2 would refuse once a node is empty."""
    scarce(world)
    world.images.known[NEW] = image(NEW, root_device="/dev/xvda", root_gib=10)
    change = opened(world)

    assert given_up(world, change).reason.endswith("from now on old nodes go first")
    assert claim(world, change, 0).status == "taken"
