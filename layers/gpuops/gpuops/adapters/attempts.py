"""What the table remembers of repairs: by node, by GPU, and which node stands in for which.

An item for each action of a run, so that a repeated call counts once. They go by themselves when no policy can ask
for them any more.
"""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import NEW, ONE, Table
from gpuops.domain.faults.attempts import Attempt

KEPT = timedelta(days=90)
STEP, STORM = "attempt#", "breaker#fleet"
FOREFATHERS = 5
"""So many nodes back in a row of replacements; each of them took an attempt."""


class Attempts:
    """Past repairs. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def note(self, attempt: Attempt, instance: str, uuid: str) -> None:
        """Remember it, of the node and of the GPU if that is known. Repeating does no harm."""
        item = {"body": attempt.model_dump_json(), "ttl": int((attempt.at + KEPT).timestamp())}
        for key in (f"node#{instance}", f"gpu#{uuid}" if uuid else ""):
            if key:
                self._table.put(key, f"{STEP}{attempt.key}", item)

    def succeed(self, new: str, old: str, now: datetime) -> None:
        """Remember for which instance the new one stands in: what was tried on that one counts for it."""
        self._table.put(f"node#{new}", ONE, {"after": old, "ttl": int((now + KEPT).timestamp())})

    def trip(self, now: datetime, why: str) -> bool:
        """Note that a storm holds all repairs; False where that was noted before."""
        return self._table.put(STORM, ONE, {"opened_at": now.isoformat(), "why": why}, NEW)

    def calm(self) -> None:
        """Forget the storm: people are told anew of the next one."""
        self._table.delete(STORM)

    def of(self, instance: str, uuid: str, since: datetime) -> list[Attempt]:
        """Return what was tried since then on the node, on those it stands in for, and on the GPU, oldest first."""
        keys = [f"node#{name}" for name in self._line(instance)] + ([f"gpu#{uuid}"] if uuid else [])
        items = {item["sk"]: item["body"] for key in keys for item in self._table.query(key, STEP)}
        found = (Attempt.model_validate_json(body) for body in items.values())
        return sorted((one for one in found if one.at >= since), key=lambda one: (one.at, one.key))

    def _line(self, instance: str) -> Iterator[str]:
        """The instance, and whom it stands in for, back to the first."""
        for _ in range(FOREFATHERS):
            yield instance
            item = self._table.get(f"node#{instance}")
            if item is None:
                return
            instance = str(item["after"])
