"""Which run brings a cluster's nodes to their configurations: the newest, for it has the newest policy.

One item per cluster. Nobody waits for a holder, so that a dead one blocks nothing; who was relieved reads it there.
"""

import os
from datetime import datetime
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import ONE, Condition, Table
from gpuops.domain.slicing.turn import Turn


class Turns:
    """The turns of all clusters. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def read(self, cluster: str) -> Turn | None:
        """Return whose turn it is, or was last."""
        item = self._table.get(f"turn#{cluster}")
        if item is None:
            return None
        started = datetime.fromisoformat(item["started"]) if "started" in item else None
        at = datetime.fromisoformat(item["at"])
        return Turn(holder=item["holder"], policy=item["policy"], at=at, started=started)

    def write(self, cluster: str, turn: Turn, *, relieve: bool) -> bool:
        """Write where the holder stands; False, unless it relieves whoever it finds, when another one has the turn."""
        item = {"holder": turn.holder, "policy": turn.policy, "at": turn.at.isoformat()}
        if turn.started is not None:
            item["started"] = turn.started.isoformat()
        mine = Condition("attribute_not_exists(pk) OR holder = :me", {":me": turn.holder})
        return self._table.put(f"turn#{cluster}", ONE, item, None if relieve else mine)
