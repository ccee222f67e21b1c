"""The GPUs of one node as kubelet's device manager sees them: published by the plugin, held by pods.

Ids follow NVIDIA's plugin: `GPU-<uuid>`, or `GPU-<uuid>::<replica>` when shared. Kubelet never takes a device from a
running pod, so a pod keeps an id that a smaller configuration no longer has.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.hardware import Hardware

RESOURCE: Final = "nvidia.com/gpu"
SHARED_RESOURCE: Final = "nvidia.com/gpu.shared"
"""What a configuration with renameByDefault publishes instead."""
RESOURCES: Final = (RESOURCE, SHARED_RESOURCE)


@dataclass(frozen=True)
class Gpu:
    """One board; its ids depend on nothing but the instance and its place, so every run has the same."""

    index: int
    uuid: str
    bus_id: str


@dataclass(frozen=True)
class Device:
    """What a pod is given: a GPU, or one of its time slices."""

    gpu: Gpu
    replica: int | None

    @property
    def id(self) -> str:
        """As kubelet knows it."""
        return self.gpu.uuid if self.replica is None else f"{self.gpu.uuid}::{self.replica}"


@dataclass(frozen=True)
class Sharing:
    """How a configuration divides each GPU of its node."""

    replicas: int = 1
    renamed: bool = False
    at_most_one: bool = False
    """failRequestsGreaterThanOne: a pod that asks for two shares fails instead of getting one GPU's time twice."""

    @property
    def resource(self) -> str:
        """What the devices are published as."""
        return SHARED_RESOURCE if self.renamed else RESOURCE


@dataclass
class Devices:
    """Who holds what; `sharing` is None while no plugin serves, which kubelet shows as allocatable 0."""

    gpus: tuple[Gpu, ...]
    sharing: Sharing | None = None
    held: dict[str, tuple[Device, ...]] = field(default_factory=dict)
    """By pod uid."""
    offered: set[str] = field(default_factory=lambda: {RESOURCE})
    """Resources that kubelet has ever heard of: those that are no longer published are shown as 0."""

    @property
    def count(self) -> int:
        """The devices that the plugin publishes now."""
        return len(self.gpus) * (self.sharing.replicas if self.sharing else 0)

    def publish(self, sharing: Sharing | None) -> None:
        """Serve this configuration from now on, or none."""
        self.sharing = sharing
        if sharing is not None:
            self.offered.add(sharing.resource)

    def amounts(self) -> dict[str, str]:
        """What kubelet shows of each resource."""
        served = self.sharing.resource if self.sharing else ""
        return {resource: str(self.count if resource == served else 0) for resource in sorted(self.offered)}

    def refusal(self, count: int) -> str | None:
        """Why the plugin itself gives nobody so many devices, if it does not."""
        if self.sharing is None or not self.sharing.at_most_one or count <= 1:
            return None
        return (
            f"rpc error: code = Unknown desc = invalid request for sharing GPU resources: maximum request size for "
            f"shared resources is 1; found {count}"
        )

    def allocate(self, uid: str, count: int) -> str | None:
        """Give a pod devices on the GPUs with the fewest holders; say why not when there are too few."""
        chosen: list[Device] = []
        for _ in range(count):
            free = [device for device in self._published() if device not in self._taken() | set(chosen)]
            if not free:
                return (
                    f"requested number of devices unavailable for {(self.sharing or Sharing()).resource}. "
                    f"Requested: {count}, Available: {self.available()}"
                )
            chosen.append(min(free, key=lambda device: self._preference(device, chosen)))
        self.held[uid] = tuple(chosen)
        return None

    def available(self) -> int:
        """How many published devices nobody holds."""
        return len(set(self._published()) - self._taken())

    def shares(self, gpu: Gpu) -> list[tuple[str, int | None]]:
        """Uids of the pods on a GPU with the replica that each holds, in order of arrival."""
        return [(uid, device.replica) for uid, held in self.held.items() for device in held if device.gpu == gpu]

    def release(self, uid: str) -> None:
        """Take back what a pod holds; harmless if it holds nothing."""
        self.held.pop(uid, None)

    def gpus_of(self, uid: str) -> tuple[Gpu, ...]:
        """The boards that a pod sees, in the driver's order."""
        return tuple(sorted({device.gpu for device in self.held.get(uid, ())}, key=lambda gpu: gpu.index))

    def _published(self) -> list[Device]:
        if self.sharing is None:
            return []
        replicas = [None] if self.sharing.replicas == 1 else range(self.sharing.replicas)
        return [Device(gpu, replica) for gpu in self.gpus for replica in replicas]

    def _taken(self) -> set[Device]:
        return {device for devices in self.held.values() for device in devices}

    def _preference(self, device: Device, chosen: list[Device]) -> tuple[int, int, int]:
        users = sum(1 for one in (*self._taken(), *chosen) if one.gpu == device.gpu)
        return users, device.gpu.index, device.replica or 0


def devices_of(instance_id: str, hardware: Hardware, first: str | None = None) -> Devices:
    """Make the boards of an instance; the first one may be one that was seen before."""
    boards = [_gpu(instance_id, index) for index in range(hardware.gpus)]
    if first is not None and boards:
        boards[0] = replace(boards[0], uuid=first)
    return Devices(tuple(boards))


def gpus_asked(pod: Json) -> int:
    """How many devices the containers of a pod ask for together, whole or shared."""
    limits = ((c.get("resources") or {}).get("limits") or {} for c in pod["spec"]["containers"])
    return sum(int(found.get(resource, 0)) for found in limits for resource in RESOURCES)


def _gpu(instance_id: str, index: int) -> Gpu:
    digits = hashlib.sha256(f"{instance_id}/{index}".encode()).hexdigest()
    uuid = f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
    return Gpu(index=index, uuid=uuid, bus_id=f"00000000:{0x1E + index:02X}:00.0")
