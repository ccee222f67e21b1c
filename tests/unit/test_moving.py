"""A move between two managed node groups over a small world: opened, moved node by node, finished, undone, shared.

Covered: the new node group, made once and tagged before it has a node; EKS that takes too long or fails; slots, and
their repetition; the bake at the group's own size; what is deleted, and when not; the way back; a run that died
half-way, and the one after it; EKS at work when a change closes; the events of the new Auto Scaling group.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.belonging import group_of
from gpuops.domain.admission.event import Launch
from gpuops.domain.errors import Refused, Unavailable
from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.strategy import suspended_by
from gpuops.domain.rotation.wish import Wish
from tests.fakes.apps import load_app
from tests.fakes.moving import Groups, Nodegroups, half_moved, there, two
from tests.fakes.rotation import NEW, NOW, OLD, Cluster, Templates, node, run
from tests.fakes.steps import CLOSE, OPEN, claim, leftovers, plan, retire
from tests.fakes.world import World, table

BACK = load_app("open_rollback")
NG, INTO = "ng-20261101", "eks-ng-20261101-1"
POLICY = "groups:\n- {cluster: train, group: gpu, mode: apply, nodegroup: ng, strategy: managed_blue_green%s}\n"


class ByName(Templates):
    """Launch templates whose name ends in their image."""

    def read(self, template: Any) -> Any:
        """The image that EKS put into it."""
        ami = template.id[template.id.index("ami-") :]
        return SimpleNamespace(template=template, data={"InstanceType": "g4dn.xlarge"}, ami=ami, user_data="", latest=1)


def world_of(groups: Groups, more: str = ", canary: {nodes: 0}") -> World:
    """Those Auto Scaling groups, their node groups, and a node for each instance."""
    nodegroups = Nodegroups(groups)
    for home in groups.homes[1:]:
        made = replace(nodegroups.found["ng"], name=home.nodegroup, groups=(home.name,), tags={"gpuops:group": "gpu"})
        nodegroups.found[home.nodegroup] = made
    cluster = Cluster(all_nodes=[node(i) for i in groups.instances])
    made_world: Any = World(groups=groups, store=Store(table()), connected=cluster, policy=POLICY % more)  # type: ignore[arg-type]
    made_world.nodegroups, made_world.templates = nodegroups, ByName()
    return made_world  # type: ignore[no-any-return]


@pytest.fixture
def world() -> Iterator[Any]:
    """Three old nodes in one node group."""
    with mock_aws():
        yield world_of(two())


def ask(world: Any, planned: Any, minutes: float = 0, **more: Any) -> Any:
    """Ask for the change, as the state machine does."""
    request = OPEN.OpenChange.model_validate({"run": planned.run, "plan": planned, **more})
    return OPEN.open_or_wait(request, NOW + timedelta(minutes=minutes), world)


def opened(world: Any, name: str = "run-1") -> Any:
    """The plan, and its change once EKS has made the new node group."""
    planned = plan(world, name=name)
    if NG not in world.nodegroups.found:
        assert ask(world, planned).status == "waiting"
        world.nodegroups.made(NG)
    while (change := ask(world, planned)).status == "waiting":
        pass
    return planned, Change.model_validate(change.model_dump())


def arrive(world: Any, number: int, of: str = INTO, ami: str = NEW) -> None:
    """A newcomer, which its Auto Scaling group has wanted, is admitted."""
    home = world.groups.one(of)
    assert sum(i.home == of for i in world.groups.instances) < home.desired, "nobody asked for it"
    new = there(number, home, ami)
    world.groups.instances.append(new)
    world.connected.all_nodes.append(node(new))


def slot(world: Any, change: Any, number: int, new: int, *, decrement: bool, **home: Any) -> None:
    """One slot from claim to retirement."""
    arrive(world, new, **home)
    claimed = claim(world, change, number, decrement=decrement)
    assert claimed.status == "claimed", claimed.reason
    gone = int(claimed.instance.removeprefix("i-"), 16)
    retire(world, change, gone, decrement=decrement)
    world.connected.all_nodes = [n for n in world.connected.all_nodes if n.instance != claimed.instance]


def close(world: Any, *, verified: bool, name: str = "run-1") -> Any:
    """Close the run's change."""
    return CLOSE.close(run(name), world, verified=verified)


def sizes(world: Any) -> dict[str, int]:
    """Desired capacities by node group."""
    return {home.nodegroup: home.desired for home in world.groups.homes}


def test_the_new_node_group_is_made_once_and_tagged_before_it_has_a_node(world: Any) -> None:
    """However often it is asked for; the old one may shrink, and nothing works against us in either."""
    planned = plan(world)
    first, second = ask(world, planned), ask(world, planned)
    assert (first.status, first.reason, second.reason) == (
        "waiting",
        f"EKS makes node group {NG}",
        f"node group {NG} is CREATING",
    )
    world.nodegroups.made(NG)
    lowers = ask(world, planned)
    assert (lowers.status, lowers.reason) == ("waiting", "EKS lowers the minimum size of ng")
    assert sizes(world) == {"ng": 3, NG: 0}
    assert world.groups.one(INTO).tags["gpuops:group"] == "gpu"

    change, again = ask(world, planned), ask(world, planned)

    assert (change, change.into, sizes(world)) == (again, INTO, {"ng": 3, NG: 1})
    assert [asked[0] for asked in world.nodegroups.asked] == ["create", "sizes"]
    assert all(set(suspended_by("managed_blue_green")) <= home.suspended for home in world.groups.homes)


def test_eks_that_takes_too_long_or_fails_ends_the_run_before_anything_moved(world: Any) -> None:
    """And what it has made is taken away again."""
    planned = plan(world)
    waits = ask(world, planned)
    with pytest.raises(Refused, match=f"node group {NG} is CREATING, for 30 minutes"):
        ask(world, planned, 31, change=waits)
    made = world.nodegroups.found[NG]
    world.nodegroups.found[NG] = replace(made, status="CREATE_FAILED", issues=("NodeCreationFailure: no role",))
    with pytest.raises(Refused, match="CREATE_FAILED: NodeCreationFailure: no role"):
        ask(world, planned)

    closed = close(world, verified=False)

    assert closed.restored[0] == f"EKS deletes node group {NG}"
    assert (sizes(world), leftovers(world)) == ({"ng": 3}, [])


def test_every_node_moves_and_the_old_node_group_goes_with_its_last(world: Any) -> None:
    """The new one has the sizes of the old one in the end; the group's name stays."""
    _, change = opened(world)
    slot(world, change, 0, 10, decrement=False)
    assert sizes(world) == {"ng": 2, NG: 2}
    slot(world, change, 1, 11, decrement=False)
    slot(world, change, 2, 12, decrement=True)
    assert sizes(world) == {"ng": 0, NG: 3}
    assert plan(world, run=run()).status == "current"

    closed = close(world, verified=True)

    assert "EKS deletes node group ng" in closed.restored
    assert [(h.nodegroup, h.min, h.max, h.desired, h.suspended) for h in world.groups.homes] == [
        (NG, 1, 4, 3, frozenset())
    ]
    assert leftovers(world) == []
    again = plan(world, name="run-2")
    assert (again.status, again.reason) == ("current", f"all 3 instances run 1.36.3-20261101 ({NEW})")


def test_a_run_that_nobody_verified_deletes_nothing(world: Any) -> None:
    """It died after its last node, perhaps in the bake: the empty node group costs nothing."""
    _, change = opened(world)
    for old, new in ((0, 10), (1, 11)):
        slot(world, change, old, new, decrement=False)
    slot(world, change, 2, 12, decrement=True)

    closed = close(world, verified=False)

    assert closed.left == ("node group ng is kept: 0 nodes, not verified",)
    assert sizes(world) == {"ng": 0, NG: 3}
    assert leftovers(world) == []


def test_a_slot_that_is_repeated_moves_one_node(world: Any) -> None:
    """The first termination failed after the new group had grown for it."""
    _, change = opened(world)
    world.groups.refused = [Unavailable("lost")]
    arrive(world, 10)
    assert claim(world, change, 0).instance == "i-00000000"
    with pytest.raises(Unavailable):
        retire(world, change, 0)
    retire(world, change, 0)
    retire(world, change, 0)

    assert sizes(world) == {"ng": 2, NG: 2}


def test_a_newcomer_is_waited_for_where_it_comes_from(world: Any) -> None:
    """What the old Auto Scaling group fails at says nothing about the new one."""
    _, change = opened(world)
    world.groups.failures = {INTO: "We currently do not have sufficient g4dn.xlarge capacity"}
    waits = claim(world, change, 0)

    assert (waits.status, "EC2 has no instance of the type left" in waits.reason) == ("waiting", True)


def test_a_bad_canary_goes_back_and_the_new_node_group_with_it() -> None:
    """The old node group grows again by the node that it gave; nodes that never went are not claimed."""
    with mock_aws():
        world: Any = world_of(two(), ", canary: {nodes: 1}")
        _, change = opened(world)
        slot(world, change, 0, 10, decrement=True)
        assert sizes(world) == {"ng": 2, NG: 1}
        world.store.condemn(run(), "an alarm rings")
        ways = [BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world) for _ in range(2)]

        assert ways[0].status == "open"
        assert ways[0].nodes == ways[1].nodes
        assert ways[0].reason.endswith("into node group ng")
        assert sizes(world) == {"ng": 3, NG: 1}
        waits = claim(world, ways[0].change, 10, decrement=True)
        assert (waits.status, waits.reason.startswith("0 new instances")) == ("waiting", True)
        slot(world, ways[0].change, 10, 20, decrement=True, of="eks-ng-1", ami=OLD)
        closed = close(world, verified=False)

        assert f"EKS deletes node group {NG}" in closed.restored
        assert [(h.nodegroup, h.min, h.max, h.desired, h.suspended) for h in world.groups.homes] == [
            ("ng", 1, 4, 3, frozenset())
        ]
        assert leftovers(world) == []


def test_a_canary_that_fails_its_admission_is_exchanged_for_an_old_one() -> None:
    """It serves nobody; nothing had moved, so nothing comes back."""
    with mock_aws():
        world: Any = world_of(two(), ", canary: {nodes: 1}")
        _, change = opened(world)
        world.groups.instances.append(there(10, world.groups.one(INTO), NEW))
        world.store.condemn(run(), "its smoke failed")
        back = BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)

        assert (back.status, sizes(world)) == ("none", {"ng": 3, NG: 0})
        close(world, verified=False)
        assert (sizes(world), leftovers(world)) == ({"ng": 3}, [])


def test_nodes_cannot_go_back_where_the_old_image_is_gone(world: Any) -> None:
    """Said before anything is terminated."""
    _, change = opened(world)
    slot(world, change, 0, 10, decrement=False)
    world.store.condemn(run(), "an alarm rings")
    del world.images.known[OLD]

    with pytest.raises(Refused, match=f"nodes cannot go back: {OLD}"):
        BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)


def test_a_run_that_dies_half_way_leaves_both_and_the_next_one_goes_on(world: Any) -> None:
    """They share minimum and maximum; the surge that was not needed goes."""
    _, change = opened(world)
    slot(world, change, 0, 10, decrement=False)
    arrive(world, 11)

    closed = close(world, verified=False)

    assert closed.surplus == 0
    assert sizes(world) == {"ng": 2, NG: 1}
    assert [(home.min, home.max) for home in world.groups.homes] == [(1, 2), (0, 2)]
    assert not any(home.suspended for home in world.groups.homes)
    assert "node group ng is kept: 2 nodes" in closed.left
    assert leftovers(world) == []

    planned, change = opened(world, "run-2")
    assert (planned.move.exists, len(planned.nodes), sizes(world)) == (True, 2, {"ng": 2, NG: 2})
    assert [asked[0] for asked in world.nodegroups.asked].count("create") == 1


def test_a_move_that_goes_on_ends_with_the_whole_groups_sizes() -> None:
    """And claims no node of the run before."""
    with mock_aws():
        world: Any = world_of(half_moved())
        _, change = opened(world)
        given = {"change": change.model_dump(), "run": run()}
        assert claim(world, change, 0).reason.startswith("0 new instances"), given
        slot(world, change, 0, 10, decrement=False)
        slot(world, change, 1, 11, decrement=True)
        close(world, verified=True)

        assert [(h.nodegroup, h.min, h.max, h.desired) for h in world.groups.homes] == [(NG, 1, 4, 3)]


def test_what_eks_is_too_busy_for_is_put_back_by_reconcile(world: Any) -> None:
    """Nothing is forgotten before; the locks are free meanwhile."""
    _, change = opened(world)
    world.nodegroups.busy = True
    first = close(world, verified=False)
    assert any("reconcile looks again" in left for left in first.left)
    assert world.store.undo("gpu") is not None
    assert world.store.lock("lock", "gpu") is None

    world.nodegroups.busy = False
    close(world, verified=False)

    assert (sizes(world), leftovers(world)) == ({"ng": 3}, [])
    assert (world.groups.one("eks-ng-1").min, change.into) == (1, INTO)


def test_a_cancelled_run_leaves_what_has_moved(world: Any) -> None:
    """Without a word about the way back it stays."""
    planned, change = opened(world)
    slot(world, change, 0, 10, decrement=False)
    world.wishes.write(Wish(run=planned.run.id, wish="cancel", by="ops", at=NOW))

    assert claim(world, change, 1).status == "stopped"
    assert BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world).status == "none"


def test_launches_of_the_new_auto_scaling_group_belong_to_the_group() -> None:
    """By its tag; nobody asks where no group of the policy is EKS's."""
    asked: list[str] = []

    def belongs_to(name: str) -> str:
        asked.append(name)
        return "gpu" if name == INTO else ""

    instances: Any = SimpleNamespace(belongs_to=belongs_to)
    ours, plain = parse_policy(POLICY % "", "v1"), parse_policy("groups:\n- {cluster: train, group: gpu}\n", "v1")
    launch, other = Launch(group=INTO, instance="i-00000001"), Launch(group="eks-web-1", instance="i-00000001")

    assert group_of(launch, ours, instances) == ours.group("gpu")
    assert group_of(other, ours, instances) is None
    assert group_of(launch.model_copy(update={"group": "gpu"}), ours, instances) == ours.group("gpu")
    assert group_of(launch, plain, instances) is None
    assert asked == [INTO, "eks-web-1"]
