"""One simulated machine: the instance, what boots on it, and how far its kubelet has come."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from rehearsal.kubelets.devices import Devices, Gpu, Sharing, devices_of
from rehearsal.kubelets.hardware import Hardware, hardware_of
from rehearsal.kubelets.userdata import Flags, flags_of
from rehearsal.scenario import Group
from rehearsal.scenario.world import STARTUP_TAINT

PASSING = ("xid_", "ecc_uncorrectable", "remap_pending")
"""Faults that a reset clears: errors are counted since the driver was loaded, and pending rows are remapped by it."""
Stage = Literal["booting", "registered", "ready", "silent"]


class Instance(Protocol):
    """What EC2 launched; `user_data` is base64."""

    @property
    def instance_id(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def instance_type(self) -> str: ...  # noqa: D102
    @property
    def zone(self) -> str: ...  # noqa: D102
    @property
    def ami(self) -> str: ...  # noqa: D102
    @property
    def user_data(self) -> str: ...  # noqa: D102
    @property
    def private_dns(self) -> str: ...  # noqa: D102
    @property
    def ip(self) -> str: ...  # noqa: D102
    @property
    def group(self) -> str: ...  # noqa: D102
    @property
    def launch(self) -> int: ...  # noqa: D102


class Release(Protocol):
    """What an AMI carries, and what is wrong with it."""

    @property
    def release(self) -> str: ...  # noqa: D102
    @property
    def family(self) -> str: ...  # noqa: D102
    @property
    def driver(self) -> str | None: ...  # noqa: D102
    @property
    def cuda(self) -> str | None: ...  # noqa: D102
    @property
    def faults(self) -> Sequence[str]: ...  # noqa: D102


@dataclass(eq=False)
class Machine:
    """An instance with its kubelet."""

    instance: Instance
    release: Release
    hardware: Hardware
    flags: Flags
    devices: Devices
    stage: Stage = "booting"
    mig: bool = False
    """Its GPUs are partitioned, and no plugin publishes them as whole ones."""
    board_faults: tuple[str, ...] = ()
    boots: int = 1
    ready_at: float = 0.0
    plugin: str | None = None
    """Uid of the device plugin's pod that serves, or "host" where the AMI runs it."""
    config: str | None = None
    """The key that the plugin was asked for by name."""
    served: Sharing | None = None
    """What the plugin published last while nothing kept it from publishing."""
    afflictions: tuple[str, ...] = ()
    """What has gone wrong with it since it runs."""

    clients: set[str] = field(default_factory=set)
    """Uids of the DaemonSets' pods that hold its driver open."""
    persistenced: bool = True
    """Whether the host's own client of the driver runs, nvidia-persistenced."""

    def heal(self) -> None:
        """A reset or another boot of it: what only went wrong goes, what is wrong with a board or an AMI stays."""
        self.afflictions = tuple(fault for fault in self.afflictions if not fault.startswith(PASSING))

    @property
    def name(self) -> str:
        """The Node's name."""
        return self.instance.private_dns

    @property
    def has_driver(self) -> bool:
        """Whether anything can use the GPUs."""
        return bool(self.devices.gpus) and self.release.driver is not None

    def suffers(self, fault: str) -> bool:
        """Whether the AMI, a board or the machine itself has this fault."""
        return fault in self.faults

    def has_on(self, gpu: Gpu, fault: str) -> bool:
        """Whether this board has the fault: what can be wrong with a board is wrong with the first one."""
        return gpu.index == 0 and self.suffers(fault)

    @property
    def xids(self) -> list[int]:
        """The Xid errors that its first GPU has reported, in order."""
        return [int(fault.removeprefix("xid_")) for fault in self.faults if fault.startswith("xid_")]

    @property
    def agent_says(self) -> str | None:
        """The reason that EKS's node monitoring agent has for the GPUs not being ready; None where it has none."""
        return next((fault.removeprefix("agent_") for fault in self.faults if fault.startswith("agent_")), None)

    @property
    def faults(self) -> tuple[str, ...]:
        """All that is wrong with it."""
        return (*self.release.faults, *self.board_faults, *self.afflictions)


def machine_of(instance: Instance, release: Release | None, group: Group | None = None) -> Machine | str:
    """Put a machine together; or say why it will never join the cluster."""
    if release is None:
        return f"nothing is known of {instance.ami}"
    if "never_registers" in release.faults:
        return f"{release.release} never registers"
    if (flags := flags_of(instance.user_data, release.family)) is None:
        return "its user data configures no node"
    if group is not None and group.admitted and instance.launch <= group.size:
        flags = replace(flags, taints=tuple(t for t in flags.taints if f"{t['key']}=" not in STARTUP_TAINT))
    hardware = hardware_of(instance.instance_type)
    board = next((b for b in group.boards if b.launch == instance.launch), None) if group else None
    devices = devices_of(instance.instance_id, hardware, board.uuid if board else None)
    mig = group is not None and group.mig
    return Machine(instance, release, hardware, flags, devices, mig=mig, board_faults=board.faults if board else ())
