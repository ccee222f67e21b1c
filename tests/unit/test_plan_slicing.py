"""plan_slicing over a cluster in memory and a real table: measured, remembered, decided, and taken back.

Covered: a pool that may grow says so in the table and only then, a recommendation moves nothing and says what it
would have saved, what the next look knows of workloads, an exporter that is gone, a roll that is under way, a failure
that takes the rung back, a second run at the same moment, whose pods they are and who must be alone,
which nodes bear soft taints and when they go, a workload whose pods fall before anybody can measure them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.pools import Pools
from gpuops.adapters.store import Store
from gpuops.domain.dcgm.readings import Readings, read_exporter
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.errors import Conflict, Unavailable
from gpuops.domain.keys import MARKS
from gpuops.domain.policy import Policy, parse_policy
from gpuops.domain.rotation.cost import prices
from gpuops.domain.slicing.owners import census_of, has_fallen, workload_of
from gpuops.domain.slicing.pool import Advised, Gpu, Pool, PoolNode, PoolPlan, PoolState, Tenant
from gpuops.domain.slicing.saving import fewer_gpus, worth
from tests.fakes.apps import load_app
from tests.fakes.prometheus import Told
from tests.fakes.rotation import NOW, Groups, group, instance, run
from tests.fakes.world import table

PLAN = load_app("plan_slicing")
MACHINES = (instance(1), instance(2), instance(3))
ORDER = {"event": {"cluster": "demo"}, "execution": {"id": "arn:x", "name": "x", "machine": "rebalance-slicing"}}
SAMPLE = GpuSample(uuid="GPU-0")
EAGER = "history_hours: 0, grow_minutes: 0, crowded_minutes: 0"


def pod(name: str, node: str = "", **more: Any) -> dict[str, Any]:
    """A pod of the Deployment `web`, with one GPU."""
    owner = {"controller": True, "kind": "ReplicaSet", "name": "web-5d7f9c6b4"}
    meta = {
        "namespace": "default",
        "name": name,
        "labels": {"pod-template-hash": "5d7f9c6b4"},
        "ownerReferences": [owner],
    }
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": more.pop("gpus", "1")}}}]}
    return {
        "metadata": meta | more,
        "spec": spec | ({"nodeName": node} if node else {}),
        "status": {"phase": "Running"},
    }


def raw_node(place: int, marks: int = 0) -> dict[str, Any]:
    """A Ready node of the group."""
    taints = [taint.model_dump() for taint in MARKS[:marks]]
    return {
        "metadata": {
            "name": f"n{place}",
            "labels": {"node.kubernetes.io/instance-type": "g5.xlarge"},
            "annotations": {},
        },
        "spec": {"providerID": f"aws:///us-east-1a/{MACHINES[place].id}", "taints": taints},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"nvidia.com/gpu": "1"}},
    }


def text(place: int, used: int, who: str = "") -> str:
    """What the node's exporter says."""
    device = f'gpu="0",UUID="GPU-{place}"'
    named = f',pod="{who}",namespace="default",container="c"' if who else ""
    gauges = {"DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.05, "DCGM_FI_DEV_FB_USED": used, "DCGM_FI_DEV_FB_FREE": 16_000 - used}
    return "".join(f"{name}{{{device}{named}}} {value}\n" for name, value in gauges.items())


@dataclass
class World:
    """Three nodes, a pod on each of the first two."""

    store: Store
    mode: str = "apply"
    more: str = ""
    """Of the policy's `rebalance`; without any word the group has none."""
    marks: dict[int, int] = field(default_factory=dict)
    told: Told | None = None
    """What a Prometheus says, where the policy names one."""
    texts: dict[str, str | None] = field(default_factory=dict)
    pods: list[dict[str, Any]] = field(default_factory=lambda: [pod("web-a", "n0"), pod("web-b", "n1")])
    groups: Groups = field(default_factory=lambda: Groups(group(MACHINES)))
    policies = property(lambda self: self)
    kube = property(lambda self: self)

    @property
    def pools(self) -> Pools:
        """Pools in the same table."""
        return Pools(self.store._table)

    def latest(self) -> Policy:
        """The policy."""
        name = self.groups.group.name
        wanted = f", rebalance: {{mode: {self.mode}, {EAGER}{self.more}}}" if self.mode else ""
        text = f"groups: [{{cluster: demo, group: {name}, mode: apply{wanted}}}]"
        place = "clusters: [{cluster: demo, prometheus: {url: 'http://prometheus.internal'}}]\n" if self.told else ""
        return parse_policy(place + text, "v1")

    def prometheus(self, _: object) -> Told | None:
        """It."""
        return self.told

    def cluster(self, _: str) -> "World":
        """Itself."""
        return self

    def metrics(self, _: Any, _namespaces: object) -> "World":
        """Itself."""
        return self

    def get_all(self, path: str) -> list[dict[str, Any]]:
        """Nodes and pods."""
        nodes = [raw_node(place, self.marks.get(place, 0)) for place in range(3)]
        return nodes if path.endswith("nodes") else self.pods

    def read_all(self, nodes: list[str], now: datetime) -> dict[str, Readings]:
        """What the exporters say."""
        usual = {"n0": text(0, 2000, "web-a"), "n1": text(1, 2200, "web-b"), "n2": text(2, 0)}
        texts = usual | self.texts
        return {node: read_exporter(partial(texts.get, node), node, now) for node in nodes}


def raises(error: Exception) -> Callable[..., Any]:
    """A function that always does."""

    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.fixture
def world() -> Iterator[World]:
    """A table of its own."""
    with mock_aws():
        yield World(Store(table()))


def plan(world: World, minutes: int = 0, **more: Any) -> Any:
    """One call."""
    request = PLAN.PlanSlicing.model_validate(ORDER | more)
    if "slicing" in more:
        return PLAN.restore(request.slicing, world)
    return PLAN.plan(request.event.cluster, NOW + timedelta(minutes=minutes), world)


def test_an_idle_pool_is_to_have_two_shares(world: World) -> None:
    """The table says so; the empty node is the canary, the others wait for their pods."""
    answer = plan(world)
    (pool,) = answer.pools
    assert (answer.status, pool.status, pool.now, pool.replicas) == ("changed", "grow", 1, 2)
    assert {node.node: node.action for node in pool.nodes} == {"n0": "wait", "n1": "wait", "n2": "change"}
    (wanted,) = world.latest().groups
    assert world.pools.key(wanted) == "r2"


FREEZE = {"why": "n9: thermal", "until": (NOW + timedelta(hours=1)).isoformat()}
"""As remediate_gpu writes it; its path is in tests/machines."""


def test_a_pool_of_which_a_node_is_relieved_does_not_grow(world: World) -> None:
    """Its load comes to the others; until the node is well, or nobody has said so for too long."""
    world.store._table.put(f"pool#{world.groups.group.name}", "freeze#i-9", FREEZE)

    during, after = plan(world), plan(world, minutes=60)

    (pool,) = during.pools
    assert (pool.status, pool.replicas) == ("keep", 1)
    assert pool.reason == "a node is being relieved (n9: thermal)"
    assert after.pools[0].status == "grow"


@pytest.mark.parametrize("mode", ["observe", "recommend"])
def test_a_recommendation_moves_nothing(world: World, mode: str) -> None:
    """It says what it would do and spare."""
    world.mode = mode
    answer = plan(world)
    assert (answer.status, answer.pools[0].status, answer.pools[0].spared_gpus) == ("kept", "grow", 1.0)
    (wanted,) = world.latest().groups
    assert world.pools.key(wanted) == "exclusive"


def test_a_recommendation_says_what_it_would_have_saved(world: World) -> None:
    """From look to look, by what the look before said; a silence counts for nothing, and applying it ends the count."""
    world.mode = "recommend"
    first, second = plan(world).pools[0].saved, plan(world, minutes=15).pools[0].saved
    assert (first.gpus, first.gpu_hours, first.dollars) == (1, 0.0, 0.0)
    assert (second.gpus, second.gpu_hours, second.dollars) == (1, 0.25, 0.25)  # a quarter of an hour of $1.006
    world.pods, world.texts = [], {"n0": text(0, 0), "n1": text(1, 0)}
    assert plan(world, minutes=30).pools[0].saved.gpu_hours == 0.5  # the pods were there until now
    assert plan(world, minutes=90).pools[0].saved.gpu_hours == 0.5
    assert "would have saved 0.5 GPU-hours (about $0.50) since" in plan(world, minutes=105).reason
    world.mode = "apply"
    answer = plan(world, minutes=120)
    assert answer.pools[0].saved is None
    assert "saved" not in answer.reason
    world.mode = "recommend"
    assert plan(world, minutes=135).pools[0].saved.gpu_hours == 0.0


def test_fewer_shares_save_nothing() -> None:
    """A pool that is to shrink needs more GPUs, and a price that nobody knows is not guessed."""
    pool = Pool("p", [PoolNode("n", 2, [Gpu(SAMPLE, [Tenant("w"), Tenant("w")])])])
    shrink = PoolPlan(pool="p", status="shrink", now=2, replicas=1, reason="memory", state=PoolState())
    assert fewer_gpus(pool, shrink) == 0
    assert worth(Advised(since=NOW, gpus=2, gpu_hours=3.0), "x9.large", 1, prices()).dollars is None


def test_a_steered_pool_says_which_nodes_bear_soft_taints(world: World) -> None:
    """Only what changes, and only where plans are applied; they go with `steer`, and with `rebalance` itself."""
    world.more = ", steer: true"
    assert plan(world).marks == {"n0": 3, "n1": 3, "n2": 3}, "it grows, and all of them are exclusive"
    world.marks = {0: 3, 1: 3, 2: 3}
    assert plan(world, minutes=1).marks == {}
    world.mode, world.marks = "recommend", {}
    assert plan(world, minutes=2).marks == {}
    world.marks = {2: 1}
    assert plan(world, minutes=3).marks == {"n2": 0}
    world.mode = ""
    answer = plan(world, minutes=4)
    assert (answer.marks, answer.pools, answer.status) == ({"n2": 0}, (), "kept")
    world.marks = {}
    assert plan(world, minutes=5).marks == {}
    assert not world.pools.steered("demo")


def test_a_pool_that_cannot_be_looked_at_keeps_its_soft_taints(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows which of the nodes are its own."""
    world.more, world.marks = ", steer: true", {0: 1, 2: 1}
    monkeypatch.setattr(PLAN, "measure_pool", raises(Unavailable("no exporters")))
    assert plan(world).marks == {}
    assert world.pools.steered("demo")


def test_workloads_are_remembered_by_their_owner(world: World) -> None:
    """Both pods are one Deployment, with the larger memory of the two."""
    plan(world)
    plan(world, minutes=6)
    name = world.groups.group.name
    (profile,) = world.pools.profiles(name, ["default/Deployment/web"]).values()
    assert profile.memory.value.percentile(100) == pytest.approx(2200, rel=0.05)
    assert profile.last == NOW + timedelta(minutes=6)


def test_exporters_that_are_gone_hold_the_pool(world: World) -> None:
    """Two of three, and the table says nothing new."""
    world.texts = {"n0": None, "n1": "<html>"}
    answer = plan(world)
    assert (answer.status, answer.pools[0].status) == ("held", "hold")
    assert "2 of 3 nodes" in answer.reason


def test_a_roll_holds_the_pool(world: World) -> None:
    """It is said who rolls."""
    rolling = run("roll-9").model_copy(update={"group": world.groups.group.name})
    world.store.take("rotation", rolling, NOW)
    assert "being rolled by roll-9" in plan(world).reason


def test_a_failure_takes_the_rung_back(world: World) -> None:
    """Once; what was decided later stays."""
    answer = plan(world)
    failed = {"slicing": answer.model_dump(mode="json"), "error": {"name": "Unhealthy", "reason": "no CUDA"}}
    (wanted,) = world.latest().groups
    assert plan(world, **failed).pools[0].status == "restored"
    assert world.pools.key(wanted) == "exclusive"
    assert plan(world, **failed).reason == "no rung was changed"
    assert plan(world, minutes=5).pools[0].status == "keep"  # it cools down


def test_of_two_runs_at_once_one_decides(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other is told."""
    monkeypatch.setattr(Pools, "keep_state", lambda *_: False)
    with pytest.raises(Conflict, match="another run"):
        plan(world)


def test_whose_pods_they_are() -> None:
    """Deployment, CronJob, bare; training and several GPUs stay alone; memory may be declared; pending ones count."""
    job: dict[str, Any] = {"ownerReferences": [{"controller": True, "kind": "Job", "name": "nightly-29012345"}]}
    assert workload_of(pod("a")) == "default/Deployment/web"
    assert workload_of(pod("a", **job)) == "default/CronJob/nightly"
    assert workload_of(pod("a", ownerReferences=[])) == "default/Pod/a"
    declared: dict[str, Any] = {"annotations": {"gpuops/gpu-memory-mib": "9000"}}
    census = census_of([pod("a", "n0", **declared), pod("b", "n0", **job), pod("c", "n0", gpus="2"), pod("d")])
    assert census.declared == {"default/Deployment/web": 9000}
    alone = {title: owner.exclusive for title, owner in census.owners.items() if owner.exclusive}
    assert alone == {"default/b": "default/b is training", "default/c": "default/c asks for 2 GPUs"}
    assert [waiting.name for waiting in census.pending] == ["d"]


def test_a_pool_is_measured_by_the_prometheus_of_the_policy(world: World) -> None:
    """The exporters, of which none would answer, are not asked."""
    world.told = Told(world.read_all(["n0", "n1", "n2"], NOW))
    world.texts = dict.fromkeys(("n0", "n1", "n2"))
    answer = plan(world)

    assert (answer.pools[0].status, answer.pools[0].replicas, world.told.asked) == ("grow", 2, 1)


def test_a_prometheus_that_fails_holds_the_pool(world: World) -> None:
    """And says why; half of an answer is none."""
    world.told = Told(fault=Unavailable("Prometheus answers with a part only"))
    answer = plan(world)
    assert (answer.status, answer.pools[0].reason) == ("held", "Prometheus answers with a part only")


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    """How a container ended."""
    return {"terminated": {"exitCode": code, "reason": reason}}


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("now", "last", "fell"),
    [
        (BACK_OFF, ended(1), True),
        (ended(134), {}, True),
        (BACK_OFF, ended(137, "OOMKilled"), False),
        (BACK_OFF, ended(137), False),
        (BACK_OFF, ended(143), False),
        (BACK_OFF, ended(0, "Completed"), False),
        ({"running": {}}, ended(1), False),
        ({"waiting": {"reason": "ContainerCreating"}}, {}, False),
        ({}, {}, False),
    ],
)
def test_a_pod_fell_while_a_container_of_it_is_down_by_an_error(
    now: dict[str, Any], last: dict[str, Any], *, fell: bool
) -> None:
    """The kernel's `OOMKilled` is about the node's memory; one that runs again tells of an old story."""
    raw = pod("web-a", "n0")
    raw["status"]["containerStatuses"] = [{"state": now, "lastState": last}]
    assert has_fallen(raw) is fell


def test_a_pod_that_is_deleted_or_whose_sidecar_is_down_has_not_fallen() -> None:
    """Only a container that asks for a GPU, under either name, may lack its memory."""
    raw = pod("web-a", "n0")
    main, side = {"name": "main", **raw["spec"]["containers"][0]}, {"name": "side"}
    raw["spec"]["containers"] = [main, side]
    down: dict[str, Any] = {"state": BACK_OFF, "lastState": ended(1)}
    up: dict[str, Any] = {"state": {"running": {}}}
    raw["status"]["containerStatuses"] = [{"name": "main", **up}, {"name": "side", **down}]
    assert not has_fallen(raw)
    raw["status"]["containerStatuses"] = [{"name": "main", **down}, {"name": "side", **up}]
    assert has_fallen(raw)
    main["resources"] = {"limits": {"nvidia.com/gpu.shared": "1"}}
    assert has_fallen(raw)
    raw["metadata"]["deletionTimestamp"] = NOW.isoformat()
    assert not has_fallen(raw)


def test_a_pod_that_falls_before_anybody_measures_it_is_remembered(world: World) -> None:
    """Beside another one, on a GPU with 14,000 MiB left: its workload needs more than that."""
    raw = pod("big-a", "n0")
    raw["metadata"]["ownerReferences"] = [{"controller": True, "kind": "StatefulSet", "name": "big"}]
    raw["status"]["containerStatuses"] = [{"state": BACK_OFF, "lastState": ended(1)}]
    world.pods.append(raw)
    share = 'gpu="0",UUID="GPU-0",vgpu="1",pod="big-a",namespace="default",container="c"'
    first = text(0, 2000) + text(0, 2000, "web-a").replace('UUID="GPU-0"', 'UUID="GPU-0",vgpu="0"')
    world.texts = {"n0": first + f"DCGM_FI_DEV_FB_USED{{{share}}} 0\n"}
    plan(world)
    name = "default/StatefulSet/big"
    kept = world.pools.profiles(world.groups.group.name, [name])[name]
    assert kept.short_mib == pytest.approx(1.2 * 14_000)
