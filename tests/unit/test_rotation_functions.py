"""The functions of a rotation over a small world: one story from plan to close, its repetitions, and its bad ends.

Covered: the whole way; each step twice; a held group; a dead holder; a lost fence; claims by admission and zone; the
first failure stops the rest; the surge of a failed run (idle, busy, never admitted); bad input touches nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.domain.cluster import Pod
from gpuops.domain.errors import Conflict, Invalid
from tests.fakes.rotation import (
    ARN,
    LT,
    NEW,
    NOW,
    OLD,
    POLICY,
    Cluster,
    Groups,
    Images,
    Templates,
    group,
    instance,
    job_pod,
    node,
    run,
)
from tests.fakes.world import World, function, table

PLAN, OPEN, CLAIM = function("plan_rotation"), function("open_change"), function("claim_node")
RETIRE, CLOSE = function("retire_node"), function("close_change")
EVENT = {"cluster": "train", "group": "gpu"}
WEB = Pod(namespace="default", name="web-0", owner="ReplicaSet", gpus=1)


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job."""
    old = [instance(number) for number in range(3)]
    cluster = Cluster(all_nodes=[node(i) for i in old], pods={f"node-{old[1].id}": [job_pod()]})
    with mock_aws():
        yield World(groups=Groups(group(old)), store=Store(table()), connected=cluster)


def plan(world: World, event: dict[str, Any] = EVENT, name: str = "run-1", **more: Any) -> Any:
    """Ask for a plan."""
    execution = {"id": ARN + name, "name": name, "machine": "rotate_ami"}
    request = PLAN.PlanRotation.model_validate({"event": event, "execution": execution, **more})
    return PLAN.plan(request, NOW, world)


def opened(world: World, name: str = "run-1") -> Any:
    """Plan, then open the change."""
    planned = plan(world, name=name)
    return OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)


def launch(world: World, number: int, **more: Any) -> None:
    """A new instance joins on the new template, and registers its node."""
    new = instance(number, NEW, version=str(len(world.templates.versions)))
    world.groups.group = replace(world.groups.group, instances=(*world.groups.group.instances, new))
    world.connected.all_nodes.append(node(new, **more))


def claim(world: World, change: Any, number: int, now: Any = NOW, **more: Any) -> Any:
    """Claim for one old instance."""
    request = CLAIM.ClaimNode(run=run(), change=change, instance=instance(number).id, decrement=False, **more)
    return CLAIM.claim(request, now, world)


def retire(world: World, change: Any, number: int, *, decrement: bool = False) -> Any:
    """Retire one old instance."""
    request = RETIRE.RetireNode(run=run(), change=change, instance=instance(number).id, decrement=decrement)
    return RETIRE.retire(request, NOW, world)


def leave(world: World, number: int) -> None:
    """An instance and its node are gone."""
    gone = instance(number).id
    left = tuple(i for i in world.groups.group.instances if i.id != gone)
    world.groups.group = replace(world.groups.group, instances=left)
    world.connected.all_nodes = [n for n in world.connected.all_nodes if n.instance != gone]


def leftovers(world: World) -> list[Any]:
    """Everything that a closed change must not leave."""
    store = world.store
    return [x for x in (store.lock("lock", "gpu"), store.lock("rotation", "gpu"), store.undo("gpu")) if x] + [
        *store.claims("gpu"),
        *store.open_groups(),
    ]


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


def test_closing_twice_finds_nothing(world: World) -> None:
    """The second call puts nothing back, because nothing is left of the run."""
    opened(world)
    CLOSE.close(run(), world)
    calls = list(world.groups.calls)

    assert CLOSE.close(run(), world).reason == "the run had no open change"
    assert world.groups.calls == calls


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


def test_a_failed_run_takes_its_idle_surge_back(world: World) -> None:
    """The group ends as it began, on its old launch template."""
    opened(world)
    launch(world, 10)

    closed = CLOSE.close(run(), world)

    after = world.groups.group
    assert world.groups.calls.count(("terminate", (instance(10).id, True))) == 1
    assert (after.desired, after.max, after.launch["LaunchTemplate"]["Version"]) == (3, 3, "1")
    assert (closed.surplus, leftovers(world)) == (0, [])


def test_a_surge_that_never_came_costs_no_node(world: World) -> None:
    """Without capacity the desired size goes back, and nothing is terminated."""
    opened(world)

    CLOSE.close(run(), world)

    assert (world.groups.group.desired, world.groups.group.max) == (3, 3)
    assert not [call for call in world.groups.calls if call[0] == "terminate"]


def test_a_busy_surge_stays_until_it_is_idle(world: World) -> None:
    """Size shrinks only by nodes that carry nothing; reconcile, calling the same code, finishes it."""
    opened(world)
    launch(world, 10)
    name = f"node-{instance(10).id}"
    world.connected.pods[name] = [WEB]

    closed = CLOSE.close(run(), world)
    assert (closed.surplus, world.groups.group.desired, world.store.open_groups()) == (1, 4, ["gpu"])
    assert world.store.lock("lock", "gpu") is None
    world.connected.pods[name] = []

    assert CLOSE.close(run(), world).surplus == 0
    assert (world.groups.group.desired, world.groups.group.max, leftovers(world)) == (3, 3, [])


def test_a_pod_that_lands_at_the_last_moment_saves_the_node(world: World) -> None:
    """Between the look and the act a pod may come: the cordon is taken back, the node stays."""
    opened(world)
    launch(world, 10)
    name = f"node-{instance(10).id}"
    world.connected.landing[name] = [WEB]

    assert CLOSE.close(run(), world).surplus == 1
    assert not any(n.unschedulable for n in world.connected.all_nodes)


def test_close_lifts_our_cordons_and_nobody_elses(world: World) -> None:
    """What someone else cordoned stays cordoned."""
    opened(world)
    mine, theirs = world.connected.all_nodes[0], world.connected.all_nodes[1]
    world.connected.cordon(mine, "run-1")
    world.connected.cordon(theirs, "run-9")

    closed = CLOSE.close(run(), world)

    assert f"uncordoned {mine.name}" in closed.restored
    assert [n.unschedulable for n in world.connected.all_nodes] == [False, True, False]


BAD_INPUT = [
    (EVENT | {"grup": "gpu"}, {}, "grup"),
    ({"cluster": "train"}, {}, "group"),
    ({"detail-type": "Scheduled Event", "detail": EVENT}, {}, "detail-type is 'Scheduled Event'"),
    (EVENT | {"group": "cpu"}, {}, "group 'cpu' is not in the policy"),
    (EVENT | {"cluster": "other"}, {}, "in cluster train, not in other"),
    (EVENT | {"ami": "ami-0ff0ff0ff0ff0ff0f"}, {}, "does not exist"),
    (EVENT, {"policy": "groups:\n- {cluster: train, grp: gpu}\n"}, "line 2: groups.0.grp"),
    (EVENT, {"policy": POLICY.replace("gpu,", "gone,"), "event": "gone"}, "Auto Scaling group 'gone' does not exist"),
    (EVENT, {"templates": Templates([{"ImageId": OLD, "UserData": "IyEvYmluL2Jhc2gKZWNobyBoaQo="}])}, "NodeConfig"),
]


@pytest.mark.parametrize(("event", "changes", "message"), BAD_INPUT)
def test_bad_input_has_one_reason_and_touches_nothing(
    world: World, event: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    """The plan refuses it before any lock: nothing to release, nothing to put back."""
    event = event | {"group": changes.pop("event")} if "event" in changes else event
    bad = replace(world, **changes)

    with pytest.raises((Invalid, ValueError), match=message):
        plan(bad, event)

    assert (bad.groups.calls, leftovers(bad)) == ([], [])


def test_a_pinned_group_rejects_another_ami(world: World) -> None:
    """The pin is the operator's last word."""
    pinned = f"groups:\n- cluster: train\n  group: gpu\n  ami: {{channel: pinned, id: {NEW}, release: tested}}\n"

    refused = plan(replace(world, policy=pinned), EVENT | {"ami": OLD})

    assert (refused.status, refused.reason) == ("reject", f"the policy pins gpu to {NEW}; the event asks for {OLD}")


def test_our_own_event_names_the_target(world: World) -> None:
    """The rule passes the envelope on verbatim; what it announced is what is rolled to."""
    detail = {**EVENT, "ami": NEW, "release": "announced", "driver": None, "previous_ami": OLD}

    planned = plan(
        replace(world, images=Images()),
        {"detail-type": "GPU AMI Release Detected", "source": "gpuops", "detail": detail},
    )

    assert (planned.status, planned.target.ami, planned.target.release) == ("roll", NEW, "announced")


def test_the_fencing_number_grows_with_each_holder(world: World) -> None:
    """Across holders too, or a late act of the first would pass as the second's."""
    first = opened(world)
    CLOSE.close(run(), world)

    second = opened(world, "run-2")

    assert second.fence > first.fence


def test_latest_is_kept_where_it_still_means_ours(world: World) -> None:
    """While open the group names a number; closed it follows `$Latest` again, or the old number after a failure."""
    world.groups.group = replace(
        world.groups.group, launch={"LaunchTemplate": {"LaunchTemplateId": LT, "Version": "$Latest"}}
    )
    opened(world)
    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "2"

    closed = CLOSE.close(run(), world)

    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "1"
    assert closed.left == (f"launch template {LT}: version 1 stands in for $Latest",)


def test_latest_follows_again_after_a_success(world: World) -> None:
    """Our version is the newest, so `$Latest` means it: the owner's way of naming stays."""
    latest = {"LaunchTemplate": {"LaunchTemplateId": LT, "Version": "$Latest"}}
    world.groups.group = replace(world.groups.group, launch=latest)
    opened(world)
    launch(world, 10)
    for number in range(3):
        leave(world, number)

    closed = CLOSE.close(run(), world)

    assert (world.groups.group.launch, closed.left) == (latest, ())
