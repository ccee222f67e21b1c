"""What containers print, and how they end, by their command: nvidia-smi, and NVIDIA's vectorAdd sample.

Written after the tools' own layout with the machine's driver and GPUs; everything that is not asked of a smoke job
(processes, ECC counters per cell, topology) is left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.devices import Gpu
from rehearsal.kubelets.machine import Machine

EXIT_CODE: Final = "rehearsal.gpuops.dev/exit-code"
_PROGRAM = re.compile(r"nvidia-smi[^;&|\n]*|vector_?add", re.IGNORECASE)
NO_DRIVER: Final = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)
PASSED: Final = """\
[Vector addition of 50000 elements]
Copy input data from the host memory to the CUDA device
CUDA kernel launch with 196 blocks of 256 threads
Copy output data from the CUDA device to the host memory
Test PASSED
Done
"""
FAILED: Final = """\
[Vector addition of 50000 elements]
Failed to allocate device vector A (error code system not yet initialized)!
"""


@dataclass(frozen=True)
class Outcome:
    """What a container wrote, and its exit code."""

    text: str
    exit_code: int


def is_smoke(container: Json) -> bool:
    """Whether the container runs a program that is played here."""
    return bool(_programs(container))


def outcome_of(container: Json, annotations: Json, machine: Machine, gpus: Sequence[Gpu]) -> Outcome:
    """Play a container's programs one after the other; a failure ends it, as `set -e` and && would."""
    text = ""
    for program in _programs(container):
        played = _vector_add(machine, gpus) if "add" in program.lower() else _nvidia_smi(program, machine, gpus)
        text += played.text
        if played.exit_code:
            return Outcome(text, played.exit_code)
    return Outcome(text or f"{container['name']} runs\n", int(annotations.get(EXIT_CODE, 0)))


def _programs(container: Json) -> list[str]:
    """The programs that the command names; without a command, the one that the image is named after."""
    words = [*container.get("command", ()), *container.get("args", ())]
    return _PROGRAM.findall(" ".join(words) if words else container["image"])


def _vector_add(machine: Machine, gpus: Sequence[Gpu]) -> Outcome:
    broken = machine.suffers("smoke_fails") or not gpus or not machine.has_driver
    return Outcome(FAILED, 1) if broken else Outcome(PASSED, 0)


def _nvidia_smi(program: str, machine: Machine, gpus: Sequence[Gpu]) -> Outcome:
    if not machine.has_driver:
        return Outcome(NO_DRIVER, 9)
    if not gpus:
        return Outcome("No devices were found\n", 6)
    if query := re.search(r"--query-gpu=([\w.,]+)", program):
        return Outcome(_queried(query[1].split(","), program, machine, gpus), 0)
    if re.search(r"\s(-L|--list-gpus)\b", program):
        return Outcome("".join(_listed(machine, seen, gpu) for seen, gpu in enumerate(gpus)), 0)
    if re.search(r"\s(-q|--query)\b", program):
        return Outcome(_long(machine, gpus), 0)
    return Outcome(_table(machine, gpus), 0)


def _listed(machine: Machine, seen: int, gpu: Gpu) -> str:
    return f"GPU {seen}: {machine.hardware.gpu_product} (UUID: {gpu.uuid})\n"


def _table(machine: Machine, gpus: Sequence[Gpu]) -> str:
    driver, line = str(machine.release.driver), "+" + "-" * 89 + "+"
    head = f"NVIDIA-SMI {driver:<22} Driver Version: {driver:<14} CUDA Version: {machine.release.cuda:<8}"
    rows = [
        f"{seen:>3}  {machine.hardware.gpu_product:<32} On  | {gpu.bus_id} Off |    0MiB / {_memory(machine)}MiB"
        for seen, gpu in enumerate(gpus)
    ]
    return "\n".join([line, *(f"| {text:<87} |" for text in (head, *rows)), line, ""])


def _long(machine: Machine, gpus: Sequence[Gpu]) -> str:
    head = (("Driver Version", machine.release.driver), ("CUDA Version", machine.release.cuda))
    lines = ["==============NVSMI LOG==============", "", *(_pair(name, value) for name, value in head)]
    lines.append(_pair("Attached GPUs", len(gpus)))
    for gpu in gpus:
        lines += ["", f"GPU {gpu.bus_id}", *(f"    {_pair(name, value)}" for name, value in _facts(machine, gpu))]
        lines += [
            "    Remapped Rows",
            *(f"        {_pair(n, 'No')}" for n in ("Pending", "Remapping Failure Occurred")),
        ]
    return "\n".join([*lines, ""])


def _facts(machine: Machine, gpu: Gpu) -> list[tuple[str, str]]:
    return [
        ("Product Name", machine.hardware.gpu_product),
        ("GPU UUID", gpu.uuid),
        ("Minor Number", str(gpu.index)),
        ("ECC Mode", "Enabled"),
    ]


def _pair(name: str, value: object) -> str:
    return f"{name:<42}: {value}"


def _queried(fields: list[str], program: str, machine: Machine, gpus: Sequence[Gpu]) -> str:
    """The CSV of --query-gpu; a field that is not played says so as the tool does."""
    rows = [] if "noheader" in program else [", ".join(fields)]
    for seen, gpu in enumerate(gpus):
        known = {
            "index": str(seen),
            "uuid": gpu.uuid,
            "gpu_uuid": gpu.uuid,
            "name": machine.hardware.gpu_product,
            "gpu_name": machine.hardware.gpu_product,
            "pci.bus_id": gpu.bus_id,
            "driver_version": str(machine.release.driver),
            "memory.total": f"{_memory(machine)} MiB",
        }
        rows.append(", ".join(known.get(field, "[N/A]") for field in fields))
    return "\n".join([*rows, ""])


def _memory(machine: Machine) -> int:
    return machine.hardware.gpu_memory_mib
