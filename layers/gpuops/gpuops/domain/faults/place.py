"""Where something is that a signal spoke of."""

from typing import NamedTuple


class Place(NamedTuple):
    """An instance, its node's name, and its Auto Scaling group; empty where it is in none."""

    instance: str
    node: str
    group: str
