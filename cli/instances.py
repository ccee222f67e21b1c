"""`gpuops instances`: the EC2 types with NVIDIA's GPUs, what they are chosen for, and which drivers they take."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from gpuops.domain.drivers.families import Family, gpu_families
from gpuops.domain.drivers.kinds import GpuType
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable

FAULTS = (BotoCoreError, ClientError, Conflict, Invalid, Refused, Unavailable)
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Families or types; not given: all.")]


def command(
    names: Names = None,
    offline: Annotated[bool, typer.Option(help="Do not ask EC2: families without their sizes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """List families, and, as EC2 describes them in your region, the GPUs, memory and vCPUs of each size."""
    try:
        types = () if offline else described()
    except FAULTS as error:
        give_up(f"instances: {error}", as_json=as_json)
    listed = [rows(family, types, names or ()) for family in gpu_families().families]
    found = [family for family in listed if family is not None]
    if names and not found:
        give_up(f"instances: no family or type with NVIDIA's GPUs is called {', '.join(names)}", as_json=as_json)
    for family in found:
        _tell(family)
    if as_json:
        answer({"families": found})


def described() -> tuple[GpuType, ...]:
    """What EC2 says of the region's types. Raises: what the adapter raises."""
    from gpuops.adapters.instance_types import InstanceTypes  # noqa: PLC0415 - `--offline` needs no boto

    return InstanceTypes.from_env().with_gpus()


def rows(family: Family, types: Iterable[GpuType], names: Iterable[str]) -> dict[str, Any] | None:
    """One family with its sizes; None where neither it nor one of them is asked for."""
    wanted = frozenset(names)
    sizes = [kind for kind in types if kind.name.partition(".")[0] == family.family]
    if wanted and family.family not in wanted:
        sizes = [kind for kind in sizes if kind.name in wanted]
        if not sizes:
            return None
    told = family.model_dump(mode="json", include={"family", "gpu", "cpu", "compute", "module", "use", "source"})
    return {**told, "drivers": family.drivers, "types": [_size(kind) for kind in sizes]}


def _size(kind: GpuType) -> dict[str, Any]:
    return {
        "type": kind.name,
        "gpus": kind.gpus,
        "gpu_memory_mib": kind.gpu_memory_mib,
        "vcpus": kind.vcpus,
        "memory_mib": kind.memory_mib,
    }


def _tell(family: dict[str, Any]) -> None:
    """The family for a person."""
    say(f"{family['family']}: {family['gpu']}, {family['cpu']}, compute capability {family['compute']}")
    say(f"  {family['use']}")
    say(f"  drivers: {family['drivers']}; kernel module: {family['module']}")
    for size in family["types"]:
        gpus = f"{size['gpus']:g} GPU, {size['gpu_memory_mib']} MiB"
        say(f"  {size['type']:<18} {gpus}; {size['vcpus']} vCPUs, {size['memory_mib']} MiB")
