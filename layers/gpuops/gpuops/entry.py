"""The one door into every function: parse, decide, journal, answer.

It stands here once so that a handler is only its decision and its act, and so that nothing reaches the
outside of a function but an answer, one of the five errors, or a bug with its own name.
"""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from time import perf_counter
from typing import Any, Protocol, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from pydantic import BaseModel, ValidationError

from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, Unhealthy

Request = TypeVar("Request", bound=BaseModel)
Handler = Callable[[Request, datetime], BaseModel]
Answer = dict[str, Any]

PROOF = ("driver", "cuda", "product", "uuids", "evidence", "faulty")
"""What a smoke proved belongs in its line: of a child machine that fails, nothing but the reason comes back."""
EXPECTED = (Conflict, Invalid, Refused, Unavailable, Unhealthy)

NAMESPACE = "gpuops"
logger = Logger(service=NAMESPACE, utc=True)
metrics = Metrics(namespace=NAMESPACE, service=NAMESPACE)


class Journal(Protocol):
    """Where decisions and acts are written down, in the order in which they happened."""

    def write_journal(self, run_id: str, line: Mapping[str, Any]) -> None:
        """Append one line to the run's journal."""


def _stored_journal() -> Journal:
    """Return the journal in the table; imported late, so that a function without a run never loads it."""
    from gpuops.adapters.store import Store  # noqa: PLC0415 - see above

    return Store.from_env()


def entry(
    model: type[Request], *, journal: Callable[[], Journal] = _stored_journal
) -> Callable[[Handler[Request]], Callable[[Any, Any], Answer]]:
    """Turn a handler over a typed request into what Lambda calls.

    The event's `now` (ISO 8601, from the state machine) is the time of the decision; a batch from SQS bears its own.
    Only an invocation made by hand may leave it out: then, and only here, the clock is read.

    Raises: Invalid when the event does not fit `model`, naming each field; otherwise what the handler raises.
    """

    def decorate(handler: Handler[Request]) -> Callable[[Any, Any], Answer]:
        @wraps(handler)
        def invoke(event: Any, _context: Any) -> Answer:
            now, started = _time_of(event), perf_counter()
            line = _opened(event, now)
            try:
                answer = handler(_parse(model, event), now).model_dump(mode="json")
            except Exception as error:
                line |= {"error": type(error).__name__, "reason": str(error), "seconds": _since(started)}
                _tell_of_failure(line, _run_of(event), journal)
                raise
            line |= {"status": answer.get("status"), "reason": answer.get("reason"), "seconds": _since(started)}
            _tell(line | _about(answer, line["subject"]), _run_of(event), journal)
            return answer

        return invoke

    return decorate


def measure(name: str, value: float) -> None:
    """Write a metric of the whole fleet, under no function's name: the template's alarms watch such by name."""
    with single_metric(name, MetricUnit.Count, value, namespace=NAMESPACE) as metric:
        metric.add_dimension(name="service", value=NAMESPACE)


def _opened(event: Any, now: datetime) -> Answer:
    """Begin the line, and let every log line of this invocation carry the function and the run."""
    function = _function()
    logger.append_keys(function=function, run=_run_of(event))
    return {"at": now.isoformat(), "attempt": _attempt(event), "function": function, "subject": _subject(event)}


def _function() -> str:
    """Return `drain_node` for the function that CloudFormation calls gpuops-DrainNodeFunction-1A2B3C."""
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "by-hand")
    found = re.search(r"([A-Z][A-Za-z]+)Function", name)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", found[1]).lower() if found else name


def _since(started: float) -> float:
    return round(perf_counter() - started, 3)


def _tell(line: Answer, run_id: str | None, journal: Callable[[], Journal]) -> None:
    """Log the line, count it, and write it to the run's journal if there is a run."""
    logger.info("decided", extra={"decision": line})
    metrics.add_dimension(name="function", value=str(line["function"]))
    metrics.add_metric(name=str(line.get("error") or "Decided"), unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()
    if run_id is not None:
        journal().write_journal(run_id, line)


def _tell_of_failure(line: Answer, run_id: str | None, journal: Callable[[], Journal]) -> None:
    """The same, but a journal that cannot be written must not hide why the function failed."""
    try:
        _tell(line, run_id, journal)
    except EXPECTED:
        logger.exception("the journal could not be written")


def _time_of(event: Any) -> datetime:
    """Return the event's `now`, a batch's newest message's, or the time of day for an invocation made by hand."""
    given = event.get("now") if isinstance(event, dict) else None
    if given is None and (sent := _sent(event)):
        return sent
    if given is None:
        return datetime.now(UTC)  # noqa: TID251 - the one place that may read the clock
    try:
        now = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise Invalid(f"now: {given!r} is not an ISO 8601 time") from None
    if now.tzinfo is None:
        raise Invalid(f"now: {given!r} has no time zone")
    return now


def _sent(event: Any) -> datetime | None:
    """Return when the newest message of a batch from SQS was sent; None for anything else."""
    records = event.get("Records") if isinstance(event, dict) else None
    times = [_at(record, "attributes", "SentTimestamp") for record in records] if isinstance(records, list) else []
    known = [int(time) for time in times if isinstance(time, str) and time.isdecimal()]
    return datetime.fromtimestamp(max(known) / 1000, UTC) if known else None


def _parse(model: type[Request], event: Any) -> Request:
    """Validate the event, naming every field that does not fit."""
    try:
        return model.model_validate(event)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'event'}: {e['msg']}" for e in error.errors()[:5])
        raise Invalid(f"{_function()}: {faults}") from error


def _run_of(event: Any) -> str | None:
    """Return the name of the root execution: in `run` once a plan made one, before that in `execution`.

    Whoever steers a run has nothing but its name.
    """
    for path in (("run", "id"), ("execution", "name"), ("run",)):
        name = _at(event, *path)
        if isinstance(name, str):
            return name
    return None


def _attempt(event: Any) -> int:
    """Return how often the state machine has retried this call: all of them bear the time of the first."""
    given = event.get("attempt") if isinstance(event, dict) else None
    return given if isinstance(given, int) else 0


def _subject(event: Any) -> str | None:
    """Return the instance or node that a line is about, for the reader of the journal."""
    for path in (("instance",), ("find", "instance"), ("node",)):
        name = _at(event, *path)
        if isinstance(name, str):
            return name
    return None


def _about(answer: Answer, asked: str | None) -> Answer:
    """Whom the line is about where only the answer knows, and the slot that was asked for, if there was one."""
    proof = {key: answer[key] for key in PROOF if answer.get(key)}
    name = answer.get("instance")
    if not isinstance(name, str) or name == asked:
        return proof
    return proof | ({"subject": name, "slot": asked} if asked else {"subject": name})


def _at(event: Any, *path: str) -> Any:
    """Return what stands at the path of an event that has not been validated yet, or None."""
    for key in path:
        event = event.get(key) if isinstance(event, dict) else None
    return event
