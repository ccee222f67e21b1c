"""What images were found to require, by digest: what a digest names never changes, so it is read once."""

import json
import os
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import Table


class ImageNotes:
    """Notes by digest and architecture, since a digest may name an index of both. Raises: as `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def read(self, digest: str, architecture: str) -> tuple[str, ...] | None:
        """Return what the image requires, or None where nobody has read it yet."""
        item = self._table.get(f"image#{digest}", architecture)
        return tuple(json.loads(item["body"])) if item else None

    def write(self, digest: str, architecture: str, requires: tuple[str, ...]) -> None:
        """Note what it requires."""
        self._table.put(f"image#{digest}", architecture, {"body": json.dumps(requires)})
