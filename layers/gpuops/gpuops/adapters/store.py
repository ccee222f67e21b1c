"""One table, one method per item: locks, originals, the journal.

Every write that somebody else could race is conditional, and says who won. Bodies are JSON in one attribute,
because DynamoDB's own types would need a second description of each model; what must change atomically (the set
of given-back nodes, the reason to stop) stands beside it as an attribute.
"""

import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import NEW, ONE, Condition, Table
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.lock import Lock
from gpuops.domain.rotation.strategy import Strategy
from gpuops.domain.run import Run

Kind = Literal["rotation", "lock"]

OPEN = "open#changes"
"""One item for each group with a holder or with originals, so that reconcile finds them without a scan."""
WORDS, SETS = ("stopped", "condemned", "abandoned"), ("decremented", "grown", "failed", "together", "swapped")
"""Attributes beside the originals, which are written one by one, by whoever comes first."""
KEPT = timedelta(days=90)
"""How long a journal stays: as long as Step Functions keeps an execution's name."""


class Store:
    """The state of all runs. All methods raise Unavailable, Refused or Invalid; some Conflict, which they say."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    # The locks of a group: `rotation` for a whole run, `lock` while it changes the group.

    def lock(self, kind: Kind, group: str) -> Lock | None:
        """Return who holds the group, or None."""
        item = self._table.get(f"{kind}#{group}")
        return Lock.model_validate_json(item["body"]).model_copy(update={"waits": "waits" in item}) if item else None

    def take(self, kind: Kind, run: Run, now: datetime, *, instead_of: Lock | None = None) -> int:
        """Take the group for the run's root execution and return the fencing number; again when it holds it already.

        `instead_of` is a dead holder's lock, as it was read. Raises: Conflict naming the owner.
        """
        held = self.lock(kind, run.group)
        if held and held.owner == run.execution:
            return held.fence
        if held and held != instead_of:
            raise Conflict(f"{kind} of {run.group} is held by {held.owner} since {held.at.isoformat()}")
        mine = Lock(run=run, at=now, fence=self._table.count(f"fence#{run.group}"))
        item = {"holder": mine.owner, "fence": mine.fence, "body": mine.model_dump_json()}
        only_if = Condition("fence = :held", {":held": held.fence}) if held else NEW
        self._table.put(OPEN, run.group, {"taken_by": run.id})
        if not self._table.put(f"{kind}#{run.group}", ONE, item, only_if):
            raise Conflict(f"{kind} of {run.group} was taken by somebody else just now")
        return mine.fence

    def mark_waiting(self, run: Run, *, waits: bool) -> None:
        """Note beside the run's own `rotation` whether it only waits; without effect when it does not hold it."""
        change, values = ("SET waits = :yes", {":yes": "yes"}) if waits else ("REMOVE waits", {})
        mine = Condition("holder = :me", {":me": run.execution})
        self._table.set(f"rotation#{run.group}", change, values, only_if=mine)

    def check_fence(self, run: Run, fence: int) -> None:
        """Before each act: does the run still hold the group? Raises: Conflict naming who does."""
        held = self.lock("lock", run.group)
        if held is None or (held.owner, held.fence) != (run.execution, fence):
            owner = held.owner if held else "nobody"
            raise Conflict(f"lock of {run.group} with number {fence} is lost; it is held by {owner}")

    def release(self, kind: Kind, run: Run) -> bool:
        """Give the group back; False when the run did not hold it."""
        return self._table.delete(f"{kind}#{run.group}", only_if=Condition("holder = :me", {":me": run.execution}))

    # The originals of a group's open change.

    def undo(self, group: str) -> Undo | None:
        """Return the originals of the group's open change, or None."""
        item = self._table.get(f"undo#{group}")
        if item is None:
            return None
        extra: dict[str, Any] = {name: item.get(name) for name in WORDS}
        extra |= {name: frozenset(item.get(name, ())) for name in SETS}
        extra |= {"strategy": item["strategy"]} if "strategy" in item else {}
        return Undo.model_validate_json(item["body"]).model_copy(update=extra)

    def change_of(self, run: Run) -> Undo:
        """Return the originals of the run's own open change. Raises: Conflict where it has none."""
        undo = self.undo(run.group)
        if undo is None or undo.run.id != run.id:
            raise Conflict(f"run {run.id} has no open change of {run.group}")
        return undo

    def write_undo(self, undo: Undo, *, begins: bool = False) -> None:
        """Write the originals of a change, or more about the same change. Raises: Conflict for another run's.

        `begins` says that a stage does: what stopped the one before stops it no longer.
        """
        body = undo.model_dump_json(exclude={*WORDS, *SETS})
        free = "attribute_not_exists(pk) OR run = :run"
        put = self._table.set(
            f"undo#{undo.run.group}",
            "SET body = :body, run = :run" + (" REMOVE stopped" if begins else ""),
            {":body": body, ":run": undo.run.id},
            only_if=Condition(free),
        )
        if not put:
            raise Conflict(f"the change of {undo.run.group} by another run is not put back yet")

    def give_back(self, run: Run, instance: str) -> None:
        """Note, before it happens, that the instance's termination shrinks the group. Raises: Conflict."""
        if not self._change_undo(run, "ADD decremented :value", {instance}):
            raise Conflict(f"run {run.id} has no open change of {run.group}")

    def note_swap(self, run: Run, instance: str, image: str) -> None:
        """Note, before its root volume is replaced, which image the instance runs. Raises: Conflict."""
        if not self._change_undo(run, "ADD swapped :value", {f"{instance} {image}"}):
            raise Conflict(f"run {run.id} has no open change of {run.group}")

    def grow(self, run: Run, instance: str) -> None:
        """Note, before it happens, that another Auto Scaling group grows for the instance's going. Raises: Conflict."""
        if not self._change_undo(run, "ADD grown :value", {instance}):
            raise Conflict(f"run {run.id} has no open change of {run.group}")

    def stop(self, run: Run, reason: str) -> bool:
        """Let the run start no further node; the first reason stays. False when its change is closed already."""
        return self._change_undo(run, "SET stopped = if_not_exists(stopped, :value)", reason)

    def condemn(self, run: Run, reason: str) -> bool:
        """Note that the run's target proved to be bad, and stop it; the first reason stays. False as in `stop`."""
        first = "SET condemned = if_not_exists(condemned, :value), stopped = if_not_exists(stopped, :value)"
        return self._change_undo(run, first, reason)

    def claim_next(self, run: Run, instances: Iterable[str]) -> None:
        """Let the claims for these old instances come before all others; a closed change claims nothing."""
        self._change_undo(run, "ADD together :value", set(instances))

    def hold(self, run: Run, why: str) -> bool:
        """Note that the run waits for capacity, and why; False when that was noted before, or its change is closed."""
        first = Condition("run = :run AND attribute_not_exists(held)", {":run": run.id})
        return self._table.set(f"undo#{run.group}", "SET held = :value", {":value": why}, only_if=first)

    def fall_back(self, run: Run, strategy: Strategy) -> bool:
        """Let the run go on in another way; False when its change is closed already."""
        return self._change_undo(run, "SET strategy = :value", strategy)

    def tell_abandoned(self, group: str, why: str, failed: str | None = None) -> None:
        """Tell the group's open change, if there is one, why a newcomer was turned away, and which failed at it."""
        there = Condition("attribute_exists(pk)")
        goal = "SET abandoned = :value" + (" ADD failed :failed" if failed else "")
        values = {":value": why} | ({":failed": {failed}} if failed else {})
        self._table.set(f"undo#{group}", goal, values, only_if=there)

    def _change_undo(self, run: Run, expression: str, value: Any) -> bool:
        """Change an attribute beside the originals, of this run only."""
        mine = Condition("run = :run", {":run": run.id})
        return self._table.set(f"undo#{run.group}", expression, {":value": value}, only_if=mine)

    def delete_undo(self, run: Run) -> bool:
        """Forget the run's originals, once they are put back; False when there are none of it."""
        return self._table.delete(f"undo#{run.group}", only_if=Condition("run = :run", {":run": run.id}))

    # The list on which reconcile looks.

    def open_groups(self) -> list[str]:
        """Return every group that may have a holder or originals."""
        return [str(item["sk"]) for item in self._table.query(OPEN)]

    def forget_if_free(self, group: str) -> None:
        """Take the group off that list unless somebody holds it, or takes it at this moment, or has originals."""
        seen = self._table.get(OPEN, group)
        if seen and not (self.lock("rotation", group) or self.lock("lock", group) or self.undo(group)):
            self._table.delete(OPEN, group, Condition("taken_by = :seen", {":seen": seen["taken_by"]}))

    # The journal of a run, written by `entry` alone.

    def write_journal(self, run_id: str, line: Mapping[str, Any]) -> None:
        """Append a line; `at` is its time, and its `attempt` orders the retries of one call, which share that time.

        The same line twice is one line.
        """
        body = json.dumps(line, default=str, sort_keys=True)
        at = datetime.fromisoformat(str(line["at"]))
        key = f"{at.isoformat()}#{line.get('attempt', 0):03}#{sha256(body.encode()).hexdigest()[:12]}"
        self._table.put(f"journal#{run_id}", key, {"body": body, "ttl": int((at + KEPT).timestamp())})

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """Return the run's lines in the order of their times and attempts."""
        return [json.loads(item["body"]) for item in self._table.query(f"journal#{run_id}")]
