"""drain_node and return_node over a cluster in memory: pass after pass, and back."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Conflict
from gpuops.domain.keys import CORDONED_BY
from gpuops.domain.policy import Budget, GroupPolicy
from gpuops.domain.rotation.wish import GlobalStop
from tests.fakes.admission import FakeCluster, FakeInstances
from tests.fakes.apps import load_app
from tests.unit.test_admission_functions import INSTANCE, NAME, NOW, RUN

DRAIN, RETURN = load_app("drain_node"), load_app("return_node")
NODE = Node(name=NAME, uid="u1", instance=INSTANCE)
WEB = Pod("default", "web-1", "1", owner="ReplicaSet")
AGENT = Pod("kube-system", "agent", "2", owner="DaemonSet")


class Held:
    """A store whose lock has the number 7, and a policy of one group."""

    stopped = ""
    budget = Budget(nodes=1)
    groups = ()

    def take(self, wanted: Any, limit: int) -> bool:
        """See Budgets: there is always room."""
        return True

    def check_fence(self, run: Any, fence: int) -> None:
        """See Store."""
        if fence != 7:
            raise Conflict("lock of gpu with number 8 is lost")

    def stop(self, run: Any, reason: str) -> None:
        """See Store."""
        self.stopped = reason

    def at(self, version: str) -> Any:
        """See Policies: both are this object."""
        return self

    def group(self, name: str) -> GroupPolicy:
        """See Policy."""
        return GroupPolicy(cluster="demo", group=name)


class Wishes:
    """The global stop, where a test sets it."""

    standing: GlobalStop | None = None

    def stop(self) -> GlobalStop | None:
        """See Wishes."""
        return self.standing


class SmallWorld(World):
    """The four things that a drain touches."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.store = self.policies = self.budgets = self.held = Held()  # type: ignore[assignment]
        self.wishes = self.wished = Wishes()  # type: ignore[assignment]
        self.instances = FakeInstances()
        self._cluster = cluster

    def cluster(self, name: str) -> FakeCluster:
        """See World."""
        return self._cluster


def drain(
    cluster: FakeCluster, now: datetime = NOW, before: Any = None, fence: int = 7, world: SmallWorld | None = None
) -> Any:
    """One call of drain_node."""
    change = {"fence": fence, "status": "open", "reason": "r", "template": {"id": "lt-1", "version": "2"}, "surge": 1}
    given = {"run": RUN, "change": change, "instance": INSTANCE, "drain": before and before.model_dump(mode="json")}
    return DRAIN.drain(DRAIN.Request.model_validate(given), now, world or SmallWorld(cluster))


def give_back(cluster: FakeCluster) -> Any:
    """One call of return_node."""
    return RETURN.give_back(RETURN.Request.model_validate({"run": RUN, "instance": INSTANCE}), cluster)


def test_a_drain_cordons_evicts_waits_and_ends() -> None:
    """Drained is said only when pods are gone and volumes detached."""
    cluster = FakeCluster(NODE, pods=[(NAME, WEB), (NAME, AGENT)])
    cluster.volumes[NAME] = ["csi-1"]

    first = drain(cluster)
    second = drain(cluster, NOW + timedelta(seconds=20), first)
    cluster.pods = [(NAME, AGENT)]
    third = drain(cluster, NOW + timedelta(seconds=40), second)
    cluster.volumes = {}
    fourth = drain(cluster, NOW + timedelta(seconds=60), third)

    assert [answer.status for answer in (first, second, third, fourth)] == ["draining"] * 3 + ["drained"]
    assert cluster.known[NAME].cordoned_by == "run-1"
    assert cluster.known[NAME].unschedulable
    assert (cluster.evicted, fourth.evicted, second.waiting_for) == (
        ["default/web-1"],
        1,
        ("default/web-1: terminating",),
    )
    assert {answer.deadline for answer in (first, second, third, fourth)} == {NOW + timedelta(hours=1)}


def test_a_budget_that_never_yields_makes_the_drain_overdue_and_is_named() -> None:
    """The operator reads the budget's own words, and the run takes no further node."""
    cluster = FakeCluster(NODE, pods=[(NAME, WEB)])
    cluster.budgets["default/web-1"] = "The disruption budget web needs 3 healthy pods and has 3 currently"

    world = SmallWorld(cluster)

    first = drain(cluster, world=world)
    assert world.held.stopped == ""
    late = drain(cluster, NOW + timedelta(hours=1), first, world=world)

    assert (first.status, first.refused, late.status, late.refused) == ("draining", 1, "overdue", 2)
    assert "disruption budget web" in late.reason
    assert world.held.stopped == f"{NAME}: {late.reason}"


def test_the_global_stop_evicts_nothing_and_no_deadline_runs_meanwhile() -> None:
    """The node stays as closed as it is; afterwards the drain has as much time left as before."""
    cluster = FakeCluster(NODE, pods=[(NAME, WEB)])
    cluster.budgets["default/web-1"] = "The disruption budget web needs 3 healthy pods"
    world, stop = SmallWorld(cluster), GlobalStop(by="arn:bob", at=NOW, reason="incident")
    begun = drain(cluster, world=world)
    world.wished.standing = stop
    rests = drain(cluster, NOW + timedelta(minutes=30), begun, world=world)
    rests = drain(cluster, NOW + timedelta(hours=9), rests, world=world)
    world.wished.standing = None
    goes_on = drain(cluster, NOW + timedelta(hours=10), rests, world=world)

    assert (rests.status, rests.reason, rests.refused, rests.deadline) == ("draining", stop.said, 1, begun.deadline)
    assert (goes_on.status, goes_on.refused, goes_on.resting) == ("draining", 2, None)
    assert goes_on.deadline == begun.deadline + timedelta(hours=9, minutes=30)


def test_the_global_stop_does_not_even_close_a_node_that_is_not_begun() -> None:
    """What has not been touched stays untouched."""
    cluster = FakeCluster(NODE, pods=[(NAME, WEB)])
    world = SmallWorld(cluster)
    world.wished.standing = GlobalStop(by="arn:bob", at=NOW)

    rests = drain(cluster, world=world)

    assert (rests.status, rests.evicted, cluster.known[NAME].unschedulable) == ("draining", 0, False)


def test_training_is_asked_then_evicted_from_the_same_node() -> None:
    """The request is written on the pod itself, so that a repeated pass does not ask again."""
    train = Pod("ml", "train-1", "3", owner="Job", completes=True)
    cluster = FakeCluster(NODE, pods=[(NAME, train)])
    asking, end = NOW + timedelta(hours=24, minutes=-15), NOW + timedelta(hours=24)

    before = drain(cluster)
    for now in (asking, asking, end):
        before = drain(cluster, now, before)

    assert (cluster.asked, cluster.evicted) == (["ml/train-1"], ["ml/train-1"])
    assert before.deadline == end - timedelta(minutes=15) + timedelta(hours=1)


def test_a_node_that_is_gone_is_drained() -> None:
    """A spot interruption was faster."""
    assert drain(FakeCluster()).status == "drained"


def test_a_run_without_the_lock_touches_nothing() -> None:
    """The fence is asked before each act."""
    cluster = FakeCluster(NODE, pods=[(NAME, WEB)])

    with pytest.raises(Conflict, match="is lost"):
        drain(cluster, fence=6)

    assert (cluster.evicted, cluster.known[NAME].unschedulable) == ([], False)


def test_another_runs_cordon_is_a_conflict_that_names_it() -> None:
    """Two owners of one node would each give it back."""
    taken = replace(NODE, unschedulable=True, annotations={CORDONED_BY: "run-0"})

    with pytest.raises(Conflict, match="cordoned by run run-0"):
        drain(FakeCluster(taken))


@pytest.mark.parametrize("foreign", [False, True])
def test_a_returned_node_is_as_it_was(foreign: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """What somebody else cordoned stays cordoned; twice is as good as once."""
    cluster = FakeCluster(replace(NODE, unschedulable=foreign))
    drain(cluster)

    answers = [give_back(cluster) for _ in range(2)]

    assert {answer.status for answer in answers} == {"returned"}
    assert cluster.known[NAME] == replace(NODE, unschedulable=foreign)


@pytest.mark.parametrize("annotations", [{}, {CORDONED_BY: "run-0"}])
def test_a_cordon_that_is_not_ours_is_left_alone(annotations: dict[str, str]) -> None:
    """Neither a person's nor another run's."""
    theirs = replace(NODE, unschedulable=True, annotations=annotations)
    cluster = FakeCluster(theirs)

    assert "left alone" in give_back(cluster).reason
    assert cluster.known[NAME] == theirs


def test_a_node_that_is_gone_needs_no_return() -> None:
    """Nothing of ours is left on it."""
    assert give_back(FakeCluster()).node is None
