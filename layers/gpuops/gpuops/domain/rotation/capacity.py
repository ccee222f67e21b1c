"""Why Auto Scaling launches nothing, and what a roll does about it.

Auto Scaling says so only in words, so a table tells them apart. Where a place that becomes free would help (no
instance left, a full reservation, quota, subnet), the policy decides; for everything else a claim has its deadline.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gpuops.domain.errors import Invalid
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.group import Group

TABLE = Path(__file__).parents[2] / "data" / "launch_failures.yaml"
Kind = Literal["capacity", "reservation", "quota", "addresses", "template", "unknown"]
CAPACITY_HELD = "CapacityHeld"
"""Metric: a roll waits for capacity."""
SCARCE: dict[Kind, str] = {
    "capacity": "EC2 has no instance of the type left",
    "reservation": "the capacity reservation is full",
    "quota": "the account's quota is used up",
    "addresses": "a subnet has no free address",
}
"""What a place that becomes free would help against, in words."""


class _Part(BaseModel):
    """A table is a value, and a word in it that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Part):
    """Texts that mean the same."""

    kind: Literal["capacity", "reservation", "quota", "addresses", "template"]
    texts: Annotated[tuple[Annotated[str, Field(min_length=6)], ...], Field(min_length=1)]
    source: str


class Table(_Part):
    """The whole file."""

    sources: dict[str, str]
    failures: tuple[Row, ...]

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if unsourced := sorted({row.source for row in self.failures} - self.sources.keys()):
            raise ValueError(f"no such source: {unsourced}")
        return self

    def kind(self, message: str) -> Kind:
        """Return what the message of a failed launch says."""
        said = message.lower()
        return next((row.kind for row in self.failures if any(text.lower() in said for text in row.texts)), "unknown")


def parse_table(text: str) -> Table:
    """Return the table. Raises: Invalid naming what is wrong with it."""
    try:
        return Table.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise Invalid(f"launch_failures.yaml: {error}") from error


@cache
def failure_table() -> Table:
    """Return the table that is deployed with the code."""
    return parse_table(TABLE.read_text(encoding="utf-8"))


def has_empty_place(group: Group, undo: Undo, claims: Iterable[Claim]) -> bool:
    """Whether Auto Scaling owes us an instance: one that boots has its place already.

    Where old nodes go first, the places of those that went are counted: more were asked for in vain before, perhaps.
    Where they stay, nobody waits for one.
    """
    if undo.in_place:
        return False
    if undo.strategy != "terminate_first":
        return len(group.staying) < group.desired
    claims = list(claims)
    taken = {claim.new for claim in claims}
    coming = sum(undo.is_new(instance) and instance.id not in taken for instance in group.staying)
    return coming < sum(claim.out and group.instance(claim.old) is None for claim in claims)


def why_scarce(failure: str | None) -> str | None:
    """Return, in a few words, what is scarce by Auto Scaling's last failure; None where nothing is, or who knows."""
    return SCARCE.get(failure_table().kind(failure)) if failure else None


def decide_scarcity(policy: GroupPolicy, undo: Undo, *, chosen: bool) -> Literal["fail", "hold", "next"]:
    """What a slot does that waits for an instance which cannot be had; `chosen`: its old node is gone already.

    By the next strategy instances stay, or old ones go first. Where the floor forbids that there is none, nor once it
    is in use.
    """
    if policy.on_no_capacity != "next":
        return policy.on_no_capacity
    possible = policy.floor.of(undo.desired, policy.surge) < undo.desired
    return "next" if possible and not chosen and undo.strategy == "surge" else "hold"
