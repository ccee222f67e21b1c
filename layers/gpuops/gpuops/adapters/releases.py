"""What the table remembers of AMI releases, by group: what was seen when, and what the group was told last."""

import os
from datetime import datetime, timedelta
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import NEW, ONE, Condition, Table
from gpuops.domain.faults.regression import Rolled
from gpuops.domain.rotation.release import Condemned, SeenRelease, Told
from gpuops.domain.rotation.target import Target

TOLD = "told"
"""Sort key beside those of a group's releases, which are image ids."""
CONDEMNED = "condemned#"
"""Prefix of the sort key that says of an image that it proved to be bad."""

KEPT = timedelta(days=31)
"""Longer than a policy may look back at a roll."""


class Releases:
    """The releases of all groups. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def see(self, group: str, target: Target, now: datetime) -> SeenRelease:
        """Remember the release unless it is known, and return what is remembered."""
        first = SeenRelease(target=target, seen=now)
        self._table.put(f"release#{group}", target.ami, {"body": first.model_dump_json()}, NEW)
        return self.seen(group, target.ami) or first

    def seen(self, group: str, ami: str) -> SeenRelease | None:
        """Return what is remembered of the release, or None when it was never seen."""
        item = self._table.get(f"release#{group}", ami)
        return SeenRelease.model_validate_json(item["body"]) if item else None

    def of(self, group: str) -> tuple[list[SeenRelease], Told | None]:
        """Return everything that is remembered of the group's releases, and what it was told last, by one query."""
        items = {str(item["sk"]): item["body"] for item in self._table.query(f"release#{group}")}
        told = items.pop(TOLD, None)
        seen = (body for key, body in items.items() if not key.startswith(CONDEMNED))
        releases = [SeenRelease.model_validate_json(body) for body in seen]
        return releases, Told.model_validate_json(told) if told else None

    def keep(self, group: str, release: SeenRelease) -> None:
        """Remember how a release stands now."""
        self._table.put(f"release#{group}", release.target.ami, {"body": release.model_dump_json()})

    def told(self, group: str) -> Told | None:
        """Return what the group was told last, or None."""
        item = self._table.get(f"release#{group}", TOLD)
        return Told.model_validate_json(item["body"]) if item else None

    def tell(self, group: str, told: Told) -> None:
        """Note that a release's event has gone out."""
        self._table.put(f"release#{group}", TOLD, {"body": told.model_dump_json()})

    def condemned(self, group: str, ami: str) -> Condemned | None:
        """Return why the image is held to be bad in the group, or None."""
        item = self._table.get(f"release#{group}", CONDEMNED + ami)
        return Condemned.model_validate_json(item["body"]) if item else None

    def condemn(self, group: str, verdict: Condemned) -> None:
        """Remember that the image proved to be bad in the group; the newest verdict stays."""
        self._table.put(f"release#{group}", CONDEMNED + verdict.target.ami, {"body": verdict.model_dump_json()})

    def pardon(self, group: str, ami: str) -> bool:
        """Forget that, because a person has ordered the image by name; False when nothing was known."""
        return self._table.delete(f"release#{group}", CONDEMNED + ami)

    # The last roll of a group, for the hours in which faults may be its doing.

    def keep_roll(self, group: str, rolled: Rolled) -> None:
        """Remember a roll that has ended, instead of the one before. Repeating does no harm, right after its end."""
        item = {"body": rolled.model_dump_json(exclude={"faulty"}), "run": rolled.run}
        self._table.put(f"rolled#{group}", ONE, {**item, "ttl": int((rolled.at + KEPT).timestamp())})

    def last_roll(self, group: str) -> Rolled | None:
        """Return it with the nodes that fell ill since, or None."""
        item = self._table.get(f"rolled#{group}")
        if item is None:
            return None
        return Rolled.model_validate_json(item["body"]).model_copy(update={"faulty": frozenset(item.get("ill", ()))})

    def fell_ill(self, group: str, rolled: Rolled, instance: str) -> Rolled:
        """Count the instance and return the roll with all that were; one that was counted before changes nothing."""
        same = Condition("run = :run", {":run": rolled.run})
        self._table.set(f"rolled#{group}", "ADD ill :ill", {":ill": {instance}}, only_if=same)
        return self.last_roll(group) or rolled

    def tell_regression(self, group: str, rolled: Rolled, now: datetime) -> bool:
        """Note that people hear of it; False where they did before."""
        first = Condition("run = :run AND attribute_not_exists(told)", {":run": rolled.run})
        return self._table.set(f"rolled#{group}", "SET told = :now", {":now": now.isoformat()}, only_if=first)
