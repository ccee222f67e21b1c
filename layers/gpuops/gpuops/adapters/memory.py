"""What the table remembers beyond a run: failures in a row of a group, its nodes' usual boot, GPUs that are faulty.

A failure is counted as a name in a set, so that a repeated call counts once and a hundred at once are all counted.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import ONE, Condition, Item, Table
from gpuops.domain.admission.pace import Boots
from gpuops.domain.faults.breaker import Breaker, Kind
from gpuops.domain.faults.gpu import GpuRecord

SUSPENDED = "open#breakers"
"""One item for each group whose Launch we suspended, so that reconcile finds it even once the policy has lost it."""
OURS, THERE = "attribute_exists(suspended_by_us)", "attribute_exists(pk)"


class Memory:
    """Breakers and faulty GPUs. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    # When nodes of a group usually are there.

    def boots(self, group: str) -> Boots | None:
        """Return how the group's last nodes came, or None where none was found yet.

        An item of the form without `body` tells when a node was seen, which is too late: it counts for none.
        """
        item = self._table.get(f"boot#{group}")
        if item is None or "body" not in item:
            return None
        body = json.loads(item["body"])
        return Boots(body["seconds"], body["settling"], body["heartbeat"])

    def keep_boots(self, group: str, boots: Boots) -> None:
        """Remember them; of two that add one at once either is as good."""
        self._table.put(f"boot#{group}", ONE, {"body": json.dumps(asdict(boots))})

    # Failures in a row.

    def breaker(self, kind: Kind, group: str) -> Breaker | None:
        """Return the group's failures of that kind, or None where the last attempt went well."""
        item = self._table.get(f"breaker#{group}", kind)
        return _breaker(kind, group, item) if item else None

    def count_failure(self, kind: Kind, group: str, now: datetime, why: str, *, of: str) -> Breaker:
        """Count the failure of one attempt and return the breaker; counting the same `of` again changes nothing."""
        values = {":now": now.isoformat(), ":why": why, ":of": {of}}
        self._table.set(f"breaker#{group}", "SET last_at = :now, why = :why ADD failed_of :of", values, sk=kind)
        counted = self.breaker(kind, group)
        return counted or Breaker(kind=kind, group=group, failures=1, last=now, why=why)

    def open_breaker(self, breaker: Breaker, now: datetime, by: str, *, suspended: bool) -> Breaker:
        """Open it, and return it as it is now: somebody else may have opened it, or forgotten it, just before.

        `suspended` is written before Launch is suspended, so that nobody can die in between and leave it so for good.
        """
        pk, kind, group = f"breaker#{breaker.group}", breaker.kind, breaker.group
        if suspended:
            self._table.put(SUSPENDED, group, {"opened_at": now.isoformat()})
        values = {":now": now.isoformat(), ":by": by} | ({":ours": "yes"} if suspended else {})
        goal = "SET opened_at = :now, opened_by = :by" + (", suspended_by_us = :ours" if suspended else "")
        self._table.set(pk, goal, values, sk=kind, only_if=Condition(f"{THERE} AND NOT {OURS}"))
        return self.breaker(kind, group) or breaker

    def forget_failures(self, kind: Kind, group: str) -> bool:
        """Forget them after a success; False, and nothing happens, while Launch is suspended because of them."""
        return self._table.delete(f"breaker#{group}", kind, Condition(f"NOT {OURS}"))

    def close_breaker(self, kind: Kind, group: str) -> bool:
        """Forget them for an operator; False when reconcile has to resume Launch first, which it then will."""
        if self.forget_failures(kind, group):
            return True
        self._table.set(f"breaker#{group}", "SET closed = :yes", {":yes": "yes"}, sk=kind, only_if=Condition(OURS))
        return False

    def suspended_groups(self) -> list[str]:
        """Return every group whose Launch we may have suspended."""
        return [str(item["sk"]) for item in self._table.query(SUSPENDED)]

    def resumed(self, breaker: Breaker) -> None:
        """Note that Launch runs again: half-open now, or forgotten if an operator closed it; not if opened anew."""
        pk, kind = f"breaker#{breaker.group}", breaker.kind
        seen = Condition("opened_at = :seen", {":seen": breaker.opened.isoformat() if breaker.opened else ""})
        if breaker.closed:
            self._table.delete(pk, kind, seen)
        else:
            self._table.set(pk, "REMOVE suspended_by_us", {}, sk=kind, only_if=seen)
        self._table.delete(SUSPENDED, breaker.group, seen)

    def forget_suspension(self, group: str, before: datetime) -> None:
        """Take a group that is not suspended off the list, unless it was put there so late that it may yet be."""
        self._table.delete(SUSPENDED, group, Condition("opened_at < :before", {":before": before.isoformat()}))

    # GPUs that proved to be faulty.

    def remember_gpu(self, uuid: str, fault: str, instance: str, node: str, now: datetime) -> None:
        """Remember it; of a GPU that is known, the newest evidence stays."""
        record = GpuRecord(uuid=uuid, fault=fault, instance=instance, node=node, at=now)
        self._table.put(f"gpu#{uuid}", ONE, {"body": record.model_dump_json()})

    def faulty_gpus(self, uuids: Iterable[str]) -> list[GpuRecord]:
        """Return those of the GPUs that are remembered as faulty."""
        found = (self._table.get(f"gpu#{uuid}") for uuid in dict.fromkeys(uuids))
        return [GpuRecord.model_validate_json(item["body"]) for item in found if item]

    def forget_gpu(self, uuid: str) -> bool:
        """Forget it, once it was repaired or tested; False when nothing was known."""
        return self._table.delete(f"gpu#{uuid}", only_if=Condition(THERE))


def _breaker(kind: Kind, group: str, item: Item) -> Breaker:
    """The breaker of one item."""
    return Breaker(
        kind=kind,
        group=group,
        failures=len(item["failed_of"]),
        last=datetime.fromisoformat(item["last_at"]),
        why=item["why"],
        opened=datetime.fromisoformat(item["opened_at"]) if "opened_at" in item else None,
        opened_by=item.get("opened_by", ""),
        suspended="suspended_by_us" in item,
        closed="closed" in item,
    )
