"""Where in a story each call stands: on whose behalf it is made, in which state, and what its function did before it.

Two calls with one way are the same step of the same function, gone again: for another instance, in the next round of a
poll, or in another story. What differs between them, names and numbers, is taken out of the way.
"""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rehearsal.report import ExecutionResult

Call = Mapping[str, Any]
"""A line of the wire's record; its `at` in seconds since the story's start."""
Way = tuple[Hashable, ...]
INVOKE: Final = ("lambda", "Invoke")
_ID = re.compile(r"(?=[0-9a-f]*[0-9])[0-9a-f]{4,}|[0-9]+")
_SUFFIX = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}(?![a-z0-9])")
"""With these letters the apiserver makes names unique."""
_LOGICAL = re.compile(r"gpuops-(\w+?)(?:Function|Role)-[0-9A-F]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_INSTANT = 0.001


@dataclass(frozen=True)
class Entry:
    """One state that an execution entered, among those before and after it."""

    at: float
    machine: str
    state: str
    way: Way
    passing: bool
    """Within the same instant the execution went on or ended: it cannot be stopped here."""


@dataclass(frozen=True)
class Placed:
    """One call of the record in its place."""

    call: Call
    order: int
    """In the record."""
    nth: int
    """Among those of its caller, service and action, as a fault's `nth` counts."""
    way: Way
    invocation: int | None
    """The order of the Invoke that it belongs to; None of a call that AWS itself makes."""


def entries_of(executions: Iterable[ExecutionResult]) -> list[Entry]:
    """Every state that was entered, in the order of time."""
    return sorted((entry for run in executions for entry in _of_one(run)), key=lambda entry: (entry.at, entry.machine))


def _of_one(run: ExecutionResult) -> Iterator[Entry]:
    after = [*run.states[1:], (run.ended, None)]
    before = [None, *(state for _, state in run.states)]
    for (at, state), previous, (left, following) in zip(run.states, before, after, strict=False):
        way = ("state", run.machine, previous, state, following)
        yield Entry(at, run.machine, state, way, passing=left == at)


def placed(
    calls: Sequence[Call], entries: Sequence[Entry], decided: Mapping[tuple[str, float], str]
) -> Iterator[Placed]:
    """Each call with its way; `decided` is what a function's journal says at a time."""
    where, seen = _States(entries), Counter[tuple[str, ...]]()
    under_way: dict[str, tuple[int, Way]] = {}
    for number, call in enumerate(calls):
        caller, kind = str(call["caller"]), (str(call["service"]), str(call["action"]))
        seen[caller, *kind] += 1
        step = (*kind, _plain(call["resource"]), call["status"], tuple(map(_plain, call["keys"])))
        machine = logical(str(call["role"]))
        if kind == INVOKE:
            function = logical(function_of(call))
            came = decided.get((snake(function), call["at"]), "")
            under_way[function_of(call)] = number, (function, machine, where.at(snake(machine), call["at"]), came)
        invocation, way = under_way.get(caller, (None, (caller, machine, where.at(snake(machine), call["at"]))))
        if invocation is not None:
            under_way[caller] = invocation, (*way, step)
        yield Placed(call, number, seen[caller, *kind], (*way, step), invocation)


class _States:
    """Which state of a machine was entered last."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entered: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._entered[entry.machine].append(entry)

    def at(self, machine: str, at: float) -> str | None:
        entered = self._entered[machine]
        index = bisect_right(entered, at + _INSTANT, key=lambda entry: entry.at)
        return entered[index - 1].state if index else None


def function_of(call: Call) -> str:
    """The name of the function that an Invoke is about."""
    return str(call["resource"]).rpartition(":function:")[2].partition(":")[0]


def logical(name: str) -> str:
    """What the template calls a function or the owner of a role: `PlanRotation`; any other name as it is."""
    found = _LOGICAL.search(name)
    return found[1] if found else name


def snake(name: str) -> str:
    """`plan_rotation`: the name of its folder, or of its definition's file."""
    return _HUMP.sub("_", name).lower()


def _plain(text: str) -> str:
    """Without what names one instance, node, pod, run or item."""
    return _SUFFIX.sub("-*", _ID.sub("*", text))
