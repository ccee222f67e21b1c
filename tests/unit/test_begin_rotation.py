"""Whether a run begins, rests or ends before it has changed anything.

Covered: the group taken once and for the whole run, from a dead holder too; gates that time opens; pause, cancel and
the global stop; that a run which rests lets others at the group; how long a rest is, and that none fills a history.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Conflict, Refused
from gpuops.domain.rotation.messages import Begun, RotationPlan
from gpuops.domain.rotation.waiting import rest_seconds
from gpuops.domain.rotation.wish import GlobalStop, Wish
from gpuops.domain.run import Run
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, TARGET, run
from tests.fakes.steps import CLOSE, leftovers, old_world
from tests.fakes.world import World

BEGIN = load_app("begin_rotation")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVENTS, QUOTA = 20, 25_000
"""Of one round of planning, beginning and waiting; of one execution (Step Functions' quotas)."""


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes."""
    with mock_aws():
        yield old_world()


def begin(world: World, now: datetime = NOW, of: Run | None = None, **plan: Any) -> Begun:
    """Begin a run whose plan says `roll`, or what is given."""
    of = of or run()
    planned = RotationPlan(**{"status": "roll", "reason": "3 of 3", "run": of, "target": TARGET, **plan})
    answer: Begun = BEGIN.begin(BEGIN.BeginRotation(run=of, plan=planned), now, world)
    return answer


def waits(world: World) -> bool | None:
    """Whether whoever has the group only waits; None where nobody has it."""
    lock = world.store.lock("rotation", "gpu")
    return lock.waits if lock else None


def wish(word: str, **more: Any) -> Wish:
    """Somebody's wish about the run."""
    return Wish.model_validate({"run": "run-1", "wish": word, "by": "arn:ann", "at": NOW, **more})


def test_the_group_is_taken_and_a_second_run_is_told_whose_it_is(world: World) -> None:
    """The message names the first run; the first may ask again."""
    assert (begin(world).status, begin(world).status) == ("go", "go")
    world.running.add(run().execution)

    with pytest.raises(Conflict, match=r"rotation of gpu is held by .*:run-1 since"):
        begin(world, of=run("run-2"))


def test_a_living_run_that_rests_still_has_the_group_and_a_dead_one_loses_it(world: World) -> None:
    """Days of rest are no sign of death: Step Functions is asked."""
    begin(world, status="wait", until=NOW + DAY)
    world.running.add(run().execution)
    with pytest.raises(Conflict):
        begin(world, NOW + DAY, of=run("run-2"))

    world.running.clear()
    assert begin(world, NOW + DAY, of=run("run-2")).status == "go"


def test_a_plan_for_later_rests_until_then_and_lets_others_at_the_group(world: World) -> None:
    """Once it goes on, the group is its own."""
    rest = begin(world, status="wait", reason="held", until=NOW + DAY)

    assert (rest.status, rest.reason, rest.wait_seconds) == ("wait", "held", 3600)
    assert waits(world) is True
    begin(world, NOW + DAY)
    assert waits(world) is False


def test_a_run_that_rests_is_closed_like_any_other(world: World) -> None:
    """Nothing of it stays."""
    begin(world, status="wait", until=NOW + DAY)

    CLOSE.close(run(), world)

    assert leftovers(world) == []


def test_a_paused_run_rests_until_somebody_resumes_it(world: World) -> None:
    """Whatever its plan says."""
    world.wishes.write(wish("pause", reason="freeze"))
    paused = begin(world)
    world.wishes.write(wish("resume"))

    assert (paused.status, paused.reason) == ("wait", "paused by arn:ann: freeze")
    assert begin(world).status == "go"


def test_a_cancelled_run_ends_as_refused_and_nothing_revives_it(world: World) -> None:
    """The last word about a run is its cancellation."""
    assert world.wishes.write(wish("cancel", reason="not today"))
    assert not world.wishes.write(wish("resume"))

    with pytest.raises(Refused, match="cancelled by arn:ann: not today"):
        begin(world, status="wait", until=NOW + DAY)


def test_a_run_of_another_name_is_not_meant(world: World) -> None:
    """A wish is about one run."""
    world.wishes.write(wish("cancel", run="run-0"))

    assert begin(world).status == "go"


def test_the_global_stop_rests_every_run_until_it_is_lifted(world: World) -> None:
    """It is told before a pause: it is about everybody."""
    world.wishes.write(wish("pause"))
    world.wishes.write_stop(GlobalStop(by="arn:bob", at=NOW, reason="incident"))

    assert begin(world).reason == f"global stop since {NOW.isoformat()} by arn:bob: incident"
    assert (world.wishes.lift_stop(), world.wishes.lift_stop()) == (True, False)
    assert begin(world).reason == "paused by arn:ann"


def test_a_rest_ends_to_the_second_and_looks_every_hour_for_a_wish() -> None:
    """Without a date the pause grows with what was waited."""
    assert [rest_seconds(NOW, NOW, NOW + ahead * DAY) for ahead in (2, 10)] == [3600, 7200]
    assert rest_seconds(NOW, NOW + DAY - timedelta(seconds=90), NOW + DAY) == 90
    assert rest_seconds(NOW, NOW, NOW + timedelta(microseconds=1)) == 1
    assert [rest_seconds(NOW, NOW + waited) for waited in (timedelta(0), HOUR, 30 * DAY)] == [20, 150, 14400]


@pytest.mark.parametrize("until", [None, NOW + 365 * DAY], ids=["person", "date"])
def test_a_rest_of_a_year_stays_below_the_quota(until: datetime | None) -> None:
    """Step Functions ends an execution after a year, and at 25,000 events."""
    at, looks = NOW, 0
    while at < NOW + (60 if until is None else 365) * DAY:
        at += timedelta(seconds=rest_seconds(NOW, at, until))
        looks += 1

    assert looks * EVENTS < 0.6 * QUOTA
