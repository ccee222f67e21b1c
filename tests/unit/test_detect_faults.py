"""A look at nodes and exporters: only what is new is told, once; a silent exporter says nothing about its node."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.seen import Seen
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.readings import Readings, read_exporter
from gpuops.domain.errors import Unavailable
from gpuops.domain.faults.place import Place
from gpuops.domain.faults.shards import shard_of
from gpuops.domain.policy import ClusterPolicy, Policy
from gpuops.domain.policy.prometheus import Prometheus
from tests.fakes import signals
from tests.fakes.apps import load_app
from tests.fakes.events import INSTANCE, NODE, UUID
from tests.fakes.prometheus import Told
from tests.fakes.signals import MACHINE, SENT
from tests.fakes.world import table

DETECT = load_app("detect_faults")
MINUTE = timedelta(minutes=1)


def node(name: str = NODE, instance: str = INSTANCE, **condition: str) -> dict[str, Any]:
    """Return a Node with one GPU, and with the agent's condition if one is given."""
    told = [{"type": "AcceleratedHardwareReady", "lastTransitionTime": "2026-11-23T09:59:00Z", **condition}]
    return {
        "metadata": {"name": name},
        "spec": {"providerID": f"aws:///us-east-1a/{instance}"},
        "status": {
            "capacity": {"nvidia.com/gpu": "1"},
            "conditions": [{"type": "Ready", "status": "True"}, *(told if condition else [])],
        },
    }


def page(last: int = 0, *, held: str = "", **counted: int) -> str:
    """Return an exporter's page: its last Xid, Xids that it counts (`x79=1`), and a clock event."""
    labels = f'gpu="0",UUID="{UUID}"'
    lines = [f"DCGM_FI_DEV_XID_ERRORS{{{labels}}} {last}"]
    lines += [f'DCGM_EXP_XID_ERRORS_COUNT{{{labels},xid="{name[1:]}"}} {count}' for name, count in counted.items()]
    if held:
        lines.append(f'DCGM_EXP_CLOCK_EVENTS_COUNT{{{labels},clock_event="{held}"}} 3')
    return "\n".join([*lines, ""])


@dataclass
class World(signals.World):
    """The same with a cluster of one node and its exporter."""

    nodes: list[dict[str, Any]] = field(default_factory=lambda: [node()])
    page: str | None = field(default_factory=page)
    told: Told | None = None
    """What a Prometheus says, where the policy names one."""
    asked: list[str] = field(default_factory=list)

    @property
    def seen(self) -> Seen:
        """The real adapter."""
        return Seen(self.table)

    def cluster(self, name: str) -> Any:
        """Its API lists nodes, and nothing else."""
        assert name == "demo"
        return SimpleNamespace(kube=SimpleNamespace(get_all=lambda _path: iter(self.nodes)))

    def latest(self) -> Policy:
        """The policy, with a Prometheus if there is one."""
        place = Prometheus(url="http://prometheus.internal") if self.told else None
        cluster = ClusterPolicy(cluster="demo", prometheus=place)
        return super().latest().model_copy(update={"clusters": (cluster,)})

    def prometheus(self, _place: object) -> Any:
        """It."""
        return self.told

    def metrics(self, _cluster: Any, _namespaces: object) -> "World":
        """The exporters."""
        return self

    def read_all(self, nodes: Collection[str], now: datetime) -> dict[str, Readings]:
        """All of them say the same."""
        self.asked += nodes
        return {node: read_exporter(lambda: self.page, node, now) for node in nodes}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A node that is well, and was looked at once."""
    monkeypatch.setenv("REMEDIATE_GPU_MACHINE_ARN", MACHINE)
    with mock_aws():
        made = World(table())
        look(made, SENT - MINUTE)
        yield made


def look(world: World, now: datetime = SENT) -> Any:
    """One invocation."""
    return DETECT.detect("demo", now, world)


def faults(world: World) -> list[tuple[str, int | None, str]]:
    """What executions were started with."""
    given = [input_["fault"] for _, input_ in world.started]
    return [(fault["kind"], fault["xid"], fault["uuid"]) for fault in given]


def test_a_node_that_is_well_is_looked_at_and_left_alone(world: World) -> None:
    """And leaves nothing in the memory."""
    answer = look(world)

    assert (answer.told, answer.silent, world.started) == ((), 0, [])
    assert world.seen.read("demo") == frozenset()


@pytest.mark.parametrize(
    ("reason", "kind", "xid"),
    [
        ("NvidiaXID79Error", "xid", 79),
        ("NvidiaDoubleBitError", "memory", None),
        ("NvidiaNVLinkError", "link", None),
        ("NvidiaThermalError", "thermal", None),
        ("DCGMDiagnosticFailure", "hardware", None),
    ],
)
def test_the_agents_condition_is_a_fault_by_its_reason(world: World, reason: str, kind: str, xid: int | None) -> None:
    """Once: the condition stays, and the next look finds nothing new."""
    world.nodes = [node(status="False", reason=reason)]

    first, second = look(world), look(world, SENT + MINUTE)

    assert faults(world) == [(kind, xid, "")]
    assert ([one.became for one in first.told], second.told) == (["started"], ())


@pytest.mark.parametrize(
    "condition",
    [
        {"status": "True", "reason": "NvidiaAcceleratedHardwareIsReady"},
        {"status": "Unknown", "reason": "NodeStatusUnknown"},
        {"status": "False", "reason": "NeuronDMAError"},
        {"status": "False", "reason": "DCGMError"},
    ],
)
def test_what_says_nothing_of_a_gpu_by_itself_is_not_told(world: World, condition: dict[str, str]) -> None:
    """Well, unknown, not NVIDIA's; and DCGM out of reach, for which healthy nodes were replaced elsewhere."""
    world.nodes = [node(**condition)]

    assert look(world).told == ()


def test_a_condition_that_is_well_again_is_told_to_the_repair(world: World) -> None:
    """And one that returns later is another spell."""
    world.nodes = [node(status="False", reason="NvidiaXID79Error")]
    look(world)
    world.nodes = [node(status="True", reason="ok")]
    look(world, SENT + MINUTE)
    incident = world.incidents.of(INSTANCE)
    world.nodes = [node(status="False", reason="NvidiaXID79Error", lastTransitionTime="2026-11-23T10:02:00Z")]
    again = look(world, SENT + 2 * MINUTE)

    assert incident is not None
    assert incident.recovered_at == SENT + MINUTE
    assert [one.became for one in again.told] == ["joined"]


def test_the_last_xid_is_no_count(world: World) -> None:
    """It stays until the driver is loaded again: told when it comes, when another comes, and after it was gone."""
    told = []
    for minute, xid in enumerate([79, 79, 48, 48, 0, 48]):
        world.page = page(xid)
        told.append(len(look(world, SENT + minute * MINUTE).told))

    assert told == [1, 0, 1, 0, 0, 1]


def test_counted_xids_and_clocks_that_are_held_back_are_told(world: World) -> None:
    """Each is one sighting of one GPU; a power cap is a busy GPU's ordinary life."""
    world.page = page(0, x48=2, held="sw_power_cap")
    look(world)
    world.executions_known.clear()
    world.page = page(0, x48=2, held="hw_thermal_slowdown")
    look(world, SENT + MINUTE)

    assert faults(world) == [("xid", 48, UUID), ("thermal", None, UUID)]


def test_at_the_first_look_an_old_xid_that_a_board_survives_is_only_remembered(world: World) -> None:
    """Nobody knows when it came; a fatal one is told whenever it came."""
    world.table.delete("seen#demo")
    world.page = page(79, x13=1)
    first = look(world)
    second = look(world, SENT + MINUTE)

    assert ([one.fault for one in first.told], second.told) == (["Xid 79"], ())


def test_a_silent_exporter_is_counted_and_nothing_else(world: World) -> None:
    """What it showed before is not forgotten: it would be told again when it speaks."""
    world.page = page(79)
    look(world)
    for broken in (None, "<html>bad gateway</html>"):
        world.page = broken
        answer = look(world, SENT + MINUTE)
        assert (answer.told, answer.silent) == ((), 1)
    world.page = page(79)

    assert look(world, SENT + 2 * MINUTE).told == ()


def test_what_could_not_be_told_is_told_at_the_next_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is told all the same."""
    world.nodes = [node(status="False", reason="NvidiaXID79Error"), node("b", "i-b", status="False", reason="X")]
    world.found.append(Place("i-b", "b", "gpu"))
    start = type(world).start

    def refuse(this: World, machine: str, name: str, given: str) -> bool:
        if name.startswith(INSTANCE):
            raise Unavailable("Step Functions is slow")
        return start(this, machine, name, given)

    monkeypatch.setattr(type(world), "start", refuse)
    with pytest.raises(Unavailable):
        look(world)
    assert [name.partition("-2026")[0] for name, _ in world.started] == ["i-b"]
    monkeypatch.setattr(type(world), "start", start)

    assert [(one.node, one.became) for one in look(world, SENT + MINUTE).told] == [(NODE, "started")]


def test_a_node_that_is_gone_leaves_the_memory(world: World) -> None:
    """Its exporter answers nobody any more."""
    world.page = page(79)
    look(world)
    world.nodes = []
    look(world, SENT + MINUTE)

    assert world.seen.read("demo") == frozenset()


def test_a_cluster_that_no_group_is_in_is_not_looked_at(world: World) -> None:
    """The policy says what is ours."""
    world.policy = world.policy.replace("demo", "train")
    world.asked.clear()

    assert "not in the policy" in look(world).reason
    assert world.asked == []


def test_every_exporter_has_its_turn() -> None:
    """120 nodes, 50 at a look: three looks, each node once."""
    names = [f"n{number:03}" for number in range(120)]
    shards = [shard_of(names, SENT + minute * MINUTE) for minute in range(3)]

    assert sorted(name for shard in shards for name in shard.nodes) == names
    assert {shard.looks for shard in shards} == {3}
    assert shard_of([], SENT).nodes == []


def test_a_prometheus_is_asked_for_all_nodes_at_once(world: World) -> None:
    """No exporter is; the fault is told as any."""
    world.asked.clear()
    world.told = Told({NODE: Readings(read_samples(page(79), NODE))})
    answer = look(world)

    assert (world.told.asked, world.asked, answer.looks, answer.silent) == (1, [], 1, 0)
    assert faults(world) == [("xid", 79, UUID)]
    assert "Prometheus's word of 1" in answer.reason


def test_a_prometheus_that_fails_is_told_and_exporters_are_asked(world: World) -> None:
    """Nobody goes unwatched meanwhile; as if all exporters were silent, people hear of it."""
    world.asked.clear()
    world.told, world.page = Told(fault=Unavailable("Prometheus answers with a part only")), page(79)
    answer = look(world)

    assert (world.asked, answer.silent) == ([NODE], 1)
    assert faults(world) == [("xid", 79, UUID)]
    assert answer.reason.endswith("; Prometheus answers with a part only")


def test_a_node_of_which_prometheus_knows_nothing_is_silent(world: World) -> None:
    """It is counted, and keeps what was seen on it."""
    world.told = Told()
    assert (look(world).silent, world.started) == (1, [])
