"""When a schedule is due next: `rate(...)`, `cron(...)` and `at(...)`, as EventBridge writes them.

Pure: time and time zone come in, time goes out. Cron has AWS's six fields (minutes hours day-of-month month
day-of-week year), with lists, ranges, steps, names, `?`, and of the specials `L` alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
HORIZON_DAYS = 366 * 5


def next_after(expression: str, after: float, start: float, zone: str = "UTC") -> float | None:
    """The first instant later than `after`, or None. A rate counts from `start`, when the schedule was made.

    Raises: ValueError for what EventBridge would refuse.
    """
    match = re.fullmatch(r"(rate|cron|at)\((.+)\)", expression.strip())
    if match is None:
        raise ValueError(f"Provided schedule expression {expression!r} is not valid")
    kind, text = match.groups()
    if kind == "rate":
        return _rate(text, after, start)
    if kind == "at":
        instant = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
        return instant if instant > after else None
    return _cron(text, after, ZoneInfo(zone))


def _rate(text: str, after: float, start: float) -> float:
    match = re.fullmatch(r"(\d+) (second|minute|hour|day)s?", text.strip())
    if match is None or int(match.group(1)) < 1:
        raise ValueError(f"Provided schedule expression 'rate({text})' is not valid")
    period = int(match.group(1)) * UNITS[match.group(2)]
    return start + (int((after - start) // period) + 1) * period


def _cron(text: str, after: float, zone: ZoneInfo) -> float | None:
    fields = text.split()
    if len(fields) != 6:  # noqa: PLR2004 - AWS's six
        raise ValueError(f"cron({text}) must have 6 fields")
    minutes, hours = sorted(_numbers(fields[0], 0, 59, [])), sorted(_numbers(fields[1], 0, 23, []))
    matches = _day(fields)
    local = dt.datetime.fromtimestamp(after, zone)
    for offset in range(HORIZON_DAYS):
        day = local.date() + dt.timedelta(days=offset)
        if not matches(day):
            continue
        for hour in hours:
            for minute in minutes:
                instant = dt.datetime.combine(day, dt.time(hour, minute), zone).timestamp()
                if instant > after:
                    return instant
    return None


def _day(fields: list[str]) -> Callable[[dt.date], bool]:
    """Whether a date fits day-of-month, month, day-of-week and year."""
    months, years = _numbers(fields[3], 1, 12, MONTHS), _numbers(fields[5], 1970, 2199, [])
    if "?" not in (fields[2], fields[4]):
        raise ValueError("cron: one of day-of-month and day-of-week must be ?")
    monthdays = set() if fields[2] in "?L" else _numbers(fields[2], 1, 31, [])
    weekdays = set() if fields[4] == "?" else {(d - 1) % 7 for d in _numbers(fields[4], 1, 7, ["", *DAYS])}

    def matches(day: dt.date) -> bool:
        if day.month not in months or day.year not in years:
            return False
        if fields[2] == "L":
            return (day + dt.timedelta(days=1)).day == 1
        return day.day in monthdays if fields[4] == "?" else (day.isoweekday() % 7) in weekdays

    return matches


def _numbers(field: str, low: int, high: int, names: list[str]) -> set[int]:
    """The numbers that a field stands for."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first, names, low)
            end = _number(last, names, low) if last else (high if step else begin)
        if not low <= begin <= end <= high:
            raise ValueError(f"cron: {part!r} is not within {low}-{high}")
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str, names: list[str], low: int) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + (low if "" not in names else 0)
    return int(text)
