"""The slots of the fleet's budget: one for each node that gpuops has closed, until it is returned or terminated.

A slot names its node and the root execution that closed it, so that whoever is dead can be told from whoever works.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self

MAX_NAMED = 5


@dataclass(frozen=True, order=True)
class Slot:
    """One node, taken out of the fleet by one root execution."""

    instance: str
    owner: str
    """ARN of the root execution."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From the words of the table."""
        instance, _, owner = text.partition(" ")
        return cls(instance, owner)

    def __str__(self) -> str:
        return f"{self.instance} {self.owner}"


def missing_slots(held: Collection[Slot], wanted: Iterable[Slot]) -> tuple[Slot, ...]:
    """Return those that are still to be taken: a slot that is held counts once, however often it is asked for."""
    return tuple(sorted(set(wanted) - set(held)))


def why_no_slot(held: Collection[Slot], wanted: Collection[Slot], limit: int) -> str | None:
    """Why the wanted slots are not to be had together, naming who has them; None while there is room."""
    new = len(missing_slots(held, wanted))
    if not new or len(held) + new <= limit:
        return None
    if len(wanted) > limit:
        return f"{len(wanted)} nodes together are more than the fleet's budget of {limit}"
    names = sorted(f"{slot.instance} ({slot.owner.rpartition(':')[2]})" for slot in held)
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"the fleet's budget of {limit} nodes is used by {', '.join(names[:MAX_NAMED])}{more}"
