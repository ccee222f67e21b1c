"""The door into every function: what it parses, what it writes down, what leaves it.

Covers: an answer and its journal line; a run before and after the plan; a field that does not fit; a time without a
zone; an error of ours, a bug, and a journal that fails beside either; the function's name on Lambda.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.entry import entry

NOW = "2026-11-02T08:00:00Z"


class Ask(BaseModel):
    """A request."""

    node: str
    fail: str | None = None


class Records(BaseModel):
    """A batch from SQS."""

    Records: list[Any]


class Said(BaseModel):
    """An answer."""

    status: str = "done"
    reason: str = "because"


class Lines:
    """A journal in memory; it may be out of order."""

    def __init__(self, *, broken: bool = False) -> None:
        self.lines: list[tuple[str, Mapping[str, Any]]] = []
        self.broken = broken

    def write_journal(self, run_id: str, line: Mapping[str, Any]) -> None:
        """Keep it."""
        if self.broken:
            raise Unavailable("table")
        self.lines.append((run_id, line))


def door(journal: Lines) -> Any:
    """A function that answers, refuses, or has a bug."""

    @entry(Ask, journal=lambda: journal)
    def handler(request: Ask, now: datetime) -> Said:
        if request.fail == "refused":
            raise Refused("no capacity")
        if request.fail == "bug":
            raise KeyError("x")
        return Said(reason=f"{request.node} at {now:%H:%M}")

    return handler


@pytest.fixture(autouse=True)
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CloudFormation names a function."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "gpuops-DrainNodeFunction-1A2B3C")


def test_an_answer_is_returned_and_written_down() -> None:
    """The line names function, subject, status and reason; before the plan the execution is the run."""
    journal = Lines()

    answer = door(journal)({"node": "n1", "now": NOW, "execution": {"name": "e1"}}, None)

    assert answer == {"status": "done", "reason": "n1 at 08:00"}
    ((run, line),) = journal.lines
    assert (run, line["function"], line["subject"]) == ("e1", "drain_node", "n1")
    assert (line["status"], line["reason"]) == ("done", "n1 at 08:00")


def test_a_word_about_a_run_is_written_to_its_journal() -> None:
    """Whoever steers it has nothing but its name."""
    journal = Lines()

    door(journal)({"node": "n1", "now": NOW, "run": "roll-1"}, None)

    assert [run for run, _ in journal.lines] == ["roll-1"]


def test_a_retry_is_journalled_with_its_number() -> None:
    """Its time is that of the first call; a payload made by hand has none."""
    journal = Lines()
    for more in ({}, {"attempt": 2}, {"attempt": "x"}):
        door(journal)({"node": "n1", "now": NOW, "run": {"id": "r1"}, **more}, None)

    assert [line["attempt"] for _, line in journal.lines] == [0, 2, 0]


def test_a_batch_bears_its_newest_messages_time() -> None:
    """Lambda's own event has no `now`, and nobody else may read the clock."""

    @entry(Records, journal=Lines)
    def handler(request: Records, now: datetime) -> Said:
        return Said(reason=f"{len(request.Records)} at {now.isoformat()}")

    stamps = ["1795428000123", "1795428060000", None]
    records = [{"attributes": {"SentTimestamp": stamp}} for stamp in stamps]

    assert handler({"Records": records}, None)["reason"] == "3 at 2026-11-23T10:01:00+00:00"


def test_without_a_run_nothing_is_journalled() -> None:
    """A tick of a schedule belongs to no run."""
    journal = Lines()
    door(journal)({"node": "n1", "now": NOW}, None)
    assert journal.lines == []


def test_a_field_that_does_not_fit_is_named_and_journalled() -> None:
    """The operator reads which field of which function's input."""
    journal = Lines()
    with pytest.raises(Invalid, match="drain_node: node: Field required"):
        door(journal)({"now": NOW, "run": {"id": "r1"}}, None)
    assert journal.lines[0][1]["error"] == "Invalid"


@pytest.mark.parametrize("now", ["yesterday", "2026-11-02T08:00:00", 7])
def test_a_time_that_is_none_is_refused(now: object) -> None:
    """A time without a zone would be read as somebody's local one."""
    with pytest.raises(Invalid, match="now: "):
        door(Lines())({"node": "n1", "now": now}, None)


@pytest.mark.parametrize(("fail", "error"), [("refused", Refused), ("bug", KeyError)])
@pytest.mark.parametrize("broken", [False, True])
def test_a_failure_leaves_with_its_own_name(fail: str, error: type[Exception], *, broken: bool) -> None:
    """Even when the journal cannot be written: the reason matters more."""
    journal = Lines(broken=broken)
    with pytest.raises(error):
        door(journal)({"node": "n1", "fail": fail, "now": NOW, "run": {"id": "r1"}}, None)
    assert [line["error"] for _, line in journal.lines] == ([] if broken else [error.__name__])


def test_an_answer_that_cannot_be_journalled_is_asked_for_again() -> None:
    """Every act is in the journal: the retry acts on goals, so it does no harm."""
    with pytest.raises(Unavailable):
        door(Lines(broken=True))({"node": "n1", "now": NOW, "run": {"id": "r1"}}, None)
