"""What nvidia-smi prints: its table, -L, -q and the CSV of its queries, for the GPUs that a container sees.

Written after the tool's own layout. Left out: processes, clocks, topology, and a field that nothing here plays,
which a query answers with [N/A] as the tool does.
"""

import re
from collections.abc import Sequence
from typing import Final

from rehearsal.kubelets.devices import Gpu
from rehearsal.kubelets.machine import Machine

NO_DRIVER: Final = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)
NO_DEVICES: Final = "No devices were found\n"
COLON: Final = 42
"""The column of every colon in the long form, whatever the indent."""
_QUERY = re.compile(r"--query-(?:gpu|remapped-rows)=([\w.,]+)")
Facts = Sequence[tuple[str, str]]


def nvidia_smi(program: str, machine: Machine, gpus: Sequence[Gpu]) -> tuple[str, int]:
    """Play one call: what it prints, and its exit code."""
    if not machine.has_driver:
        return NO_DRIVER, 9
    if not gpus:
        return NO_DEVICES, 6
    if re.search(r"\s(-r|--gpu-reset)\b", program):
        return _reset(machine, gpus)
    if query := _QUERY.search(program):
        return _queried(query[1].split(","), program, machine, gpus), 0
    if re.search(r"\s(-L|--list-gpus)\b", program):
        return "".join(_listed(machine, seen, gpu) for seen, gpu in enumerate(gpus)), 0
    long = re.search(r"\s(-q|--query)\b", program)
    return (_long(machine, gpus) if long else _table(machine, gpus)), 0


def _reset(machine: Machine, gpus: Sequence[Gpu]) -> tuple[str, int]:
    """Refused while anybody has a GPU open; the words are the tool's."""
    if machine.persistenced or machine.clients or machine.devices.held or machine.plugin == "host":
        return "".join(f"GPU {gpu.bus_id} could not be reset: In use by another client.\n" for gpu in gpus), 255
    machine.heal()
    return "".join(f"GPU {gpu.bus_id} was successfully reset.\n" for gpu in gpus) + "All done.\n", 0


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
    head = (("Driver Version", str(machine.release.driver)), ("CUDA Version", str(machine.release.cuda)))
    lines = ["==============NVSMI LOG==============", "", *_pairs((*head, ("Attached GPUs", str(len(gpus)))), 0)]
    for gpu in gpus:
        lines += ["", f"GPU {gpu.bus_id}", *_pairs(_identity(machine, gpu), 4)]
        for title, facts in _sections(machine, gpu).items():
            indent = 4 * title.count("/") + 4
            lines += [" " * indent + title.rpartition("/")[2], *_pairs(facts, indent + 4)]
    return "\n".join([*lines, ""])


def _identity(machine: Machine, gpu: Gpu) -> Facts:
    return (("Product Name", machine.hardware.gpu_product), ("GPU UUID", gpu.uuid), ("Minor Number", str(gpu.index)))


def _sections(machine: Machine, gpu: Gpu) -> dict[str, Facts]:
    """By title; a slash puts one section into another."""
    errors = _errors(machine, gpu)
    counters = (("SRAM Correctable", "0"), ("SRAM Uncorrectable", "0"), ("DRAM Correctable", "0"))
    return {
        "FB Memory Usage": (
            ("Total", f"{_memory(machine)} MiB"),
            ("Used", "0 MiB"),
            ("Free", f"{_memory(machine)} MiB"),
        ),
        "ECC Mode": (("Current", "Enabled"), ("Pending", "Enabled")),
        "ECC Errors": (),
        "ECC Errors/Volatile": (*counters, ("DRAM Uncorrectable", str(errors))),
        "ECC Errors/Aggregate": (*counters, ("DRAM Uncorrectable", str(errors))),
        "Remapped Rows": (
            ("Correctable Error", "0"),
            ("Uncorrectable Error", str(int(_remaps(machine, gpu)))),
            ("Pending", _yes(machine.has_on(gpu, "remap_pending"))),
            ("Remapping Failure Occurred", _yes(machine.has_on(gpu, "remap_failed"))),
        ),
    }


def _pairs(facts: Facts, indent: int) -> list[str]:
    return [f"{' ' * indent}{name:<{COLON - indent}}: {value}" for name, value in facts]


def _queried(fields: list[str], program: str, machine: Machine, gpus: Sequence[Gpu]) -> str:
    """The CSV of a query, with units unless it asks for none."""
    rows = [] if "noheader" in program else [", ".join(fields)]
    for seen, gpu in enumerate(gpus):
        known = {**_plain(machine, gpu), "index": str(seen), "count": str(len(gpus))}
        if "nounits" in program:
            known = {field: value.removesuffix(" MiB") for field, value in known.items()}
        rows.append(", ".join(known.get(field, "[N/A]") for field in fields))
    return "\n".join([*rows, ""])


def _plain(machine: Machine, gpu: Gpu) -> dict[str, str]:
    """What a query can ask of one GPU."""
    errors = str(_errors(machine, gpu))
    return {
        **dict.fromkeys(("uuid", "gpu_uuid"), gpu.uuid),
        **dict.fromkeys(("name", "gpu_name"), machine.hardware.gpu_product),
        **dict.fromkeys(("pci.bus_id", "gpu_bus_id"), gpu.bus_id),
        "driver_version": str(machine.release.driver),
        **dict.fromkeys(("memory.total", "memory.free"), f"{_memory(machine)} MiB"),
        "memory.used": "0 MiB",
        **dict.fromkeys(("ecc.mode.current", "ecc.mode.pending"), "Enabled"),
        **dict.fromkeys((f"ecc.errors.corrected.{kind}.total" for kind in ("volatile", "aggregate")), "0"),
        **dict.fromkeys((f"ecc.errors.uncorrected.{kind}.total" for kind in ("volatile", "aggregate")), errors),
        "remapped_rows.correctable": "0",
        "remapped_rows.uncorrectable": str(int(_remaps(machine, gpu))),
        "remapped_rows.pending": _yes(machine.has_on(gpu, "remap_pending")),
        "remapped_rows.failure": _yes(machine.has_on(gpu, "remap_failed")),
    }


def _errors(machine: Machine, gpu: Gpu) -> int:
    return 1 if machine.has_on(gpu, "ecc_uncorrectable") else 0


def _remaps(machine: Machine, gpu: Gpu) -> bool:
    return machine.has_on(gpu, "remap_pending") or machine.has_on(gpu, "remap_failed")


def _yes(said: bool) -> str:  # noqa: FBT001 - a word for a truth
    return "Yes" if said else "No"


def _memory(machine: Machine) -> int:
    return machine.hardware.gpu_memory_mib
