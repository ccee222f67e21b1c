"""What the surge of a roll costs: its nodes beside those they stand in for, for as long as the roll takes.

An estimate before the fact: how long a node takes is assumed, and Jobs that a drain waits for come on top. A price that
the table does not have is not guessed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gpuops.domain.errors import Invalid

TABLE = Path(__file__).parents[2] / "data" / "prices.yaml"
HOURS_A_NODE = 0.5
"""Boot, admission, drain and termination of one node without Jobs; the rehearsals take a quarter of an hour."""


class _Part(BaseModel):
    """A table is a value, and a word in it that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Part):
    """What one hour of an instance type costs."""

    type: str
    dollars: Annotated[float, Field(gt=0)]
    source: str


class Prices(_Part):
    """The whole table: on-demand, Linux, one region."""

    region: str
    as_of: str
    sources: dict[str, str]
    prices: tuple[Price, ...]

    @model_validator(mode="after")
    def _once_and_sourced(self) -> Self:
        listed = [price.type for price in self.prices]
        if twice := sorted({kind for kind in listed if listed.count(kind) > 1}):
            raise ValueError(f"listed twice: {twice}")
        if unsourced := sorted({price.source for price in self.prices} - self.sources.keys()):
            raise ValueError(f"no such source: {unsourced}")
        return self

    def hourly(self, kind: str) -> float | None:
        """Return the price of an hour, or None where it is not known."""
        return next((price.dollars for price in self.prices if price.type == kind), None)


@dataclass(frozen=True)
class Surge:
    """What a roll's surge is estimated to take."""

    gpu_hours: float
    dollars: float | None
    note: str
    """How the dollars were reckoned, or why there are none."""

    @property
    def said(self) -> str:
        """The estimate in words."""
        money = "" if self.dollars is None else f", about ${self.dollars:.2f}"
        return f"about {self.gpu_hours:g} GPU-hours{money} ({self.note})"


def parse_prices(text: str) -> Prices:
    """Return the table. Raises: Invalid for one that does not hold together."""
    try:
        return Prices.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise Invalid(f"prices.yaml: {error}") from error


@cache
def prices() -> Prices:
    """Return the layer's own table, read once in a process."""
    return parse_prices(TABLE.read_text(encoding="utf-8"))


def estimate_surge(phases: Iterable[tuple[int, int]], gpus: int, kind: str, table: Prices) -> Surge:
    """Return what the nodes beside the group's own cost: in each phase so many are replaced, so many at a time."""
    hours = sum(at_once * math.ceil(nodes / at_once) * HOURS_A_NODE for nodes, at_once in phases if at_once)
    hourly = table.hourly(kind)
    if not hours or hourly is None:
        why = f"the price of {kind} is not in gpuops' table" if hours else "the group does not grow"
        return Surge(gpus * hours, None, f"no dollars: {why}")
    note = f"{kind} on demand in {table.region}, as of {table.as_of}; Jobs that are waited for add to it"
    return Surge(gpus * hours, hourly * hours, note)
