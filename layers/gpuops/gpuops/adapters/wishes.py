"""What people wish, in the table: a run's wish, what a run asks them, and the one stop of the whole stack.

Wishes stay as long as a journal does: whoever reads why a run ended finds who wanted it so. Where a run comes to what
nobody can stop, it first says that it hears no more, and then looks for the last time: of two at one moment at least
one knows of the other.
"""

import os
from datetime import datetime, timedelta
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import ONE, Condition, Table
from gpuops.domain.rotation.wish import FLEET, GlobalStop, Pending, Wish

KEPT, FORGOTTEN = timedelta(days=90), timedelta(days=7)
"""How long a wish stays; how long a request does after it has expired, to say so to whoever answers late."""
TOLD = "told"
STOP = f"stop#{FLEET}"
NOT_CANCELLED = Condition("attribute_not_exists(pk) OR word <> :cancel", {":cancel": "cancel"})


class Wishes:
    """Reads and writes wishes. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def wish(self, run_id: str) -> Wish | None:
        """Return the last wish about a run, or None."""
        item = self._table.get(f"wish#{run_id}")
        return Wish.model_validate_json(item["body"]) if item else None

    def write(self, wish: Wish) -> bool:
        """Write a run's wish in place of the last one; False when that was a cancellation, which stays."""
        item = {"word": wish.wish, "body": wish.model_dump_json(), "ttl": int((wish.at + KEPT).timestamp())}
        return self._table.put(f"wish#{wish.run}", ONE, item, NOT_CANCELLED)

    def close(self, run_id: str, why: str, now: datetime) -> None:
        """Note that nobody's wish can reach the run any more; whoever wishes from now on is told so."""
        item = {"why": why, "ttl": int((now + KEPT).timestamp())}
        self._table.put(f"deaf#{run_id}", ONE, item)

    def closed(self, run_id: str) -> str | None:
        """Return why no wish can reach the run any more, or None."""
        item = self._table.get(f"deaf#{run_id}")
        return str(item["why"]) if item else None

    # Requests for approval.

    def ask(self, pending: Pending) -> None:
        """Keep a request with its token; a repetition, which has a new token, takes its place."""
        item = {"body": pending.model_dump_json(), "ttl": int((pending.expires + FORGOTTEN).timestamp())}
        self._table.put(f"approval#{pending.run}", ONE, item)

    def pending(self, run_id: str) -> Pending | None:
        """Return the run's request, answered or not, or None."""
        item = self._table.get(f"approval#{run_id}")
        return Pending.model_validate_json(item["body"]) if item else None

    def note_told(self, pending: Pending) -> None:
        """Note that people have been asked."""
        until = int((pending.expires + FORGOTTEN).timestamp())
        self._table.put(f"approval#{pending.run}", TOLD, {"ttl": until})

    def is_told(self, run_id: str) -> bool:
        """Return whether people have been asked."""
        return self._table.get(f"approval#{run_id}", TOLD) is not None

    # The global stop.

    def stop(self) -> GlobalStop | None:
        """Return the stop that stands, or None."""
        item = self._table.get(STOP)
        return GlobalStop.model_validate_json(item["body"]) if item else None

    def write_stop(self, stop: GlobalStop) -> None:
        """Stop the stack; a stop that stands already is replaced."""
        self._table.put(STOP, ONE, {"body": stop.model_dump_json()})

    def lift_stop(self) -> bool:
        """Let the stack go on; False when nothing stopped it."""
        return self._table.delete(STOP, only_if=Condition("attribute_exists(pk)"))
