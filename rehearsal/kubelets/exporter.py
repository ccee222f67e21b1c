"""The text of dcgm-exporter 4.5.3-4.8.2 for one node: its default counters and the violations, or those it is told.

A device shared by several pods names one of them only, unless KUBERNETES_VIRTUAL_GPUS is set: then each share has
series of its own beside the device's, of which GPU_UTIL and FB_USED are the pod's (0 unless pod uids are on too) and
all others copies. How busy a GPU is follows from the pods on it: by annotation, or a modest default.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.devices import Gpu
from rehearsal.kubelets.machine import Machine

BUSY: Final = "rehearsal.gpuops.dev/gpu-busy"
MEMORY_MIB: Final = "rehearsal.gpuops.dev/gpu-memory-mib"
RESERVED_MIB: Final = 470
IDLE_WATTS: Final = 17.0
BUSY_WATTS: Final = 53.0
IDLE_CELSIUS: Final = 30


@dataclass(frozen=True)
class View:
    """How an exporter was told to show what it measures."""

    virtual: bool = False
    """KUBERNETES_VIRTUAL_GPUS."""
    pod_uid: bool = False
    """DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID."""
    counters: frozenset[str] | None = None
    """The series that its list asks for; None for the list in its image."""

    def shows(self, name: str) -> bool:
        """Whether a series is among its counters; those of DCGM_EXP_ are off in the image's own list."""
        return not name.startswith("DCGM_EXP_") if self.counters is None else name in self.counters


PLAIN: Final = View()


@dataclass(frozen=True)
class Load:
    """What runs on one GPU: its pods, and for how long the machine has been up."""

    gpu: Gpu
    pods: Sequence[Json]
    up_seconds: float
    replicas: Sequence[int | None] = ()
    """The share that each of the pods holds."""

    def part(self, index: int) -> "Load":
        """What one of the pods does."""
        return replace(self, pods=[self.pods[index]], replicas=[self.replicas[index]])

    @property
    def busy(self) -> float:
        """The share of time in which something computes."""
        return min(1.0, sum(float(_annotation(pod, BUSY, "0.4")) for pod in self.pods))

    @property
    def used_mib(self) -> int:
        """Memory that the pods hold together."""
        return sum(int(_annotation(pod, MEMORY_MIB, "2048")) for pod in self.pods)


def exposition(machine: Machine, loads: Sequence[Load], view: View = PLAIN) -> str:
    """Every series of every GPU, grouped by metric."""
    series = [each for load in loads for each in _series(machine, load, view)]
    lines: list[str] = []
    for name, (kind, text) in METRICS.items():
        if not view.shows(name):
            continue
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{labels}}} {found[name]}" for labels, found in series if name in found]
        lines += [f"{name}{{{labels}}} {value}" for load in loads for labels, value in _counted(machine, load, name)]
    return "\n".join([*lines, ""])


Series = tuple[str, Mapping[str, str]]
"""Labels, and values by metric."""


def _series(machine: Machine, load: Load, view: View) -> Iterator[Series]:
    whole = dict(_values(machine, load))
    if not view.virtual:
        yield _labels(machine, load, _pod_labels(load.pods[-1], view) if load.pods else {}), whole
        return
    yield _labels(machine, load, {}), whole
    for index, (pod, replica) in enumerate(zip(load.pods, load.replicas, strict=True)):
        own = dict(_values(machine, load.part(index)))
        measured = {name: own[name] if view.pod_uid else "0" for name in PER_PROCESS}
        share = {} if replica is None else {"vgpu": str(replica)}
        yield _labels(machine, load, _pod_labels(pod, view, share)), {**whole, **measured}


def _labels(machine: Machine, load: Load, more: Mapping[str, str]) -> str:
    gpu = load.gpu
    labels = {
        "gpu": gpu.index,
        "UUID": gpu.uuid,
        "pci_bus_id": gpu.bus_id,
        "device": f"nvidia{gpu.index}",
        "modelName": machine.hardware.gpu_product,
        "Hostname": machine.name,
        "DCGM_FI_DRIVER_VERSION": machine.release.driver,
        **more,
    }
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def _pod_labels(pod: Json, view: View, share: Mapping[str, str] | None = None) -> dict[str, str]:
    meta = pod["metadata"]
    return {
        **({"pod_uid": meta["uid"]} if view.pod_uid else {}),
        **(share or {}),
        "container": pod["spec"]["containers"][0]["name"],
        "namespace": meta["namespace"],
        "pod": meta["name"],
    }


def _counted(machine: Machine, load: Load, name: str) -> Iterator[tuple[str, str]]:
    """The exporter's own counts of what happened within its window, each with a label for what it was."""
    window = {"window_size_in_ms": "300000"}
    if name == "DCGM_EXP_XID_ERRORS_COUNT" and load.gpu.index == 0:
        for xid in dict.fromkeys(machine.xids):
            yield _labels(machine, load, {**window, "xid": str(xid)}), str(machine.xids.count(xid))
    if name == "DCGM_EXP_CLOCK_EVENTS_COUNT":
        yield _labels(machine, load, {**window, "clock_event": "gpu_idle"}), "0" if load.pods else "1"


def _values(machine: Machine, load: Load) -> Iterator[tuple[str, str]]:
    busy, watts = load.busy, IDLE_WATTS + BUSY_WATTS * load.busy
    memory = machine.hardware.gpu_memory_mib - RESERVED_MIB
    used = min(memory, load.used_mib)
    whole = {
        "SM_CLOCK": 1590 if busy else 300,
        "MEM_CLOCK": 5000 if busy else 405,
        "MEMORY_TEMP": 0,
        "GPU_TEMP": IDLE_CELSIUS + int(40 * busy),
        "TOTAL_ENERGY_CONSUMPTION": int(watts * load.up_seconds * 1000),
        "PCIE_REPLAY_COUNTER": 0,
        "GPU_UTIL": int(100 * busy),
        "MEM_COPY_UTIL": int(60 * busy),
        "ENC_UTIL": 0,
        "DEC_UTIL": 0,
        "XID_ERRORS": machine.xids[-1] if machine.xids and load.gpu.index == 0 else 0,
        "POWER_VIOLATION": 0,
        "THERMAL_VIOLATION": 0,
        "FB_FREE": memory - used,
        "FB_USED": used,
        "FB_RESERVED": RESERVED_MIB,
        "UNCORRECTABLE_REMAPPED_ROWS": int(machine.has_on(load.gpu, "remap_pending")),
        "CORRECTABLE_REMAPPED_ROWS": 0,
        "ROW_REMAP_FAILURE": int(machine.has_on(load.gpu, "remap_failed")),
    }
    yield from ((f"DCGM_FI_DEV_{name}", str(value)) for name, value in whole.items())
    yield "DCGM_FI_DEV_POWER_USAGE", f"{watts:.6f}"
    for name, share in (("GR_ENGINE_ACTIVE", 0.9), ("PIPE_TENSOR_ACTIVE", 0.3), ("DRAM_ACTIVE", 0.5)):
        yield f"DCGM_FI_PROF_{name}", f"{share * busy:.6f}"


def _annotation(pod: Json, name: str, default: str) -> str:
    return str(pod["metadata"].get("annotations", {}).get(name, default))


PER_PROCESS: Final = ("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED")
"""What dcgm-exporter measures for each pod on a shared GPU."""
METRICS: Final = {
    "DCGM_FI_DEV_SM_CLOCK": ("gauge", "SM clock frequency (in MHz)."),
    "DCGM_FI_DEV_MEM_CLOCK": ("gauge", "Memory clock frequency (in MHz)."),
    "DCGM_FI_DEV_MEMORY_TEMP": ("gauge", "Memory temperature (in C)."),
    "DCGM_FI_DEV_GPU_TEMP": ("gauge", "GPU temperature (in C)."),
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power draw (in W)."),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", "Total energy consumption since boot (in mJ)."),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": ("counter", "Total number of PCIe retries."),
    "DCGM_FI_DEV_GPU_UTIL": ("gauge", "GPU utilization (in %)."),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("gauge", "Memory utilization (in %)."),
    "DCGM_FI_DEV_ENC_UTIL": ("gauge", "Encoder utilization (in %)."),
    "DCGM_FI_DEV_DEC_UTIL": ("gauge", "Decoder utilization (in %)."),
    "DCGM_FI_DEV_XID_ERRORS": ("gauge", "Value of the last XID error encountered."),
    "DCGM_EXP_XID_ERRORS_COUNT": ("gauge", "Count of XID Errors within user-specified time window."),
    "DCGM_EXP_CLOCK_EVENTS_COUNT": ("gauge", "Count of clock events within user-specified time window."),
    "DCGM_FI_DEV_POWER_VIOLATION": ("counter", "Throttling duration due to power constraints (in ns)."),
    "DCGM_FI_DEV_THERMAL_VIOLATION": ("counter", "Throttling duration due to thermal constraints (in ns)."),
    "DCGM_FI_DEV_FB_FREE": ("gauge", "Framebuffer memory free (in MiB)."),
    "DCGM_FI_DEV_FB_USED": ("gauge", "Framebuffer memory used (in MiB)."),
    "DCGM_FI_DEV_FB_RESERVED": ("gauge", "Framebuffer memory reserved (in MiB)."),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": ("counter", "Number of remapped rows for uncorrectable errors"),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": ("counter", "Number of remapped rows for correctable errors"),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("gauge", "Whether remapping of rows has failed"),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("gauge", "Ratio of time the graphics engine is active."),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("gauge", "Ratio of cycles the tensor (HMMA) pipe is active."),
    "DCGM_FI_PROF_DRAM_ACTIVE": ("gauge", "Ratio of cycles the device memory interface is active."),
}
