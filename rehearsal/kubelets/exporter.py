"""The text of dcgm-exporter 4.5.3-4.8.2 for one node: its default counters and the violations.

A device shared by several pods names one of them only, as the exporter does without virtual GPUs; a device without a
pod has no pod labels. How busy a GPU is follows from the pods on it: by annotation, or a modest default.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
class Load:
    """What runs on one GPU: its pods, and for how long the machine has been up."""

    gpu: Gpu
    pods: Sequence[Json]
    up_seconds: float

    @property
    def busy(self) -> float:
        """The share of time in which something computes."""
        return min(1.0, sum(float(_annotation(pod, BUSY, "0.4")) for pod in self.pods))

    @property
    def used_mib(self) -> int:
        """Memory that the pods hold together."""
        return sum(int(_annotation(pod, MEMORY_MIB, "2048")) for pod in self.pods)


def exposition(machine: Machine, loads: Sequence[Load]) -> str:
    """Every series of every GPU, grouped by metric."""
    values = [dict(_values(machine, load)) for load in loads]
    lines: list[str] = []
    for name, (kind, text) in METRICS.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [
            f"{name}{{{_labels(machine, load)}}} {found[name]}" for load, found in zip(loads, values, strict=True)
        ]
    return "\n".join([*lines, ""])


def _labels(machine: Machine, load: Load) -> str:
    gpu = load.gpu
    labels = {
        "gpu": gpu.index,
        "UUID": gpu.uuid,
        "pci_bus_id": gpu.bus_id,
        "device": f"nvidia{gpu.index}",
        "modelName": machine.hardware.gpu_product,
        "Hostname": machine.name,
        "DCGM_FI_DRIVER_VERSION": machine.release.driver,
    }
    if load.pods:
        pod = load.pods[-1]
        meta = pod["metadata"]
        labels |= {
            "container": pod["spec"]["containers"][0]["name"],
            "namespace": meta["namespace"],
            "pod": meta["name"],
        }
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


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
        "XID_ERRORS": 0,
        "POWER_VIOLATION": 0,
        "THERMAL_VIOLATION": 0,
        "FB_FREE": memory - used,
        "FB_USED": used,
        "FB_RESERVED": RESERVED_MIB,
        "UNCORRECTABLE_REMAPPED_ROWS": 0,
        "CORRECTABLE_REMAPPED_ROWS": 0,
        "ROW_REMAP_FAILURE": 0,
    }
    yield from ((f"DCGM_FI_DEV_{name}", str(value)) for name, value in whole.items())
    yield "DCGM_FI_DEV_POWER_USAGE", f"{watts:.6f}"
    for name, share in (("GR_ENGINE_ACTIVE", 0.9), ("PIPE_TENSOR_ACTIVE", 0.3), ("DRAM_ACTIVE", 0.5)):
        yield f"DCGM_FI_PROF_{name}", f"{share * busy:.6f}"


def _annotation(pod: Json, name: str, default: str) -> str:
    return str(pod["metadata"].get("annotations", {}).get(name, default))


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
