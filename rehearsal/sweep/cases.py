"""What can go wrong in a story, listed from a run in which nothing did: the wire's record, and the states entered.

A case is one moment of a scenario, so that each can be written down as a scenario file and rehearsed again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rehearsal.report import ExecutionResult
from rehearsal.wire import OUTSIDE
from rehearsal.wire.faults import ENDS

Json = dict[str, Any]
Call = Mapping[str, Any]
"""A line of the wire's record."""

CALL_FAULTS: Final = ("throttle", "error_5xx", "reset_before", "reset_after", "slow", "access_denied")
SLOW_SECONDS: Final = 21.0
"""The functions wait 20 for an answer; real ones, since the timeouts of an SDK are real."""
CHILDREN: Final = ("replace_node", "smoke_node", "share_node", "update_managed_group")
"""Only another execution starts these; nobody outside has their event."""
AGAIN_SECONDS: Final = 60.0
LATE_SECONDS: Final = 1860.0
"""Two rounds of `reconcile` have put back what the execution had changed."""
SERVICES: Final = ("states", "eventbridge")
"""Callers that are AWS itself: they have no process to end, and no timeout of ours."""


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong."""

    fault: str
    """Under which it is counted."""
    moment: Json

    @property
    def later(self) -> float:
        """Seconds after which it still has something to do."""
        return float(self.moment.get("interrupt", {}).get("redriven", 0.0))

    @property
    def name(self) -> str:
        """For its scenario: what fails, where, and the how-manieth time."""
        about = self.moment.get("fault") or self.moment["interrupt"]
        words = (about.get(key) for key in ("caller", "machine", "service", "action", "state", "nth"))
        text = "-".join([self.fault, *(str(word) for word in words if word)])
        return "".join(letter if letter.isalnum() else "-" for letter in text.lower())[:60].strip("-")


def cases_of(calls: Sequence[Call], executions: Iterable[ExecutionResult]) -> list[Case]:
    """Everything that can fail in this run, in the order in which it happened."""
    ours = [call for call in calls if call["caller"] != OUTSIDE]
    return [*_of_calls(ours), *_of_invocations(ours), *_of_states(executions)]


def _of_calls(calls: Iterable[Call]) -> Iterator[Case]:
    for call, nth in _numbered(call for call in calls if call["service"] != "lambda"):
        for kind in CALL_FAULTS:
            if kind == "slow" and call["caller"] in SERVICES:
                continue
            more = {"seconds": SLOW_SECONDS} if kind == "slow" else {}
            yield Case(kind, _struck(kind, call, nth, **more))


def _of_invocations(calls: Iterable[Call]) -> Iterator[Case]:
    """Each invocation is run twice, and ended at the call in its middle."""
    made: defaultdict[str, list[list[tuple[Call, int]]]] = defaultdict(list)
    for call, nth in _numbered(calls):
        if (call["service"], call["action"]) == ("lambda", "Invoke"):
            made[function_of(call)].append([])
        elif made.get(call["caller"]):
            made[call["caller"]][-1].append((call, nth))
    for function, invocations in made.items():
        for number, within in enumerate(invocations, 1):
            yield Case("twice", _struck("twice", {"caller": function, "service": "lambda", "action": "Invoke"}, number))
            for kind in ENDS if within else ():
                yield Case(kind, _struck(kind, *within[len(within) // 2]))


def _of_states(executions: Iterable[ExecutionResult]) -> Iterator[Case]:
    entered = Counter[tuple[str, str]]()
    for _, machine, state in sorted((at, run.machine, state) for run in executions for at, state in run.states):
        entered[machine, state] += 1
        again = {} if machine in CHILDREN else {"again": AGAIN_SECONDS}
        what = {"machine": machine, "state": state, "nth": entered[machine, state]}
        yield Case("aborted", {"at": 0, "interrupt": {**what, **again}})
        yield Case("redriven", {"at": 0, "interrupt": {**what, "redriven": AGAIN_SECONDS}})
        yield Case("redriven_late", {"at": 0, "interrupt": {**what, "redriven": LATE_SECONDS}})


def function_of(call: Call) -> str:
    """The name of the function that an Invoke is about."""
    return str(call["resource"]).rpartition(":function:")[2].partition(":")[0]


def _struck(kind: str, call: Call, nth: int, **more: float) -> Json:
    where = {key: call[key] for key in ("caller", "service", "action")}
    return {"at": 0, "fault": {"kind": kind, **where, "nth": nth, **more}}


def _numbered(calls: Iterable[Call]) -> Iterator[tuple[Call, int]]:
    """Each call with its number among those of its caller, service and action, as a fault's `nth` counts."""
    seen = Counter[tuple[str, str, str]]()
    for call in calls:
        key = call["caller"], call["service"], call["action"]
        seen[key] += 1
        yield call, seen[key]
