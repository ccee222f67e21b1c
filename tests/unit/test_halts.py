"""A roll that is under way, and what holds it: a pause, a window that closes, the global stop, a cancellation.

Covered: which step each of them holds and which goes on; that no deadline runs meanwhile; what a new run is told.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.halting import why_cancelled, why_halted
from gpuops.domain.rotation.wish import GlobalStop, Wish
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, POLICY, run
from tests.fakes.steps import OPEN, RETIRE, claim, launch, old_world, opened, plan, retire
from tests.fakes.world import World

DETECT = load_app("detect_release")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STOP = GlobalStop(by="arn:bob", at=NOW, reason="incident")
NIGHTS = POLICY.replace("mode: apply", "mode: apply, windows: [{from: '22:00', to: '06:00'}], time_zone: Europe/Berlin")


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job."""
    with mock_aws():
        yield old_world()


def wish(word: str, **more: Any) -> Wish:
    """Somebody's wish about the run."""
    return Wish.model_validate({"run": "run-1", "wish": word, "by": "arn:ann", "at": NOW, **more})


def again(world: World, change: Any, before: Any, now: Any) -> Any:
    """The same slot asks again, with what it was told."""
    return claim(world, change, 0, now, claim=before.model_dump())


@pytest.mark.parametrize("halt", ["pause", "stop", "window"])
def test_a_halt_begins_no_node_and_its_time_counts_for_no_deadline(world: World, halt: str) -> None:
    """The newcomer is there, and stays unclaimed until the run goes on; then patience is what it was."""
    change = opened(world)
    waiting = claim(world, change, 0)
    launch(world, 10)
    open_policy = world.policy
    if halt == "pause":
        world.wishes.write(wish("pause"))
    elif halt == "stop":
        world.wishes.write_stop(STOP)
    else:
        world.policy = NIGHTS

    first = again(world, change, waiting, NOW + timedelta(minutes=10))
    late = again(world, change, first, NOW + 9 * HOUR)
    world.wishes.write(wish("resume"))
    world.wishes.lift_stop()
    world.policy = open_policy
    world.connected.all_nodes.pop()
    goes_on = again(world, change, late, NOW + 10 * HOUR)

    assert [answer.status for answer in (waiting, first, late, goes_on)] == ["waiting"] * 4
    assert {"pause": "paused by", "stop": "global stop", "window": "outside its windows"}[halt] in late.reason
    assert (late.deadline, late.resting) == (waiting.deadline, NOW + timedelta(minutes=10))
    assert goes_on.deadline == waiting.deadline + timedelta(hours=9, minutes=50)
    assert goes_on.resting is None


def test_a_window_that_is_closed_says_when_it_opens(world: World) -> None:
    """In the words of the zone, and the claim is looked at again then to the second."""
    change = opened(world)
    launch(world, 10)
    night = replace(world, policy=NIGHTS)

    rests = claim(night, change, 0, NOW + timedelta(hours=10, minutes=30))
    begins = claim(night, change, 0, NOW + 11 * HOUR)

    assert rests.reason == "outside its windows until Mon 2026-11-23 22:00 Europe/Berlin"
    assert (rests.wait_seconds, begins.status) == (1800, "claimed")


@pytest.mark.parametrize("halt", ["pause", "cancel", "window"])
def test_a_node_that_was_claimed_is_finished_whatever_is_wished(world: World, halt: str) -> None:
    """Wishes take effect between nodes."""
    change = opened(world)
    launch(world, 10)
    claimed = claim(world, change, 0)
    if halt == "window":
        world.policy = NIGHTS
    else:
        world.wishes.write(wish(halt))

    assert again(world, change, claimed, NOW).instance == claimed.instance
    assert retire(world, change, 0).reason.endswith("is terminated")


def test_a_cancelled_run_begins_no_further_node_and_says_whose_wish_it_was(world: World) -> None:
    """Each slot after it gives the same reason, and the run ends with it."""
    change = opened(world)
    launch(world, 10)
    world.wishes.write(wish("cancel", reason="not today"))

    stopped = [claim(world, change, number) for number in (0, 2)]

    assert {answer.reason for answer in stopped} == {"the run stopped: cancelled by arn:ann: not today"}
    assert {answer.status for answer in stopped} == {"stopped"}
    assert world.claims.of("gpu") == []


@pytest.mark.parametrize(("halt", "goes"), [("cancel", True), ("window", True), ("pause", False), ("stop", False)])
def test_the_way_back_is_not_held_by_what_began_it(world: World, halt: str, *, goes: bool) -> None:
    """A cancellation or a closed window would leave the group half-way; a pause and the stop mean this way, too."""
    opened(world)
    undo = world.store.undo("gpu")
    assert undo is not None
    back = undo.model_copy(update={"stage": "back"})
    policy = replace(world, policy=NIGHTS).latest().groups[0] if halt == "window" else world.latest().groups[0]
    if halt == "stop":
        world.wishes.write_stop(STOP)
    elif halt != "window":
        world.wishes.write(wish(halt))

    here: Any = world
    said = world.wishes.wish(back.run.id)
    assert why_cancelled(back, said, here) is None
    assert (why_halted(back, policy, said, NOW, here) is None) is goes


def test_the_global_stop_terminates_nothing_and_lets_what_is_going_go(world: World) -> None:
    """A drained instance stays until the stop is lifted; one on its way out is still waited for."""
    change = opened(world)
    world.wishes.write_stop(STOP)
    held = retire(world, change, 0)
    request = RETIRE.RetireNode(
        run=run(), change=change, instance=world.groups.group.instances[0].id, decrement=False, retire=held
    )
    later = RETIRE.retire(request, NOW + 5 * HOUR, world)
    world.wishes.lift_stop()
    gone = RETIRE.retire(request.model_copy(update={"retire": later}), NOW + 6 * HOUR, world)
    world.wishes.write_stop(STOP)
    still = RETIRE.retire(request.model_copy(update={"retire": gone}), NOW + 6 * HOUR, world)

    assert (held.status, held.reason, later.deadline) == ("retiring", STOP.said, held.deadline)
    assert gone.deadline == held.deadline + 6 * HOUR
    assert [kind for kind, _ in world.groups.calls].count("terminate") == 1
    assert still.reason != STOP.said


def test_a_change_is_not_opened_while_all_is_stopped(world: World) -> None:
    """However long that is, and nothing is taken for it."""
    planned = plan(world)
    request = OPEN.OpenChange(run=planned.run, plan=planned)
    world.wishes.write_stop(STOP)

    waits = OPEN.open_or_wait(request, NOW + 10 * DAY, world)

    assert (waits.status, waits.reason, waits.wait_seconds) == ("waiting", STOP.said, 14400)
    assert (world.store.lock("lock", "gpu"), world.groups.calls) == (None, [])


def test_a_new_run_is_refused_and_one_that_has_begun_is_planned_on(world: World) -> None:
    """Who has the group waits by itself; a plan that held it now would end the run."""
    world.wishes.write_stop(STOP)

    new, begun = plan(world), plan(world, begin={"status": "wait", "reason": "r"})

    assert (new.status, new.reason, begun.status) == ("hold", STOP.said, "roll")


def test_no_release_is_told_while_all_is_stopped(world: World) -> None:
    """It is news once the stop is lifted, not a day later."""
    world.wishes.write_stop(STOP)
    stopped = DETECT.detect(NOW, world).detected
    world.wishes.lift_stop()

    assert (len(stopped), len(DETECT.detect(NOW + HOUR, world).detected)) == (0, 1)


def test_a_plan_outside_its_windows_is_told_whole_and_waits(world: World) -> None:
    """So that a person can approve it before the night; an observer's plan is not held at all."""
    night = replace(world, policy=NIGHTS)
    waits, observed = plan(night), plan(replace(world, policy=NIGHTS.replace("apply", "observe")))

    assert (waits.status, waits.until, len(waits.nodes)) == ("wait", NOW + 11 * HOUR, 3)
    assert (waits.settled, observed.status) == (True, "planned")
