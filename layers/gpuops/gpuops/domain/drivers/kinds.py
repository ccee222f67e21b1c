"""An instance type with its GPUs, as EC2 describes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NVIDIA = "NVIDIA"


@dataclass(frozen=True)
class GpuType:
    """One instance type; of one without NVIDIA's GPUs the name of the GPU is empty."""

    name: str
    gpu: str = ""
    gpus: float = 0
    """A part of one for the families that cut their boards."""
    gpu_memory_mib: int = 0
    """Of all its GPUs together."""
    vcpus: int = 0
    memory_mib: int = 0
    architectures: tuple[str, ...] = ()


def read_type(raw: Mapping[str, Any]) -> GpuType:
    """Return the type of one item of DescribeInstanceTypes."""
    info = raw.get("GpuInfo", {})
    boards = [gpu for gpu in info.get("Gpus", ()) if gpu.get("Manufacturer", NVIDIA).upper() == NVIDIA]
    return GpuType(
        name=raw["InstanceType"],
        gpu=str(boards[0].get("Name", "")) if boards else "",
        gpus=sum(_count(board) for board in boards),
        gpu_memory_mib=int(info.get("TotalGpuMemoryInMiB", 0)) if boards else 0,
        vcpus=int(raw.get("VCpuInfo", {}).get("DefaultVCpus", 0)),
        memory_mib=int(raw.get("MemoryInfo", {}).get("SizeInMiB", 0)),
        architectures=tuple(raw.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
    )


def _count(board: Mapping[str, Any]) -> float:
    """Whole boards, or the part of one that EC2 gives out as a logical GPU."""
    return float(board.get("Count") or float(board.get("GpuPartitionSize", 1)) * int(board.get("LogicalGpuCount", 1)))
