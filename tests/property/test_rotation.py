"""What holds for every group: each node exactly once, the surge given back exactly, originals exactly restored."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.change import GroupUpdate, Moved
from gpuops.domain.rotation.group import Group, Template
from gpuops.domain.rotation.opening import open_goals, originals
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.plan import decide_rotation
from gpuops.domain.rotation.restore import plan_restore
from gpuops.domain.rotation.shrink import owed_nodes, plan_shrink
from gpuops.domain.rotation.situation import Situation
from tests.fakes.rotation import LT, NEW, NOW, OLD, POLICY, TARGET, group, instance, run

loads = st.lists(
    st.builds(
        NodeLoad,
        instance=st.uuids().map(str),
        zone=st.sampled_from("abc"),
        pods=st.integers(0, 3),
        jobs=st.integers(0, 2),
        jobs_since=st.sampled_from(["", "2026-11-23T09:00:00Z", "2026-11-20T09:00:00Z"]),
    ),
    max_size=20,
    unique_by=lambda load: load.instance,
)
surges = st.integers(1, 40)
sizes = st.integers(0, 6)
MOVED = Moved(
    source=Template(id=LT, version="1"), resolved=Template(id=LT, version="1"), new=Template(id=LT, version="2")
)


@given(loads, surges)
def test_every_node_is_planned_once_and_the_surge_given_back(nodes: list[NodeLoad], surge: int) -> None:
    """As many decrements as surge nodes, never more than there are nodes; no idle node behind a busy one."""
    policy = parse_policy(POLICY, "v1").groups[0].model_copy(update={"surge": surge})
    situation = Situation(group([]), policy, TARGET, frozenset({OLD}), nodes, False, NOW)  # noqa: FBT003

    decision = decide_rotation(situation, NOW)

    assert sorted(node.instance for node in decision.nodes) == sorted(load.instance for load in nodes)
    assert sum(node.decrement for node in decision.nodes) == decision.surge == min(surge, len(nodes))
    kinds = {load.instance: load.kind for load in nodes}
    order = [kinds[node.instance] for node in decision.nodes]
    assert order == sorted(order)


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """A group of any size with room above it or none, some processes suspended already."""
    suspended = draw(st.frozensets(st.sampled_from(["AZRebalance", "AlarmNotification", "Launch"])))
    old = [instance(number) for number in range(draw(sizes))]
    room = draw(sizes)
    return group(old, max=len(old) + room, suspended=suspended, protects_new=draw(st.booleans()))


@given(groups(), st.integers(0, 5), st.integers(0, 5), st.integers(0, 3))
def test_a_failed_change_is_put_back_exactly(before: Group, surge: int, launched: int, scaled_up: int) -> None:
    """However many of the surge came, and whatever an autoscaler added: all ours goes, all theirs stays."""
    undo = originals(before, run(), target=TARGET, surge=surge, moved=(MOVED,), now=NOW)
    goals = open_goals(before, undo)
    given_ = {key: value for key, value in vars(goals).items() if value is not None}
    new = [instance(100 + n, NEW, version="2", lifecycle="Pending") for n in range(min(launched, surge))]
    opened = replace(before, **given_, instances=(*before.instances, *new))
    grown = replace(opened, desired=opened.desired + scaled_up, max=opened.max + scaled_up if scaled_up else opened.max)

    shrink = plan_shrink(grown, undo, {i.id: "starting" for i in new})
    desired = (grown.desired if shrink.desired is None else shrink.desired) - len(shrink.terminate)
    shrunk = replace(grown, desired=desired)
    restore = plan_restore(shrunk, undo, {LT: 2})

    assert desired >= before.desired
    assert desired == before.desired + scaled_up + shrink.left
    assert set(shrink.terminate) <= {i.id for i in new}
    if before.instances:
        assert restore.update.launch == before.launch
    assert restore.update.protects_new is (False if not before.protects_new else None)
    if not scaled_up:
        assert restore.update.max == (before.max if before.max < before.desired + surge else None)


@given(groups(), st.integers(0, 5))
def test_opening_twice_asks_for_nothing(before: Group, surge: int) -> None:
    """Goals, not deltas: applied once, they are empty."""
    undo = originals(before, run(), target=TARGET, surge=surge, moved=(MOVED,), now=NOW)
    given_ = {key: value for key, value in vars(open_goals(before, undo)).items() if value is not None}

    assert open_goals(replace(before, **given_), undo) == GroupUpdate()
    assert owed_nodes(before, undo) == 0
