"""Which new node stands in for which old one: the claims of a group's open change.

Two slots, or one slot twice, may ask at the same moment: every write is a transaction that says whether it was first.
"""

import os
from typing import Any, Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import NEW, Condition, Table
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.run import Run

SLOT = "slot#"
"""Sort keys of the claims themselves; two items beside each keep its nodes from being claimed twice."""
TURN = "turn"
"""Sort key beside a group's claims: how many old instances went before their successors came."""


class Claims:
    """The claims of all groups. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def of(self, group: str) -> list[Claim]:
        """Return the group's claims."""
        return [Claim.model_validate_json(item["body"]) for item in self._table.query(f"claim#{group}", SLOT)]

    def add(self, claim: Claim) -> bool:
        """Claim for a turn that has none yet; False when turn, old or new instance is taken: look at the claims."""
        mine = {"run": claim.run}
        items = {f"old#{claim.old}": mine, f"new#{claim.new}": mine}
        items[f"{SLOT}{claim.slot}"] = {**mine, "body": claim.model_dump_json()}
        return self._table.put_all(f"claim#{claim.group}", items)

    def go_first(self, claim: Claim, turn: int) -> bool:
        """Take an old instance before its successor is there; `turn` is how many went so, as the claims showed it.

        False when slot or old instance is taken, or another one went since the claims were read.
        """
        mine: dict[str, Any] = {"run": claim.run}
        items = {f"old#{claim.old}": mine, TURN: {**mine, "turn": turn + 1}}
        items[f"{SLOT}{claim.slot}"] = {**mine, "body": claim.model_dump_json()}
        unchanged = Condition("turn = :turn", {":turn": turn}) if turn else NEW
        return self._table.put_all(f"claim#{claim.group}", items, only_if={TURN: unchanged})

    def fill(self, before: Claim, claim: Claim) -> bool:
        """Give a claim that went first its new instance; False when that is taken, or the claim changed since."""
        mine, slot = {"run": claim.run}, f"{SLOT}{claim.slot}"
        items = {f"new#{claim.new}": mine, slot: {**mine, "body": claim.model_dump_json()}}
        unchanged = Condition("body = :before", {":before": before.model_dump_json()})
        return self._table.put_all(f"claim#{claim.group}", items, only_if={slot: unchanged})

    def forget(self, run: Run) -> None:
        """Forget the claims of the run."""
        for item in self._table.query(f"claim#{run.group}"):
            if item["run"] == run.id:
                self._table.delete(f"claim#{run.group}", str(item["sk"]))
