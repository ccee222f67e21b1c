"""What the boards of an EC2 family are and which drivers they take, from the table in data/gpu_families.yaml."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gpuops.domain.drivers.tables import Row, parse
from gpuops.domain.drivers.versions import Dotted, branch_of
from gpuops.domain.policy.parts import Architecture

TABLE = Path(__file__).parents[2] / "data" / "gpu_families.yaml"
Branch = Annotated[int, Field(ge=300, le=9999)]


class Family(Row):
    """One family of EC2's instance types."""

    family: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    gpu: str
    cpu: Architecture
    compute: Dotted
    brands: Annotated[frozenset[str], Field(min_length=1)]
    data_centre: bool = True
    module: Literal["open", "proprietary", "grid"]
    since: Branch | None = None
    """The first branch that serves it."""
    before: Branch | None = None
    """The first branch that does so no longer."""
    use: str
    source: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def drivers(self) -> str:
        """Which drivers it takes, in words."""
        since = f"R{self.since} or newer" if self.since else ""
        before = f"older than R{self.before}" if self.before else ""
        return " and ".join(part for part in (since, before) if part) or "any of EKS's AMIs"

    def refusal(self, driver: str) -> str | None:
        """Why its boards do not run on the driver, or None where nothing speaks against it."""
        branch = branch_of(driver)
        if self.since is not None and branch < self.since:
            return f"{self.family} ({self.gpu}) needs driver R{self.since} or newer"
        if self.before is not None and branch >= self.before:
            return f"{self.family} ({self.gpu}) needs a driver older than R{self.before}"
        return None


class Table(Row):
    """The whole file."""

    sources: dict[str, str]
    families: tuple[Family, ...]

    @model_validator(mode="after")
    def _once_and_sourced(self) -> Self:
        names = [row.family for row in self.families]
        if len(set(names)) < len(names):
            raise ValueError(f"listed twice: {sorted({name for name in names if names.count(name) > 1})}")
        unsourced = {source for row in self.families for source in row.source} - self.sources.keys()
        if unsourced:
            raise ValueError(f"no such source: {sorted(unsourced)}")
        return self

    def of(self, instance_type: str) -> Family | None:
        """Return the family of `g4dn.xlarge`, or None for one that the table does not know."""
        name = instance_type.partition(".")[0]
        return next((row for row in self.families if row.family == name), None)


def parse_families(text: str) -> Table:
    """Return the table. Raises: Invalid naming what is wrong with it."""
    return parse(Table, TABLE.name, text)


@cache
def gpu_families() -> Table:
    """Return the table that is deployed with the code."""
    return parse_families(TABLE.read_text(encoding="utf-8"))
