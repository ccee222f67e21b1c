"""What is known of an AMI and of the group that is to run it, before a node is touched: the facts that gates judge."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.drivers.catalogue import Catalogue
from gpuops.domain.drivers.cuda import Table, served_by
from gpuops.domain.drivers.kinds import GpuType
from gpuops.domain.drivers.releases import Release, read_release
from gpuops.domain.drivers.require import shortened
from gpuops.domain.drivers.workloads import Need, Unread
from gpuops.domain.policy import GroupPolicy

Source = Literal["policy", "observed", "catalogue", "unknown"]
MAX_LINES = 20


@dataclass(frozen=True)
class Driver:
    """The driver of an AMI, the newest CUDA that it serves, and who says so."""

    version: str | None = None
    cuda: str | None = None
    at_least: bool = False
    """It is newer than every row of the table: the CUDA that it serves may be newer, too."""
    source: Source = "unknown"

    @property
    def title(self) -> str:
        """How reasons name it."""
        if self.version is None:
            return "an unknown driver"
        more = " or newer" if self.at_least else ""
        return f"driver {self.version}" + (f" (CUDA {self.cuda}{more})" if self.cuda else "")


UNKNOWN, NAMELESS = Driver(), Release()


@dataclass(frozen=True)
class Facts:
    """All of them; what is not known is None or empty, and closes no gate by itself."""

    ami: str = ""
    """Release and id, as reasons name it."""
    release: Release = NAMELESS
    kubernetes: str | None = None
    """The control plane's minor, such as 1.36."""
    driver: Driver = UNKNOWN
    architecture: str = ""
    types: tuple[GpuType, ...] = ()
    """Every instance type that the group may launch."""
    needs: tuple[Need, ...] = ()
    unread: tuple[Unread, ...] = ()


NO_FACTS = Facts()


class Sight(BaseModel):
    """What a plan keeps of the facts, for whoever reads it; bounded, because it travels through the machine."""

    model_config = ConfigDict(frozen=True)

    kubernetes: str | None = None
    """Of the AMI."""
    control_plane: str | None = None
    driver: str | None = None
    cuda: str | None = None
    source: Source = "unknown"
    types: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What a person reads: each with what it is about; nothing where no gate looked."""
        if self.control_plane is None:
            return []
        driver = f"driver {self.driver}, CUDA {self.cuda or 'unknown'}" if self.driver else "driver unknown"
        ami = f"Kubernetes {self.kubernetes or 'unknown'} under {self.control_plane}, {driver} ({self.source})"
        return [("ami", ami), *(("type", line) for line in self.types), *(("needs", line) for line in self.needs)]


@dataclass(frozen=True)
class Named:
    """An AMI under all of its names, and what a node that runs it already has told."""

    ami: str
    names: tuple[str, ...]
    """Its release and its image's name."""
    observed: tuple[str, str] | None = None
    """Driver, and the newest CUDA that it serves; both as nvidia-smi printed them on the node."""


def driver_of(named: Named, policy: GroupPolicy, catalogue: Catalogue, table: Table) -> Driver:
    """Return the driver of an AMI: the policy's word, then a node's own, then the catalogue's."""
    told = policy.cuda.drivers
    if given := next((told[key] for key in (named.ami, *named.names) if key in told), None):
        return _served(given, "policy", table)
    if named.observed:
        return Driver(*named.observed, source="observed")
    known = catalogue.driver(policy.ami.architecture, read_release(*named.names))
    return _served(known, "catalogue", table) if known and policy.ami.family == "al2023" else UNKNOWN


def sight_of(facts: Facts) -> Sight:
    """Return what a plan keeps."""
    return Sight(
        kubernetes=facts.release.minor,
        control_plane=facts.kubernetes,
        driver=facts.driver.version,
        cuda=facts.driver.cuda,
        source=facts.driver.source,
        types=_lines(_type(kind) for kind in facts.types),
        needs=_lines([*map(_need, facts.needs), *map(_unknown, facts.unread)]),
    )


def _served(version: str, source: Source, table: Table) -> Driver:
    found = served_by(version, table)
    return Driver(version, found.cuda if found else None, at_least=bool(found and found.at_least), source=source)


def _type(kind: GpuType) -> str:
    if not kind.gpu:
        return f"{kind.name}: no NVIDIA GPU"
    return f"{kind.name}: {kind.gpus:g} x {kind.gpu}, {kind.gpu_memory_mib} MiB, {kind.vcpus} vCPUs"


def _need(need: Need) -> str:
    return f"{need.workload}: {', '.join(map(shortened, need.requires)) or 'nothing'} ({need.source})"


def _unknown(unread: Unread) -> str:
    return f"{unread.workload}: unknown ({unread.why})"


def _lines(lines: Iterable[str]) -> tuple[str, ...]:
    found = list(dict.fromkeys(lines))
    more = [f"and {len(found) - MAX_LINES} more"] if len(found) > MAX_LINES else []
    return (*(line[:160] for line in found[:MAX_LINES]), *more)
