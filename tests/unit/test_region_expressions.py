"""Schedule expressions.

Covered: rates from their start, cron fields with lists, ranges, steps, names and L, time zones with daylight saving,
at, and what EventBridge refuses.
"""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.region.expressions import next_after


def seconds(text: str) -> float:
    """An ISO time in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 10 * * ? *)", "2026-11-23T09:59", "2026-11-23T10:00"),
        ("cron(0 10 * * ? *)", "2026-11-23T10:00", "2026-11-24T10:00"),
        ("cron(0/15 * * * ? *)", "2026-11-23T10:01", "2026-11-23T10:15"),
        ("cron(5,35 8-10 * * ? *)", "2026-11-23T10:35", "2026-11-24T08:05"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-20T18:00", "2026-11-23T18:00"),
        ("cron(0 0 ? * 1 *)", "2026-11-23T00:00", "2026-11-29T00:00"),
        ("cron(0 0 L * ? *)", "2026-02-01T00:00", "2026-02-28T00:00"),
        ("cron(0 0 1 JAN,JUL ? 2027)", "2026-11-23T00:00", "2027-01-01T00:00"),
        ("at(2026-12-01T08:00:00)", "2026-11-23T00:00", "2026-12-01T08:00"),
    ],
)
def test_the_next_instant(expression: str, after: str, expected: str) -> None:
    """Always later than the last one."""
    assert next_after(expression, seconds(after), 0) == seconds(expected)


def test_a_schedule_that_is_over_has_no_next_instant() -> None:
    """An `at` in the past, a year that has gone."""
    assert next_after("at(2026-01-01T00:00:00)", seconds("2026-11-23T00:00"), 0) is None
    assert next_after("cron(0 0 1 1 ? 2020)", seconds("2026-11-23T00:00"), 0) is None


def test_cron_keeps_the_wall_clock_of_its_zone() -> None:
    """Nine in Berlin is eight UTC in winter and seven in summer."""
    expression = "cron(0 9 * * ? *)"
    assert next_after(expression, seconds("2026-03-28T09:00"), 0, "Europe/Berlin") == seconds("2026-03-29T07:00")
    assert next_after(expression, seconds("2026-03-27T09:00"), 0, "Europe/Berlin") == seconds("2026-03-28T08:00")


@given(
    number=st.integers(1, 500),
    unit=st.sampled_from(["minutes", "hours", "days"]),
    start=st.integers(0, 10**9),
    passed=st.integers(0, 10**9),
)
def test_a_rate_counts_from_its_start(number: int, unit: str, start: int, passed: int) -> None:
    """The next tick is a whole number of periods after the start, and at most one period away."""
    period = number * {"minutes": 60, "hours": 3600, "days": 86_400}[unit]
    due = next_after(f"rate({number} {unit})", start + passed, start)
    assert due is not None
    assert (due - start) % period == 0
    assert 0 < due - (start + passed) <= period


@pytest.mark.parametrize(
    "expression",
    ["rate(0 minutes)", "rate(5 parsecs)", "every day", "cron(0 10 * * *)", "cron(0 10 * * * *)", "cron(99 * * * ? *)"],
)
def test_what_eventbridge_refuses_is_refused(expression: str) -> None:
    """At creation, not at the first tick."""
    with pytest.raises(ValueError, match=r"not valid|cron"):
        next_after(expression, 0, 0)
