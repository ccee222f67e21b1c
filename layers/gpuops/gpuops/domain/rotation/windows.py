"""When a group's windows are open, in real time: weekly wall-clock times, whatever the clocks of their zone do.

A window opens at the first instant at which the wall clock shows `from` or later, and closes at the last one at which
it comes to `to`. So where clocks are put forward over `from` it opens as they are, one that lies in the gap altogether
does not open, and in the night in which they are put back it may be an hour longer, and opens once.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gpuops.domain.policy.window import DAYS, Window

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
HORIZON = 15
"""Days in which a window opens, even if clocks once jump over it, as over a whole day in Samoa in 2011."""

Span = tuple[datetime, datetime]


def next_opening(windows: Sequence[Window], zone: str, now: datetime) -> datetime:
    """Return when one is open again: now, if one is, or if there is none at all."""
    spans = _spans(windows, zone, now)
    if not spans or any(opens <= now < closes for opens, closes in spans):
        return now
    return min(opens for opens, _ in spans if opens > now)


def closes_at(windows: Sequence[Window], zone: str, opening: datetime) -> datetime | None:
    """Return when those that are open then have closed, each that opens before the last one closes included.

    None where none closes within a fortnight, as without any.
    """
    end, spans = opening, sorted(_spans(windows, zone, opening))
    for opens, closes in spans:
        if opens <= end < closes:
            end = closes
    return end if spans and end < spans[-1][0] else None


def wall_clock(zone: str, at: datetime) -> str:
    """Return a time as people in the zone write it."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"


def _spans(windows: Sequence[Window], zone: str, now: datetime) -> list[Span]:
    """Every time from opening to closing that may matter now, in UTC."""
    return [span for window in windows for span in _of(window, ZoneInfo(zone), now)]


def _of(window: Window, zone: ZoneInfo, now: datetime) -> Iterator[Span]:
    """One window's; it began yesterday at the earliest, or the day before, where a day is missing in between."""
    today = now.astimezone(zone).date()
    starts, ends = time.fromisoformat(window.from_), time.fromisoformat(window.to)
    for date in (today + number * DAY for number in range(-2, HORIZON)):
        if DAYS[date.weekday()] not in window.days:
            continue
        opens = _instant(zone, datetime.combine(date, starts), last=False)
        until = date if starts < ends else date + DAY
        closes = _instant(zone, datetime.combine(until, ends), last=True)
        if opens < closes:
            yield opens, closes


def _instant(zone: ZoneInfo, wall: datetime, *, last: bool) -> datetime:
    """Return when the wall clock shows this: the first or the last time; if never, when it jumps past it."""
    instant = wall.replace(tzinfo=zone, fold=int(last)).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    before, after = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    while after - before > SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
