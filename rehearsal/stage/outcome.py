"""Compares what became of a scenario with what it expected.

What the observer forbids is not this module's business: it holds in every scenario, and nobody has to ask for it.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from rehearsal.observer import Observed
from rehearsal.scenario import Expect, ExpectedExecution
from rehearsal.stage.records import RUNNING, Record
from rehearsal.wire import OUTSIDE, read_record

CREATED = 201
"""What the apiserver says to an eviction that is done."""
ESCALATION = ("gpuops", "GPU Escalation")
"""Source and detail-type of the event by which the product calls a person."""


def has_ended(expect: Expect, records: Sequence[Record]) -> bool:
    """Whether as many executions as are expected have ended, well or badly, and nothing runs any more."""
    wanted = Counter[str]()
    for expected in expect.executions:
        wanted[expected.machine] += 1 if expected.count is None else expected.count
    ended = Counter(record.machine for record in records if record.status != RUNNING and not record.ignored)
    return bool(wanted) and wanted <= ended and all(record.status != RUNNING for record in records)


def unmet(
    expect: Expect, records: Sequence[Record], observed: Observed, finished: Collection[str], start: float = 0
) -> Iterator[str]:
    """Say what the scenario expected and did not get; `finished` are the Jobs that ended by themselves."""
    records = [record for record in records if not record.ignored]
    for expected in expect.executions:
        fitting = sum(_fits(expected, record, start) for record in records)
        if fitting != expected.count if expected.count is not None else not fitting:
            found = [_told(record) for record in records if record.machine == expected.machine]
            yield f"{_asked(expected)}; there were: {', '.join(found) or 'none'}"
    for what in ("nodes_replaced", "evictions", "most_closed", "asked_to_checkpoint", "volumes_moved"):
        wanted, seen = getattr(expect, what), getattr(observed, what)
        if wanted not in {None, seen}:
            yield f"{what.replace('_', ' ')}: {wanted}; the observer saw {seen}"
    if observed.evictions_refused < expect.evictions_refused:
        yield f"at least {expect.evictions_refused} evictions refused; the observer saw {observed.evictions_refused}"
    for name in expect.jobs_finished:
        if name not in finished:
            yield f"job {name} finished on its own"
    yield from observed.unmet


def unheard(expect: Expect, heard: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Say when the bus did not carry as many escalations as are expected; `heard` are sources and detail-types."""
    calls = list(heard).count(ESCALATION)
    if expect.escalations not in {None, calls}:
        yield f"escalations: {expect.escalations}; the bus carried {calls}"


def unsaid(expect: Expect, said: Sequence[str]) -> Iterator[str]:
    """Say which messages to people were not published, or too often."""
    for wanted in expect.messages:
        count = sum(all(text in message for text in wanted.contains) for message in said)
        if count != wanted.count:
            texts = ", ".join(map(repr, wanted.contains))
            yield f"{wanted.count} messages with {texts}; there were {count}, of: {' | '.join(said) or 'none'}"


def uncounted(expect: Expect, count: Callable[[str], int]) -> Iterator[str]:
    """Say which queues hold more or fewer messages than expected."""
    for queue, wanted in expect.queues.items():
        if (found := count(queue)) != wanted:
            yield f"messages in {queue}: {wanted}; there are {found}"


def too_fast(expect: Expect, wire: Path) -> Iterator[str]:
    """Say which calls were more frequent within one simulated second than is allowed."""
    if not expect.peak_calls:
        return
    seconds = Counter[tuple[str, int]]()
    for call in read_record(wire):
        if call["caller"] != OUTSIDE:
            seconds[f"{call['service']}:{call['action']}", int(call["at"])] += 1
    for action, most in expect.peak_calls.items():
        peak = max((count for (name, _), count in seconds.items() if name == action), default=0)
        if peak > most:
            yield f"at most {most} {action} in a second; there were {peak}"
        if not peak:
            yield f"a call of {action}, whose rate is limited; there was none"


def out_of_order(expect: Expect, wire: Path) -> Iterator[str]:
    """Say when pods were evicted in another order, or others, than expected."""
    if not expect.evicted:
        return
    done = [
        call for call in read_record(wire) if call["action"] == "create pods/eviction" and call["status"] == CREATED
    ]
    pods = [call["resource"].split("/")[-2] for call in done]
    fits = len(pods) == len(expect.evicted) and all(map(_is_of, pods, expect.evicted))
    if not fits:
        yield f"evicted in this order: {', '.join(expect.evicted)}; there were: {', '.join(pods) or 'none'}"


def _is_of(pod: str, workload: str) -> bool:
    """Whether a controller of that name made the pod."""
    return re.fullmatch(rf"{re.escape(workload)}(-[a-z0-9]+){{1,2}}", pod) is not None


def _fits(expected: ExpectedExecution, record: Record, start: float) -> bool:
    same = (record.machine, record.status) == (expected.machine, expected.status)
    ended = (record.ended or start) - start
    if ended < expected.ended_after or (expected.ended_before is not None and ended > expected.ended_before):
        return False
    told = expected.cause in (record.cause or "") and expected.output in (record.output or "")
    return same and told and expected.error in {None, record.error}


def _asked(expected: ExpectedExecution) -> str:
    count = "some" if expected.count is None else expected.count
    because = expected.cause and f"because of {expected.cause!r}", expected.output and f"saying {expected.output!r}"
    after = f"after {expected.ended_after:g} s" if expected.ended_after else ""
    before = "" if expected.ended_before is None else f"before {expected.ended_before:g} s"
    why = " ".join(filter(None, (expected.error, *because, after, before)))
    return f"{count} {expected.machine} {expected.status}{f' ({why})' if why else ''}"


def _told(record: Record) -> str:
    return record.status if not record.error else f"{record.status} ({record.error}: {record.cause})"
