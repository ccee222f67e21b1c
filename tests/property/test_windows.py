"""Windows in every zone of the IANA database, over whatever its clocks do: opened, closed and never in between.

The oracle reads the wall clock minute by minute, as a person would, and knows no arithmetic of instants.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.policy.window import DAYS, Window
from gpuops.domain.rotation.windows import closes_at, next_opening

ZONES = sorted(available_timezones() - {"localtime", "Factory", "posixrules"})
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

zones = st.sampled_from(ZONES)
clock = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
windows = st.lists(
    st.builds(
        lambda days, start, end: Window.model_validate({"days": sorted(days), "from": start, "to": end}),
        st.sets(st.sampled_from(DAYS), min_size=1),
        clock,
        clock,
    ),
    min_size=1,
    max_size=3,
)
moments = st.datetimes(datetime(2011, 1, 1), datetime(2037, 1, 1)).map(  # noqa: DTZ001 - the next line says its zone
    lambda at: at.replace(second=0, microsecond=0, tzinfo=UTC)
)


def is_open(given: Sequence[Window], zone: str, at: datetime) -> bool:
    """What the product says."""
    return next_opening(given, zone, at) == at


def steady(zone: str, at: datetime) -> bool:
    """Whether the clocks of the zone are left alone for two days around."""
    local = [(at + hours * HOUR).astimezone(ZoneInfo(zone)).utcoffset() for hours in range(-50, 50)]
    return len(set(local)) == 1


def on_the_wall(window: Window, wall: datetime) -> bool:
    """Whether the wall clock of a zone whose clocks are left alone says that a window is open."""
    day, clock = DAYS[wall.weekday()], f"{wall:%H:%M}"
    yesterday = DAYS[wall.weekday() - 1]
    if window.from_ < window.to:
        return day in window.days and window.from_ <= clock < window.to
    return (day in window.days and window.from_ <= clock) or (yesterday in window.days and clock < window.to)


@given(windows, zones, moments)
def test_where_clocks_are_left_alone_the_wall_clock_decides(given: list[Window], zone: str, at: datetime) -> None:
    """Days, hours and minutes as anybody would read them."""
    if not steady(zone, at):
        return
    wall = at.astimezone(ZoneInfo(zone))
    assert is_open(given, zone, at) == any(on_the_wall(window, wall) for window in given)


@given(windows, zones, moments)
def test_nothing_is_open_before_the_next_opening_and_something_then(
    given: list[Window], zone: str, at: datetime
) -> None:
    """Whatever the clocks do in between, and no opening is missed."""
    opens = next_opening(given, zone, at)

    assert at <= opens <= at + timedelta(days=15)
    assert next_opening(given, zone, opens) == opens
    step = max(MINUTE, (opens - at) / 40)
    looks = [at + number * step for number in range(int((opens - at) / step))]
    assert all(next_opening(given, zone, look) == opens for look in looks)


@given(windows, zones, moments)
def test_what_is_open_stays_so_until_it_closes(given: list[Window], zone: str, at: datetime) -> None:
    """And it is closed then, by the same function that said that it was open."""
    opens = next_opening(given, zone, at)
    closes = closes_at(given, zone, opens)
    if closes is None:
        assert is_open(given, zone, opens + timedelta(days=10))
        return
    assert opens < closes
    assert not is_open(given, zone, closes)
    step = (closes - opens) / 20
    assert all(is_open(given, zone, opens + number * step) for number in range(20))


def window(start: str, end: str, *days: str) -> Window:
    """One window."""
    return Window.model_validate({"from": start, "to": end, **({"days": days} if days else {})})


def utc(text: str) -> datetime:
    """A time of 2026 in UTC."""
    return datetime.fromisoformat(f"2026-{text}:00+00:00")


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
CHANGES = [
    # name, zone, window, asked at, opens, closes
    ("winter", BERLIN, window("22:00", "06:00"), "01-10T12:00", "01-10T21:00", "01-11T05:00"),
    ("summer", BERLIN, window("22:00", "06:00"), "07-10T12:00", "07-10T20:00", "07-11T04:00"),
    ("put forward: an hour shorter", BERLIN, window("22:00", "06:00"), "03-28T12:00", "03-28T21:00", "03-29T04:00"),
    ("put back: an hour longer", BERLIN, window("22:00", "06:00"), "10-24T12:00", "10-24T20:00", "10-25T05:00"),
    ("opens in the gap: as clocks jump", BERLIN, window("02:30", "04:00"), "03-29T00:00", "03-29T01:00", "03-29T02:00"),
    ("all in the gap: not that night", BERLIN, window("02:15", "02:45"), "03-29T00:00", "03-30T00:15", "03-30T00:45"),
    ("opens twice: once", NEW_YORK, window("01:30", "03:00"), "11-01T04:00", "11-01T05:30", "11-01T08:00"),
    ("closes twice: the last time", NEW_YORK, window("00:30", "01:30"), "11-01T04:00", "11-01T04:30", "11-01T06:30"),
    ("Fridays, on a Saturday", "UTC", window("22:00", "02:00", "fri"), "11-21T12:00", "11-27T22:00", "11-28T02:00"),
    ("still open from Friday", "UTC", window("22:00", "02:00", "fri"), "11-28T01:00", "11-28T01:00", "11-28T02:00"),
    ("a whole day", "UTC", window("06:00", "06:00", "sun"), "11-28T01:00", "11-29T06:00", "11-30T06:00"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "of", "asked", "opens", "closes"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_the_nights_on_which_clocks_change(zone: str, of: Window, asked: str, opens: str, closes: str) -> None:
    """Each by hand."""
    assert next_opening([of], zone, utc(asked)) == utc(opens)
    assert closes_at([of], zone, utc(opens)) == utc(closes)


def test_windows_that_touch_are_one() -> None:
    """The roll does not stop at midnight because somebody wrote two lines."""
    touching = [window("20:00", "00:00", "fri"), window("00:00", "08:00", "sat")]

    assert closes_at(touching, "UTC", utc("11-27T20:00")) == utc("11-28T08:00")


def test_no_window_at_all_is_always_open() -> None:
    """The default: nothing is waited for."""
    now = utc("11-27T20:00")

    assert (next_opening([], "UTC", now), closes_at([], "UTC", now)) == (now, None)


def test_a_day_that_a_zone_left_out_is_left_out() -> None:
    """Samoa had no Friday, 30 December 2011."""
    asked = datetime(2011, 12, 29, tzinfo=UTC)

    assert next_opening([window("10:00", "12:00", "fri")], "Pacific/Apia", asked) == datetime(
        2012, 1, 5, 20, tzinfo=UTC
    )
