"""The GPUs of one node as kubelet's device manager sees them: published by the plugin, held by pods.

Ids follow NVIDIA's plugin: `GPU-<uuid>`, or `GPU-<uuid>::<replica>` when shared. Kubelet never takes a device from a
running pod, so a pod keeps an id that a smaller configuration no longer has.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.hardware import Hardware

RESOURCE: Final = "nvidia.com/gpu"


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


@dataclass
class Devices:
    """Who holds what; `replicas` is None while no plugin serves, which kubelet shows as allocatable 0."""

    gpus: tuple[Gpu, ...]
    replicas: int | None = None
    held: dict[str, tuple[Device, ...]] = field(default_factory=dict)
    """By pod uid."""

    @property
    def count(self) -> int:
        """The devices that the plugin publishes now."""
        return len(self.gpus) * (self.replicas or 0)

    def allocate(self, uid: str, count: int) -> bool:
        """Give a pod devices on the GPUs with the fewest holders; False when there are too few."""
        chosen: list[Device] = []
        for _ in range(count):
            free = [device for device in self._published() if device not in self._taken() | set(chosen)]
            if not free:
                return False
            chosen.append(min(free, key=lambda device: self._preference(device, chosen)))
        self.held[uid] = tuple(chosen)
        return True

    def available(self) -> int:
        """How many published devices nobody holds."""
        return len(set(self._published()) - self._taken())

    def release(self, uid: str) -> None:
        """Take back what a pod holds; harmless if it holds nothing."""
        self.held.pop(uid, None)

    def gpus_of(self, uid: str) -> tuple[Gpu, ...]:
        """The boards that a pod sees, in the driver's order."""
        return tuple(sorted({device.gpu for device in self.held.get(uid, ())}, key=lambda gpu: gpu.index))

    def holders(self, gpu: Gpu) -> list[str]:
        """Uids of the pods on a GPU, in order of arrival."""
        return [uid for uid, devices in self.held.items() if any(device.gpu == gpu for device in devices)]

    def _published(self) -> list[Device]:
        if self.replicas == 1:
            return [Device(gpu, None) for gpu in self.gpus]
        return [Device(gpu, replica) for gpu in self.gpus for replica in range(self.replicas or 0)]

    def _taken(self) -> set[Device]:
        return {device for devices in self.held.values() for device in devices}

    def _preference(self, device: Device, chosen: list[Device]) -> tuple[int, int, int]:
        users = sum(1 for one in (*self._taken(), *chosen) if one.gpu == device.gpu)
        return users, device.gpu.index, device.replica or 0


def devices_of(instance_id: str, hardware: Hardware) -> Devices:
    """Make the boards of an instance."""
    return Devices(tuple(_gpu(instance_id, index) for index in range(hardware.gpus)))


def gpus_asked(pod: Json) -> int:
    """How many devices the containers of a pod ask for together."""
    containers = pod["spec"]["containers"]
    return sum(int(((c.get("resources") or {}).get("limits") or {}).get(RESOURCE, 0)) for c in containers)


def _gpu(instance_id: str, index: int) -> Gpu:
    digits = hashlib.sha256(f"{instance_id}/{index}".encode()).hexdigest()
    uuid = f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
    return Gpu(index=index, uuid=uuid, bus_id=f"00000000:{0x1E + index:02X}:00.0")
