"""How a change is closed over a small world, however its run ended.

Covered: twice; the surge of a failed run (idle, busy, never there, taken at the last moment, from which zone); an
autoscaler's nodes; cordons and marks; smoke Jobs; uneven zones; `$Latest` after a failure and after a success.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Unavailable
from gpuops.domain.keys import STARTUP_TAINT
from tests.fakes.rotation import LT, NEW, instance, node, run
from tests.fakes.steps import (
    CLOSE,
    WEB,
    launch,
    leave,
    leftovers,
    old_world,
    opened,
    retire,
)
from tests.fakes.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job."""
    with mock_aws():
        yield old_world()


def test_closing_twice_finds_nothing(world: World) -> None:
    """The second call puts nothing back, because nothing is left of the run."""
    opened(world)
    CLOSE.close(run(), world)
    calls = list(world.groups.calls)

    assert CLOSE.close(run(), world).reason == "the run had no open change"
    assert world.groups.calls == calls


def test_what_an_autoscaler_added_is_not_taken_for_our_surge(world: World) -> None:
    """The surge was given back by the last node, so nothing is owed, however large the group is by now."""
    change = opened(world)
    for number in range(3):
        launch(world, 10 + number)
        retire(world, change, number, decrement=number == 2)
        leave(world, number)
    launch(world, 20)
    world.groups.group = replace(world.groups.group, desired=4, max=9)

    closed = CLOSE.close(run(), world)

    assert (world.groups.group.desired, closed.surplus, leftovers(world)) == (4, 0, [])
    assert ("terminate", (instance(20).id, True)) not in world.groups.calls


def test_a_protected_newcomer_on_its_way_in_keeps_the_originals(world: World) -> None:
    """Its protection comes off once it is in service; until then reconcile has to know."""
    change = opened(world)
    launch(world, 10)
    retire(world, change, 0, decrement=True)
    world.groups.group = replace(
        world.groups.group,
        instances=tuple(
            replace(i, protected=True, lifecycle="Pending:Wait") if i.ami == NEW else i
            for i in world.groups.group.instances
        ),
    )

    closed = CLOSE.close(run(), world)

    assert any(instance(10).id in what for what in closed.left)
    assert world.store.undo("gpu") is not None
    assert world.store.open_groups() == ["gpu"]


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
    load(world, 0, 1, 2, 10)
    name = f"node-{instance(10).id}"

    closed = CLOSE.close(run(), world)
    assert (closed.surplus, world.groups.group.desired, world.store.open_groups()) == (1, 4, ["gpu"])
    assert world.store.lock("lock", "gpu") is None
    world.connected.pods[name] = []

    assert CLOSE.close(run(), world).surplus == 0
    assert (world.groups.group.desired, world.groups.group.max, leftovers(world)) == (3, 3, [])


def load(world: World, *numbers: int) -> None:
    """A pod of a user on each of these nodes."""
    for number in numbers:
        world.connected.pods[f"node-{instance(number).id}"] = [WEB]


def emptied(world: World) -> None:
    """A drain was broken off: node 1 is idle, and the surge has its pods."""
    opened(world)
    launch(world, 10)
    load(world, 0, 2, 10)
    world.connected.pods[f"node-{instance(1).id}"] = []


def test_a_node_that_a_broken_drain_emptied_goes_in_place_of_the_one_that_has_its_pods(world: World) -> None:
    """They do not come back by themselves: the surplus would stay for ever, and with it the open change."""
    emptied(world)

    closed = CLOSE.close(run(), world)

    assert ("terminate", (instance(1).id, True)) in world.groups.calls
    assert (closed.surplus, world.groups.group.desired, leftovers(world)) == (0, 3, [])


@pytest.mark.parametrize(
    "change",
    [{"unschedulable": True}, {"keep": "karpenter.sh/do-not-disrupt"}, {"taints": (STARTUP_TAINT,)}],
    ids=["cordoned", "to be kept", "just launched"],
)
def test_an_idle_node_that_somebody_wants_as_it_is_does_not_go_in_place_of_another(
    world: World, change: dict[str, Any]
) -> None:
    """Or that an autoscaler has just added, which is empty because nobody may come yet."""
    emptied(world)
    idle = f"node-{instance(1).id}"
    world.connected.all_nodes = [
        replace(node, **change) if node.name == idle else node for node in world.connected.all_nodes
    ]

    assert CLOSE.close(run(), world).surplus == 1
    assert not [call for call in world.groups.calls if call[0] == "terminate"]


@pytest.mark.parametrize("change", [{"protected": True}, {"lifecycle": "Standby"}], ids=["protected", "in standby"])
def test_an_idle_instance_that_auto_scaling_keeps_or_does_not_count_on_does_not_go(
    world: World, change: dict[str, Any]
) -> None:
    """Somebody said so at the group."""
    emptied(world)
    group = world.groups.group
    instances = tuple(replace(i, **change) if i.id == instance(1).id else i for i in group.instances)
    world.groups.group = replace(group, instances=instances)

    assert CLOSE.close(run(), world).surplus == 1


def test_of_a_bad_release_a_loaded_node_is_no_reason_to_let_a_good_one_go(world: World) -> None:
    """It stays too many until it is idle, and the change stays open: that is what somebody has to see."""
    emptied(world)
    world.store.condemn(run(), "its canary failed")

    assert CLOSE.close(run(), world).surplus == 1


def test_a_pod_that_lands_at_the_last_moment_saves_the_node(world: World) -> None:
    """Between the look and the act a pod may come: the cordon is taken back, the node stays."""
    opened(world)
    launch(world, 10)
    load(world, 0, 1, 2)
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


def test_close_lets_cluster_autoscaler_have_our_nodes_and_nobody_elses(world: World) -> None:
    """Another run's nodes are that run's to let go."""
    opened(world)
    mine, theirs = world.connected.all_nodes[0], world.connected.all_nodes[1]
    world.connected.keep(mine, "run-1")
    world.connected.keep(theirs, "run-9")

    closed = CLOSE.close(run(), world)

    assert f"scale-down of {mine.name}" in closed.restored
    assert [n.kept_for for n in world.connected.all_nodes] == [None, "run-9", None]


def test_smoke_jobs_go_unless_their_admission_may_be_alive(world: World) -> None:
    """A node that is gone, or admitted, needs none; one that waits for its admission keeps it."""
    opened(world)
    launch(world, 10, admitted=False)
    world.connected.pods[f"node-{instance(0).id}"] = [WEB]
    waiting = replace(instance(11, NEW, version="1"), lifecycle="Pending:Wait")
    world.groups.group = replace(world.groups.group, instances=(*world.groups.group.instances, waiting))
    world.connected.all_nodes.append(node(waiting, admitted=False))
    names = {"gone": "node-i-9", "admitted": f"node-{instance(0).id}", "alive": f"node-{waiting.id}"}
    world.smokes.update(names)

    closed = CLOSE.close(run(), world)

    assert set(world.smokes) == {"alive"}
    assert "deleted smoke Job gone" in closed.restored


def test_the_surge_is_taken_back_from_the_fullest_zone(world: World) -> None:
    """Zone a has two old nodes, zone b one: of two idle newcomers the one in a goes."""
    opened(world)
    launch(world, 11)
    launch(world, 12)

    closed = CLOSE.close(run(), world)

    assert ("terminate", (instance(12).id, True)) in world.groups.calls
    assert not any("uneven" in left for left in closed.left)


@pytest.mark.parametrize("suspended", [False, True])
def test_uneven_zones_are_told_where_auto_scaling_will_balance_them(world: World, suspended: bool) -> None:  # noqa: FBT001
    """It launches and terminates by itself, whatever runs there: the operator hears it before it happens."""
    before = frozenset({"AZRebalance"} if suspended else ())
    world.groups.group = replace(world.groups.group, suspended=before)
    opened(world)
    launch(world, 10)
    load(world, 0, 1, 2, 10)

    closed = CLOSE.close(run(), world)

    assert any("zones are uneven (us-east-1a 3, us-east-1b 1)" in left for left in closed.left) is not suspended


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


def test_a_surplus_node_whose_termination_failed_is_taken_out_by_the_next_close(world: World) -> None:
    """The note was written, the call was refused: the node is there, and still owed."""
    opened(world)
    launch(world, 10)
    world.groups.refused = [Unavailable("throttled")]
    with pytest.raises(Unavailable, match="throttled"):
        CLOSE.close(run(), world)

    CLOSE.close(run(), world)

    assert ("terminate", (instance(10).id, True)) in world.groups.calls
    assert (world.groups.group.desired, leftovers(world)) == (3, [])


def test_a_surplus_node_that_was_terminated_stays_cordoned(world: World) -> None:
    """It goes on for minutes behind its termination: a pod that is let in now would die with it."""
    opened(world)
    launch(world, 10)

    closed = CLOSE.close(run(), world)

    going = next(n for n in world.connected.all_nodes if n.instance == instance(10).id)
    assert going.unschedulable
    assert not any(going.name in what for what in closed.restored if what.startswith("uncordoned"))


def test_the_node_of_an_instance_on_its_way_out_stays_cordoned(world: World) -> None:
    """An old node that was retired when the run died is no node to give back."""
    opened(world)
    mine = world.connected.all_nodes[0]
    world.connected.cordon(mine, "run-1")
    world.groups.terminate(mine.instance, decrement=False)

    CLOSE.close(run(), world)

    assert world.connected.all_nodes[0].unschedulable
