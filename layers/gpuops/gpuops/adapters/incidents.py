"""Which execution answers for an instance, and what it was told: `incident#<instance>`.

Who opens one, or tells one, names the execution that it saw, so that of two at once one finds out that it was late.
"""

import os
from datetime import datetime, timedelta
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import NEW, ONE, Condition, Table
from gpuops.domain.faults.incident import Incident

KEPT = timedelta(days=90)
"""As long as Step Functions keeps an execution's name."""


class Incidents:
    """The incidents of all instances. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def of(self, instance: str) -> Incident | None:
        """Return the instance's newest incident, or None."""
        item = self._table.get(f"incident#{instance}")
        if item is None:
            return None
        return Incident(
            instance=instance,
            execution=item["execution"],
            opened=item["opened"],
            signals=item["signals"],
            sources=frozenset(item["sources"]),
            ringing=frozenset(item.get("ringing", ())),
            quiet_at=item.get("quiet_at"),
            hurries=bool(item.get("hurries")),
        )

    def open(self, incident: Incident, instead_of: Incident | None) -> bool:
        """Write the incident; False when another one was opened meanwhile."""
        item = {
            "execution": incident.execution,
            "opened": incident.opened.isoformat(),
            "signals": incident.signals,
            "sources": set(incident.sources),
            "ringing": set(incident.ringing),
            "hurries": int(incident.hurries),
            "ttl": int((incident.opened + KEPT).timestamp()),
        }
        seen = _by(instead_of.execution) if instead_of else NEW
        return self._table.put(f"incident#{incident.instance}", ONE, item, seen)

    def ring(self, incident: Incident, source: str) -> bool:
        """Tell it of a further signal; a source that had taken its word back rings again. False when it is another."""
        change = "ADD sources :one, ringing :one, signals :more REMOVE quiet_at"
        pk, values = f"incident#{incident.instance}", {":one": {source}, ":more": 1}
        return self._table.set(pk, change, values, only_if=_by(incident.execution))

    def quiet(self, instance: str, source: str, at: datetime) -> bool:
        """Tell it that a source has taken its word back; False where that source never spoke of the instance."""
        change, values = "DELETE ringing :one SET quiet_at = :at", {":one": {source}, ":at": at.isoformat()}
        spoke = Condition("contains(sources, :source)", {":source": source})
        return self._table.set(f"incident#{instance}", change, values, only_if=spoke)


def _by(execution: str) -> Condition:
    return Condition("execution = :seen", {":seen": execution})
