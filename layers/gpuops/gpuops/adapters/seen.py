"""What the detector saw when it last looked at a cluster: `seen#<cluster>`, the marks of what is wrong.

One item for a cluster, since little is wrong at one time: a node or a GPU that is well leaves nothing in it.
"""

import json
import os
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import ONE, Table


class Seen:
    """Reads and writes marks. Raises: Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def read(self, cluster: str) -> frozenset[str] | None:
        """Return the marks, or None where nobody has looked yet."""
        item = self._table.get(f"seen#{cluster}")
        return frozenset(json.loads(item["body"])) if item else None

    def write(self, cluster: str, marks: frozenset[str]) -> None:
        """Keep them; of two looks at once either is as good, since what is told twice is one."""
        self._table.put(f"seen#{cluster}", ONE, {"body": json.dumps(sorted(marks))})
