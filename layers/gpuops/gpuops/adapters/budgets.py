"""The fleet's budget in the table: a set of slots in one item, so that taking one is a single conditional write.

One table is one fleet. Taking and giving back are goals: whoever repeats them changes nothing.
"""

import os
from collections.abc import Collection
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import Condition, Table
from gpuops.domain.rotation.budget import Slot, missing_slots

BUDGET = "budget#fleet"
EMPTY = Condition("attribute_not_exists(slots)")


class Budgets:
    """The slots of the fleet. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def slots(self) -> tuple[Slot, ...]:
        """Return those that are taken."""
        item = self._table.get(BUDGET)
        return tuple(sorted(Slot.read(text) for text in (item or {}).get("slots", ())))

    def take(self, wanted: Collection[Slot], limit: int) -> bool:
        """Take all of them or none; False where the fleet would have more than `limit`.

        The size is compared as it is when the write happens: two who both saw the last free slot do not both get it.
        """
        new = missing_slots(self.slots(), wanted)
        room = limit - len(new)
        if not new or room < 0:
            return not new
        fits = Condition("attribute_not_exists(slots) OR size(slots) <= :room", {":room": room})
        return self._table.set(BUDGET, "ADD slots :new", {":new": {str(slot) for slot in new}}, only_if=fits)

    def give_back(self, slots: Collection[Slot]) -> None:
        """Give them back; one that is not taken is as good as given back."""
        if slots:
            self._table.set(BUDGET, "DELETE slots :old", {":old": {str(slot) for slot in slots}})
            self._table.delete(BUDGET, only_if=EMPTY)

    def give_all_back(self, owner: str) -> tuple[Slot, ...]:
        """Give back whatever the execution has, and return it."""
        mine = tuple(slot for slot in self.slots() if slot.owner == owner)
        self.give_back(mine)
        return mine

    def forget_if_free(self) -> None:
        """Delete the item where whoever gave the last slot back died before that, or had no answer to it."""
        item = self._table.get(BUDGET)
        if item is not None and "slots" not in item:
            self._table.delete(BUDGET, only_if=EMPTY)
