"""How often an admission looks: bounded, growing, spread, in time for the hook; a hundred at once stay below 20/s."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.admission.pace import REMEMBERED, Boots, beats, boot_seen, first_seconds, poll_seconds

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
FAR = NOW + timedelta(hours=4)
INSTANCES = [f"i-{n:017x}" for n in range(100)]
LIMIT = 20
"""Requests per second that EC2 refills; see the module."""


@given(waited=st.integers(0, 14_400), left=st.integers(1, 14_400), heartbeat=st.none() | st.integers(30, 7200))
def test_a_pause_is_bounded_and_keeps_deadline_and_hook(waited: int, left: int, heartbeat: int | None) -> None:
    """From one second to a minute and a half; never past the deadline, nor past a third of the hook's timeout."""
    now = NOW + timedelta(seconds=waited)
    pause = poll_seconds("i-1", NOW, now, now + timedelta(seconds=left), heartbeat)

    assert 1 <= pause <= min(90, left)
    assert heartbeat is None or pause <= heartbeat / 3 + 1


def test_pauses_grow_with_what_was_waited() -> None:
    """A node that took ten minutes is not missed for half a minute more."""
    pauses = [poll_seconds("i-1", NOW, NOW + timedelta(seconds=s), FAR) for s in (0, 600)]

    assert (pauses[0] <= 30, pauses[1] >= 60) == (True, True)


def test_a_repeated_call_decides_the_same() -> None:
    """Chance comes from names and times alone."""
    assert {poll_seconds("i-1", NOW, NOW, FAR) for _ in range(5)} == {poll_seconds("i-1", NOW, NOW, FAR)}
    assert len({first_seconds("i-1") for _ in range(5)}) == 1


def test_a_hundred_launches_at_once_never_ask_more_than_the_limit_in_one_second() -> None:
    """From the first look to the last, for ten minutes; each look asks Auto Scaling once."""
    looks: Counter[int] = Counter()
    for name in INSTANCES:
        at = first_seconds(name)
        while at < 600:
            looks[at] += 1
            at += poll_seconds(name, NOW, NOW + timedelta(seconds=at), FAR, 900)

    assert max(looks.values()) <= LIMIT
    assert min(looks) >= 15


@pytest.mark.parametrize(
    ("last", "heartbeat", "expected"),
    [(None, 900, True), (299, 900, False), (300, 900, True), (0, None, True)],
    ids=["never heard of us", "too early", "a third of its timeout", "its timeout is not known"],
)
def test_a_hook_hears_of_us_three_times_in_its_timeout(
    last: int | None, heartbeat: int | None, *, expected: bool
) -> None:
    """More would only cost requests."""
    heard = None if last is None else NOW - timedelta(seconds=last)

    assert beats(heard, NOW, heartbeat) is expected


def test_the_first_look_comes_when_nodes_of_the_group_usually_are_there() -> None:
    """And their plugins have spoken; a group that is said to take for ever is looked at in ten minutes."""
    usual = [first_seconds(name, usually(200, 900)) for name in INSTANCES]

    assert (min(usual) >= 210, max(usual) <= 220, len(set(usual)) > 5) == (True, True, True)
    assert first_seconds("i-1", usually(86_400, 0)) <= 620


@pytest.mark.parametrize("heartbeat", [30, 120, 300])
def test_the_first_look_is_in_time_for_the_hook(heartbeat: int) -> None:
    """A group that boots for longer than its hook waits would lose each newcomer."""
    assert first_seconds("i-1", usually(600, heartbeat)) == heartbeat / 3


def test_what_is_usual_follows_what_is_seen() -> None:
    """One slow boot is no habit, and a group that got faster is believed once most of what is remembered says so."""
    usual = seen(None, 900)
    assert usual == Boots({"i-0": 900}, {"i-0": 20}, 900)
    for number in (1, 2):
        usual = seen(usual, 170, f"i-{number}")
    assert 170 < first_seconds("i-1", usual) <= 190

    for number in range(REMEMBERED):
        usual = seen(usual, 300, f"i-new-{number}")
    assert list(usual.seconds.values()) == [300] * REMEMBERED


def test_a_boot_that_is_told_again_counts_once() -> None:
    """A step that was done and is tried again must not weigh more."""
    usual = seen(seen(seen(None, 170, "i-1"), 300, "i-2"), 170, "i-1")

    assert list(usual.seconds.items()) == [("i-2", 300), ("i-1", 170)]


def test_a_boot_of_which_nobody_saw_the_registration_tells_nothing_of_it() -> None:
    """What earlier ones told stays."""
    unknown = boot_seen(None, "i-1", timedelta(seconds=170), None, None)

    assert (unknown, unknown.settles) == (Boots({"i-1": 170}, {}, 0), None)
    assert boot_seen(seen(None, 170), "i-1", timedelta(seconds=170), None, 900).settles == 20


@given(boots=st.lists(st.integers(150, 200), min_size=40, max_size=40))
def test_a_wave_is_looked_at_in_the_middle_of_the_one_before(boots: list[int]) -> None:
    """Its slowest nodes are the last that are remembered: the next wave is not looked for when those were there."""
    usual: Boots | None = None
    for number, boot in enumerate(sorted(boots)):
        usual = seen(usual, boot, f"i-{number}")

    assert 10 <= first_seconds("i-1", usual) - sorted(boots)[len(boots) // 2] <= 20


def seen(before: Boots | None, seconds: int, who: str = "i-0") -> Boots:
    """A node was Ready that long after its launch, twenty seconds after it had registered."""
    return boot_seen(before, who, timedelta(seconds=seconds), timedelta(seconds=20), 900)


def usually(seconds: int, heartbeat: int) -> Boots:
    """A group whose nodes come that long after their launch."""
    return Boots({"i-0": seconds}, {"i-0": 20}, heartbeat)


def test_a_hundred_launches_of_a_known_group_stay_below_the_limit_too() -> None:
    """Their events come as EC2 lets them run: over ten seconds."""
    looks: Counter[int] = Counter()
    for number, name in enumerate(INSTANCES):
        begun, at = number // 10, first_seconds(name, usually(170, 900))
        while at < 600:
            looks[begun + at] += 1
            at += poll_seconds(name, NOW, NOW + timedelta(seconds=at), FAR, 900)

    assert max(looks.values()) <= LIMIT
