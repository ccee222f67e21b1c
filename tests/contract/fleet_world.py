"""A fleet inside a real moto server, reached by boto3 over HTTP, on a clock that moves only when a test says so."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from rehearsal.region.eks.cluster import Cluster
from rehearsal.region.fleet import Fleet
from rehearsal.region.fleet_ports import SimInstance
from rehearsal.region.instance_types import Capacity
from rehearsal.region.patches import Patches
from rehearsal.scenario import Group, Release

EPOCH = 1_795_424_400.0
OLD = Release(release="1.36.3-20261001", ami="ami-0aa0aa0aa0aa0aa01", driver="580.82.07", cuda="13.0")
NEW = Release(release="1.36.3-20261101", ami="ami-0bb0bb0bb0bb0bb02", driver="580.95.05", cuda="13.0", at=3600)
CLUSTER = Cluster(name="train", version="1.36", endpoint="https://127.0.0.1:7443", ca_pem="-----BEGIN-----\n")
ZONES: dict[str, Capacity] = {"us-east-1a": "unlimited", "us-east-1b": "unlimited"}


class ManualClock:
    """Timers that fire when a test lets time pass."""

    def __init__(self) -> None:
        self._now, self._order = EPOCH, itertools.count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._dead: set[int] = set()

    def now(self) -> float:
        """Simulated epoch seconds."""
        return self._now

    def call_later(self, delay: float, key: str, fn: Callable[[], None], *, batch: str | None = None) -> int:
        """A timer; its number is its handle."""
        number = next(self._order)
        heapq.heappush(self._heap, (self._now + delay, number, fn))
        return number

    def cancel(self, timer: int) -> None:
        """Forget it."""
        self._dead.add(timer)

    def advance(self, seconds: float) -> None:
        """Fire what falls due within these seconds."""
        end = self._now + seconds
        while self._heap and self._heap[0][0] <= end:
            self._now, number, fn = heapq.heappop(self._heap)
            if number not in self._dead:
                fn()
        self._now = end


@dataclass
class Neighbours:
    """Kubelets, bus and cluster, which only remember what they were told."""

    booted: list[SimInstance] = field(default_factory=list)
    rebooted: list[SimInstance] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any], list[str]]] = field(default_factory=list)

    def boot(self, instance: SimInstance) -> None:
        """A kubelet starts."""
        self.booted.append(instance)

    def reboot(self, instance: SimInstance) -> None:
        """A kubelet starts again, from another image."""
        self.rebooted.append(instance)

    def terminate(self, instance_id: str) -> None:
        """A kubelet dies."""
        self.stopped.append(instance_id)

    def emit(self, _source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        """An event goes out."""
        self.events.append((detail_type, detail, resources))

    def heard(self, detail_type: str) -> list[dict[str, Any]]:
        """The details of the events of one type."""
        return [detail for kind, detail, _ in self.events if kind == detail_type]


@dataclass
class NodesByName:
    """The inside of a cluster: nodes are Ready at once, and a stubborn one keeps its pod until it is forced."""

    cordoned: set[str] = field(default_factory=set)
    unready: bool = False
    stubborn: bool = False
    forced: list[str] = field(default_factory=list)

    def is_ready(self, _name: str) -> bool:
        """Whether the node is Ready."""
        return not self.unready

    def cordon(self, name: str, *, on: bool) -> None:
        """A node is closed or opened."""
        (self.cordoned.add if on else self.cordoned.discard)(name)

    def evict(self, name: str, *, force: bool) -> int:
        """The number of pods that are left."""
        self.forced += [name] if force else []
        return int(self.stubborn and not force)


@dataclass
class FleetWorld:
    """What a test holds in hand."""

    clock: ManualClock
    fleet: Fleet
    near: Neighbours
    nodes: NodesByName
    url: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """boto3 against the moto server."""
        if service not in self.clients:
            sdk: Any = boto3  # its stubs know every service by a literal name
            keys = {"aws_access_key_id": "AKIAOUTSIDE", "aws_secret_access_key": "none"}
            self.clients[service] = sdk.client(service, region_name="us-east-1", endpoint_url=self.url, **keys)
        return self.clients[service]

    def stage(self, name: str = "gpu", **changes: Any) -> None:
        """A group as a scenario describes it."""
        spec = {"instance_type": "g4dn.xlarge", "zones": list(ZONES), "size": 2, "max": 4, "release": OLD.release}
        self.fleet.create_group(Group.model_validate({"name": name, **spec, **changes}), OLD)
        self.clock.advance(1)

    def group(self, name: str = "gpu") -> dict[str, Any]:
        """The group as boto3 sees it."""
        found = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        answer: dict[str, Any] = found["AutoScalingGroups"][0]
        return answer

    def states(self, name: str = "gpu") -> dict[str, str]:
        """Lifecycle states by instance."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.group(name)["Instances"]}


@contextmanager
def fleet_world(zones: dict[str, Capacity] | None = None) -> Iterator[FleetWorld]:
    """A fresh region; moto is reset before, and patched only inside."""
    moto_api_backend.reset()
    clock, near, patches = ManualClock(), Neighbours(), Patches()
    nodes, forget = NodesByName(), near.forgotten.append
    fleet = Fleet(clock, near.emit, near, cluster=CLUSTER, zones=zones or ZONES, delete_node=forget, nodes=nodes)
    fleet.install(patches)
    fleet.images.schedule(OLD)
    fleet.images.schedule(NEW)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield FleetWorld(clock, fleet, near, nodes, f"http://{host}:{port}")
    finally:
        server.stop()
        patches.restore()
