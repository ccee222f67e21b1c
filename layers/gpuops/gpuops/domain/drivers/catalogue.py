"""Which driver an AMI release of EKS carries, from the table in data/ami_drivers.yaml.

AWS tells it nowhere but in a changelog, so the table is dated, and says nothing about what came after it. It is written
by scripts/catalogue.py alone (`make catalogue FILE=...`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from gpuops.domain.drivers.releases import Release
from gpuops.domain.drivers.tables import Row, parse
from gpuops.domain.drivers.versions import Dotted
from gpuops.domain.policy.parts import Architecture

TABLE = Path(__file__).parents[2] / "data" / "ami_drivers.yaml"
Day = Annotated[int, Field(ge=20_200_101, le=20_991_231)]
Minor = Annotated[str, Field(pattern=r"^1\.\d{2}$")]


class Span(Row):
    """Releases that follow one another with the same driver; the first and the last of them are named."""

    driver: Dotted
    first: Day
    last: Day
    architectures: Annotated[tuple[Architecture, ...], Field(min_length=1)]
    kubernetes: Annotated[tuple[Minor, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}")
        return self

    def covers(self, architecture: str, minor: str, day: int) -> bool:
        """Whether a release is one of these."""
        return architecture in self.architectures and minor in self.kubernetes and self.first <= day <= self.last


class Catalogue(Row):
    """The whole file."""

    source: str
    as_of: Day
    """The newest release in it."""
    al2023: tuple[Span, ...]

    @model_validator(mode="after")
    def _once(self) -> Self:
        for one, other in _neighbours(self.al2023):
            raise ValueError(f"{one.first}-{one.last} and {other.first}-{other.last} name one release twice")
        return self

    def driver(self, architecture: str, release: Release) -> str | None:
        """Return the driver of a release of Amazon Linux 2023, or None where the table knows no such release."""
        minor, day = release.minor, release.date
        if minor is None or day is None:
            return None
        return next((span.driver for span in self.al2023 if span.covers(architecture, minor, day)), None)


@dataclass(frozen=True)
class Carried:
    """One release of one AMI type, and the driver that it carries."""

    architecture: Architecture
    minor: str
    day: int
    driver: str


def spans_of(carried: Iterable[Carried]) -> list[Span]:
    """Return the fewest rows that say the same: neighbours in time joined, then minors, then architectures."""
    runs: dict[tuple[str, int, int], set[tuple[str, str]]] = {}
    ordered = sorted(set(carried), key=lambda c: (c.architecture, c.minor, c.day))
    for (architecture, minor), those in groupby(ordered, key=lambda c: (c.architecture, c.minor)):
        for driver, found in groupby(those, key=lambda c: c.driver):
            days = [one.day for one in found]
            runs.setdefault((driver, days[0], days[-1]), set()).add((architecture, minor))
    return [span for (driver, first, last), who in sorted(runs.items()) for span in _joined(driver, first, last, who)]


def parse_catalogue(text: str) -> Catalogue:
    """Return the table. Raises: Invalid naming what is wrong with it."""
    return parse(Catalogue, TABLE.name, text)


@cache
def driver_catalogue() -> Catalogue:
    """Return the table that is deployed with the code."""
    return parse_catalogue(TABLE.read_text(encoding="utf-8"))


def _joined(driver: str, first: int, last: int, who: set[tuple[str, str]]) -> Iterator[Span]:
    """One row for the architectures that have the same minors."""
    minors = {name: tuple(sorted(m for a, m in who if a == name)) for name in sorted({a for a, _ in who}, reverse=True)}
    for kubernetes in dict.fromkeys(minors.values()):
        same = [name for name, those in minors.items() if those == kubernetes]
        values = {"driver": driver, "first": first, "last": last, "architectures": same, "kubernetes": kubernetes}
        yield Span.model_validate(values)


def _neighbours(spans: tuple[Span, ...]) -> Iterator[tuple[Span, Span]]:
    """The pairs that name a release twice: nobody could say which of them is right."""
    for place, one in enumerate(spans):
        for other in spans[:place]:
            apart = one.last < other.first or other.last < one.first
            shared = set(one.architectures) & set(other.architectures) and set(one.kubernetes) & set(other.kubernetes)
            if shared and not apart:
                yield other, one
