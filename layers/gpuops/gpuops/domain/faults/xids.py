"""What an Xid says about its board, and what is done about it, from the table in data/xids.yaml.

A table, because NVIDIA's catalogue changes and its readers disagree: each row names whose word it is.
"""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gpuops.domain.errors import Invalid
from gpuops.domain.faults.actions import Action

TABLE = Path(__file__).parents[2] / "data" / "xids.yaml"
Effect = Literal["tolerated", "fatal", "unknown"]


class _Part(BaseModel):
    """A table is a value, and a word in it that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Threshold(_Part):
    """From so many of one GPU's or node's in so many minutes on, another action is right."""

    count: Annotated[int, Field(ge=2)]
    minutes: Annotated[int, Field(ge=1)]
    then: Action


class Row(_Part):
    """Xids that mean the same."""

    xids: Annotated[tuple[Annotated[int, Field(ge=1, le=999)], ...], Field(min_length=1)]
    effect: Literal["tolerated", "fatal"]
    nvidia: str
    """NVIDIA's own immediate action."""
    action: Action | None = None
    """Ours, where another source is followed than NVIDIA's action."""
    threshold: Threshold | None = None
    source: str


class Table(_Part):
    """The whole file."""

    as_of: date
    sources: dict[str, str]
    actions: dict[str, Action]
    xids: tuple[Row, ...]
    names: dict[int, str]
    """NVIDIA's own words for them, as far as it has any."""

    @model_validator(mode="after")
    def _once_and_sourced(self) -> Self:
        listed = [xid for row in self.xids for xid in row.xids]
        twice = sorted({xid for xid in listed if listed.count(xid) > 1})
        if twice:
            raise ValueError(f"listed twice: {twice}")
        unsourced = sorted({row.source for row in self.xids} - self.sources.keys())
        if unsourced:
            raise ValueError(f"no such source: {unsourced}")
        unheard = sorted({row.nvidia for row in self.xids} - self.actions.keys())
        if unheard:
            raise ValueError(f"no action for: {unheard}")
        unlisted = sorted(self.names.keys() - set(listed))
        if unlisted:
            raise ValueError(f"named, and in no row: {unlisted}")
        return self

    def row(self, xid: int) -> Row | None:
        """Return what is known of an Xid, or None."""
        return next((row for row in self.xids if xid in row.xids), None)

    def effect(self, xid: int) -> Effect:
        """Return what the Xid says; what nobody wrote down is `unknown`, which is never harmless."""
        row = self.row(xid)
        return row.effect if row else "unknown"

    def action(self, row: Row) -> Action:
        """Return what is done about the Xids of a row."""
        return row.action or self.actions[row.nvidia]


def parse_table(text: str) -> Table:
    """Return the table. Raises: Invalid naming what is wrong with it."""
    try:
        return Table.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise Invalid(f"xids.yaml: {error}") from error


@cache
def xid_table() -> Table:
    """Return the table that is deployed with the code."""
    return parse_table(TABLE.read_text(encoding="utf-8"))
