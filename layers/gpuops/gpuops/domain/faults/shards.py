"""Which nodes' exporters are asked at one look: so many, and each of them again after a stated time."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import NamedTuple

SCRAPES = 50
"""Exporters that one look asks: with eight at once and 20 ms each, well below a second."""


class Shard(NamedTuple):
    """The nodes of one look, and how many looks there are until each was asked once."""

    nodes: list[str]
    looks: int


def shard_of(nodes: Sequence[str], now: datetime, size: int = SCRAPES) -> Shard:
    """Return the nodes whose turn it is in this minute; every node has one in `looks` minutes."""
    looks = max(1, ceil(len(nodes) / size))
    minute = int(now.timestamp() // 60)
    return Shard(sorted(nodes)[minute % looks :: looks], looks)
