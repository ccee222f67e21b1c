"""When a breaker opens, how long it stays so, and who may close it: the table of its states."""

from datetime import timedelta

import pytest

from gpuops.domain.faults.breaker import Breaker, holds, opens, resumes
from tests.fakes.rotation import NOW

PAUSE = timedelta(minutes=60)
LAST = Breaker(kind="launch", group="gpu", failures=3, last=NOW, why="no GPU")
OPEN = LAST.model_copy(update={"opened": NOW, "suspended": True})
HALF = LAST.model_copy(update={"opened": NOW, "failures": 1})


@pytest.mark.parametrize(
    ("breaker", "limit", "expected"),
    [(LAST, 4, False), (LAST, 3, True), (LAST, 2, True), (OPEN, 3, False), (HALF, 10, True)],
    ids=["too few", "as many", "more", "open already", "half-open"],
)
def test_it_opens_at_the_limit_and_after_the_pause_at_once(breaker: Breaker, limit: int, *, expected: bool) -> None:
    """Half-open, the group has to prove itself: another ten bad instances would cost as much as the first ten."""
    assert opens(breaker, limit) is expected


@pytest.mark.parametrize(
    ("breaker", "minutes", "expected"),
    [
        (OPEN, 59, False),
        (OPEN, 60, True),
        (OPEN.model_copy(update={"closed": True}), 0, True),
        (HALF, 600, False),
        (LAST, 600, False),
    ],
    ids=["too early", "paused", "closed by an operator", "not suspended by us", "never opened"],
)
def test_launch_runs_again_after_the_pause_or_an_operators_word(
    breaker: Breaker, minutes: int, *, expected: bool
) -> None:
    """Only where we suspended it."""
    assert resumes(breaker, PAUSE, NOW + timedelta(minutes=minutes)) is expected


def test_one_without_a_pause_holds_until_it_is_closed() -> None:
    """Changes of sharing are not worth a second try by themselves."""
    assert holds(None, 3) is None
    assert holds(LAST, 4) is None
    assert holds(LAST, 3) == "3 failures in a row, the last one: no GPU"
