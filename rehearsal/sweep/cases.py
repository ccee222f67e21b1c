"""What can go wrong in a story, listed from a run in which nothing did: the wire's record, and the states entered.

A case is one moment of a scenario, so that each can be written down as a scenario file and rehearsed again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rehearsal.report import ExecutionResult
from rehearsal.sweep.ways import INVOKE, Call, Entry, Placed, Way, entries_of, function_of, logical, placed
from rehearsal.wire import OUTSIDE
from rehearsal.wire.faults import ENDS

Json = dict[str, Any]

CALL_FAULTS: Final = ("throttle", "error_5xx", "reset_before", "reset_after", "unanswered", "slow", "access_denied")
SLOW_SECONDS: Final = 21.0
"""The functions wait 20 for an answer; real ones, since the timeouts of an SDK are real."""
MORE: Final[Mapping[str, Json]] = {
    "throttle": {"persists": True},
    "error_5xx": {"persists": True},
    "reset_before": {"persists": True},
    "unanswered": {"kind": "reset_after", "persists": True},
    "slow": {"seconds": SLOW_SECONDS},
}
"""Of a call that is carried out although its answer is lost, both: that the SDK's own next try finds it done, and that
none of its tries is answered."""
CHILDREN: Final = ("replace_node", "smoke_node", "share_node", "update_managed_group")
"""Only another execution starts these; nobody outside has their event."""
AGAIN_SECONDS: Final = 60.0
LATE_SECONDS: Final = 1860.0
"""Two rounds of `reconcile` have put back what the execution had changed."""
SERVICES: Final = ("states", "eventbridge")
"""Callers that are AWS itself: no process to end, no timeout of ours, and no SDK that tries again."""
ENDS_A_RUN: Final = "executions"
"""Whom a fault strikes that no retry mends: two in one run would take a round of `reconcile` more than one."""
READS: Final = ("Get", "Describe", "List", "Query", "Scan", "BatchGet", "get ", "list ")


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong."""

    fault: str
    """Under which it is counted."""
    moment: Json
    way: Way = ()
    """What it has in common with others: where in its story it strikes."""
    operation: tuple[str, ...] = ()
    """Function, service and action of the call of a function that it strikes."""
    told: bool = False
    """Another case makes the same run."""

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing."""
        return bool(self.operation) and self.operation[-1].startswith(READS)

    @property
    def whom(self) -> str:
        """Whom it strikes: a function, AWS itself as a caller, or executions that it may end."""
        if self.fault == "access_denied" or "fault" not in self.moment:
            return ENDS_A_RUN
        return str(self.moment["fault"]["caller"])

    @property
    def later(self) -> float:
        """Seconds after which it still has something to do."""
        return float(self.moment.get("interrupt", {}).get("redriven", 0.0))

    @property
    def name(self) -> str:
        """For its scenario: what fails, the how-manieth time, and where; a long one is cut."""
        about = self.moment.get("fault") or self.moment["interrupt"]
        words = (about.get(key) for key in ("nth", "caller", "machine", "service", "action", "state"))
        return slug("-".join([self.fault, *(logical(str(word)) for word in words if word)]))


def slug(text: str) -> str:
    """As the name of a scenario may be."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text.lower())[:60].strip("-")


def cases_of(
    calls: Sequence[Call],
    executions: Iterable[ExecutionResult],
    decided: Mapping[tuple[str, float], str] | None = None,
) -> list[Case]:
    """Everything that can fail in this run, in the order in which it happened."""
    entries = entries_of(executions)
    ours = list(placed([call for call in calls if call["caller"] != OUTSIDE], entries, decided or {}))
    return [*_of_calls(ours), *_of_invocations(ours), *_of_states(entries)]


def _of_calls(calls: Iterable[Placed]) -> Iterator[Case]:
    for one in calls:
        caller, service, action = (str(one.call[key]) for key in ("caller", "service", "action"))
        if service == "lambda":
            continue
        operation = () if caller in SERVICES else (logical(caller), service, action)
        for kind in CALL_FAULTS:
            if kind not in ("slow", "unanswered") or (operation and (kind, service) != ("unanswered", "kube")):
                case = Case(kind, _struck(kind, one.call, one.nth), one.way, operation)
                yield replace(case, told=case.reads and kind in ("reset_after", "unanswered"))


def _of_invocations(calls: Iterable[Placed]) -> Iterator[Case]:
    """Each invocation is run twice, and ended at the call in its middle."""
    within: defaultdict[int, list[Placed]] = defaultdict(list)
    invoked, number = dict[int, tuple[str, int, Way]](), Counter[str]()
    for one in calls:
        if one.invocation is not None:
            within[one.invocation].append(one)
        elif (one.call["service"], one.call["action"]) == INVOKE:
            function = function_of(one.call)
            number[function] += 1
            invoked[one.order] = function, number[function], one.way
    for order, (function, nth, way) in invoked.items():
        made = within[order]
        gone = made[-1].way if made else way
        call = {"caller": function, "service": INVOKE[0], "action": INVOKE[1]}
        yield Case("twice", _struck("twice", call, nth), gone)
        for kind in ENDS if made else ():
            middle = made[len(made) // 2]
            yield Case(kind, _struck(kind, middle.call, middle.nth), gone)


def _of_states(entries: Sequence[Entry]) -> Iterator[Case]:
    entered = Counter[tuple[str, str]]()
    for entry in entries:
        entered[entry.machine, entry.state] += 1
        again = {} if entry.machine in CHILDREN else {"again": AGAIN_SECONDS}
        what = {"machine": entry.machine, "state": entry.state, "nth": entered[entry.machine, entry.state]}
        more = {"aborted": again, "redriven": {"redriven": AGAIN_SECONDS}, "redriven_late": {"redriven": LATE_SECONDS}}
        for fault, then in more.items():
            yield Case(fault, {"at": 0, "interrupt": {**what, **then}}, entry.way, told=entry.passing)


def _struck(kind: str, call: Call, nth: int) -> Json:
    where = {key: call[key] for key in ("caller", "service", "action")}
    return {"at": 0, "fault": {"kind": kind, **where, "nth": nth, **MORE.get(kind, {})}}
