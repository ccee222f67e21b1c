"""The functions Step Functions adds to JSONata, and those whose answer must come from the clock and the seed."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions

from rehearsal.engine.bindings import bound

_LCG = (9301, 49297, 233280)


def _partition(items: Any, size: int) -> list[Any]:
    listed = items if isinstance(items, list) else [items]
    return [list(listed[start : start + int(size)]) for start in range(0, len(listed), int(size))]


def _range(first: int, last: int, step: int) -> list[int]:
    return list(range(int(first), int(last) + (1 if step > 0 else -1), int(step)))


def _hash(value: str, algorithm: str = "SHA-256") -> str:
    return hashlib.new(algorithm.replace("-", "").lower(), str(value).encode(), usedforsecurity=False).hexdigest()


def _random(seed: float | None = None) -> float:
    """A seeded one answers the same each time, as moto's does."""
    if seed is None:
        return bound().fraction()
    factor, summand, modulus = _LCG
    return (seed * factor + summand) % modulus / modulus


def _uuid() -> str:
    return bound().uuid()


def _now(picture: str | None = None, timezone: str | None = None) -> Any:
    return Functions.datetime_from_millis(_millis(), picture, timezone)


def _millis() -> int:
    return int(bound().clock.now() * 1000)


def _eval(*_: Any) -> Any:
    raise ValueError("Step Functions does not support $eval; use $parse")


_NAMED: dict[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": _uuid,
    "parse": json.loads,
    "now": _now,
    "millis": _millis,
    "eval": _eval,
}
FUNCTIONS = {name: Jsonata.JLambda(function) for name, function in _NAMED.items()}
