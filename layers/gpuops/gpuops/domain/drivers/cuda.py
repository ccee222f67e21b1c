"""Which CUDA a driver serves, from the tables in data/cuda.yaml: wholly, within its major version, or by a package.

NVIDIA's three promises, each weaker than the one before: a driver serves every toolkit up to its own; one of the same
major version on an older driver, without what needs a newer one; a newer one whose container carries cuda-compat.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gpuops.domain.drivers.tables import Row, parse
from gpuops.domain.drivers.versions import Dotted, branch_of, parse_version

TABLE = Path(__file__).parents[2] / "data" / "cuda.yaml"
Kind = Literal["full", "minor", "forward", "unknown", "none"]


class Toolkit(Row):
    """A release of CUDA, and the oldest driver that serves it wholly."""

    cuda: Dotted
    driver: Dotted
    source: str


class Family(Row):
    """A major version of CUDA, and the oldest driver that runs anything of it."""

    major: int
    driver: Dotted
    source: str


class Forward(Row):
    """The package cuda-compat of a toolkit, and the branches on which it runs."""

    cuda: Dotted
    branches: Annotated[tuple[int, ...], Field(min_length=1)]
    source: str


class Table(Row):
    """The whole file."""

    sources: dict[str, str]
    toolkits: Annotated[tuple[Toolkit, ...], Field(min_length=1)]
    families: tuple[Family, ...]
    forward: tuple[Forward, ...]

    @model_validator(mode="after")
    def _ascending_and_sourced(self) -> Self:
        for older, newer in zip(self.toolkits, self.toolkits[1:], strict=False):
            up = parse_version(older.cuda) < parse_version(newer.cuda)
            if not up or parse_version(older.driver) >= parse_version(newer.driver):
                raise ValueError(f"{newer.cuda} does not come after {older.cuda}")
        named = {row.source for rows in (self.toolkits, self.families, self.forward) for row in rows}
        if named - self.sources.keys():
            raise ValueError(f"no such source: {sorted(named - self.sources.keys())}")
        return self


@dataclass(frozen=True)
class Served:
    """The newest CUDA that a driver serves."""

    cuda: str
    at_least: bool = False
    """The driver is newer than every row: it may serve a newer one, too."""


@dataclass(frozen=True)
class Support:
    """Whether and how a driver serves a toolkit."""

    kind: Kind
    reason: str

    @property
    def holds(self) -> bool:
        """Whether NVIDIA promises that it runs."""
        return self.kind in ("full", "minor", "forward")


def served_by(driver: str, table: Table) -> Served | None:
    """Return the newest CUDA that the driver serves wholly; None where it is older than the table."""
    found = [row for row in table.toolkits if parse_version(row.driver) <= parse_version(driver)]
    if not found:
        return None
    return Served(found[-1].cuda, at_least=_beyond(driver, table))


def supports(driver: str, cuda: str, table: Table, *, package: bool = False) -> Support:
    """Return whether the driver serves the toolkit; `package`: the container carries cuda-compat, on a fit board."""
    own = _own_driver(cuda, table)
    if own is not None and parse_version(driver) >= parse_version(own):
        return Support("full", f"driver {driver} is not older than {own}, which CUDA {cuda} came with")
    family = next((row for row in table.families if row.major == parse_version(cuda)[0]), None)
    if family is not None and parse_version(driver) >= parse_version(family.driver):
        return Support("minor", f"driver {driver} runs CUDA {family.major}.x, without what needs a newer driver")
    if package and branch_of(driver) in _branches(cuda, table):
        return Support("forward", f"cuda-compat of CUDA {cuda} runs on R{branch_of(driver)}")
    if own is None and _beyond(driver, table):
        return Support("unknown", f"neither driver {driver} nor CUDA {cuda} is in the table yet")
    need = f"CUDA {cuda} needs driver {family.driver if family else own or 'newer than the table'} or newer"
    return Support("none", f"{need}, driver {driver} is older")


def parse_table(text: str) -> Table:
    """Return the table. Raises: Invalid naming what is wrong with it."""
    return parse(Table, TABLE.name, text)


@cache
def cuda_table() -> Table:
    """Return the table that is deployed with the code."""
    return parse_table(TABLE.read_text(encoding="utf-8"))


def _own_driver(cuda: str, table: Table) -> str | None:
    """The driver of the first toolkit that is not older; None where the table ends before it."""
    return next((row.driver for row in table.toolkits if parse_version(row.cuda) >= parse_version(cuda)), None)


def _beyond(driver: str, table: Table) -> bool:
    return branch_of(driver) > branch_of(table.toolkits[-1].driver)


def _branches(cuda: str, table: Table) -> tuple[int, ...]:
    wanted = parse_version(cuda)
    return next((row.branches for row in table.forward if parse_version(row.cuda) == wanted), ())
