"""The clock: jumps, order, leases, settling, debts, pace, and the watchdog.

What real time does is bounded where a wrong clock would take many times as long, never where a busy machine does.
"""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from rehearsal.clock import Clock, ClockStopped, SimEvent, SimThread

EPOCH = 1_800_000_000.0
DAY = 86_400.0
PATIENCE_SECONDS = 60
"""For what takes milliseconds on a machine that is not busy."""


@pytest.fixture
def make() -> Iterator[Callable[..., Clock]]:
    """Builds clocks, and stops them after the test."""
    clocks: list[Clock] = []

    def build(**options: object) -> Clock:
        clock = Clock(EPOCH, **{"settle_seconds": 0.0, **options})  # type: ignore[arg-type]
        clocks.append(clock)
        return clock

    yield build
    for clock in clocks:
        clock.stop()


def run(clock: Clock, until: float = DAY * 10) -> None:
    """Starts the clock, and waits until everything due before `until` has run."""
    done = threading.Event()
    clock.call_later(until, "end", done.set)
    clock.start()
    assert done.wait(PATIENCE_SECONDS), clock.stats()


def test_two_days_take_no_time(make: Callable[..., Clock]) -> None:
    """A long wait jumps, and says the right time."""
    clock, seen = make(), []
    clock.call_later(2 * DAY, "approval", lambda: seen.append(clock.now()))
    run(clock)
    assert seen == [EPOCH + 2 * DAY]


def test_timers_fire_in_time_then_by_seed(make: Callable[..., Clock]) -> None:
    """Order depends on time, then on key and seed, not on who registered first."""

    def order(seed: str, names: str) -> str:
        clock = make(seed=seed)
        seen: list[str] = []
        for name in names:
            clock.call_later(5, name, partial(seen.append, name))
        clock.call_later(1, "first", lambda: seen.append("-"))
        run(clock)
        return "".join(seen)

    assert order("1", "abcdef") == order("1", "fedcba")
    assert order("1", "abcdef")[0] == "-"
    assert order("1", "abcdef") != order("2", "abcdef")


def test_a_cancelled_timer_does_not_fire(make: Callable[..., Clock]) -> None:
    """Cancelling removes the key, too."""
    clock, seen = make(), []
    timer = clock.call_later(5, "pod/1/run", lambda: seen.append(1))
    assert "pod/1/run" in {key for _, key in clock.upcoming(9, "-")}
    clock.cancel(timer)
    clock.cancel(timer)
    assert "pod/1/run" not in {key for _, key in clock.upcoming(9, "-")}
    run(clock)
    assert seen == []


def test_time_stands_still_under_a_lease(make: Callable[..., Clock]) -> None:
    """Real time spent under a lease does not count; a thread from outside may hold one."""
    clock, seen = make(), []
    clock.call_later(1, "tick", lambda: seen.append(clock.now()))
    with clock.lease("request"):
        clock.start()
        time.sleep(0.05)
        assert clock.now() == EPOCH
        assert list(clock.stats()["holders"]) == ["request"]
        assert seen == []
    clock.sleep(2, "test")
    assert seen == [EPOCH + 1]


def test_a_batch_runs_in_one_go(make: Callable[..., Clock]) -> None:
    """Timers of one instant and batch are not parted by another item of that instant."""
    clock, seen = make(seed="3"), []
    for i in range(8):
        clock.call_later(5, f"kubelet/{i}", lambda: seen.append("k"), batch="kubelets")
        clock.call_later(5, f"other/{i}", lambda: seen.append("o"))
    run(clock)
    assert "k" * 8 in "".join(seen)
    assert len(seen) == 16


def test_threads_run_one_at_a_time(make: Callable[..., Clock]) -> None:
    """No two simulated threads overlap, although each gives up the interpreter lock."""
    clock, running, overlaps = make(), [0], []

    def work(i: int) -> None:
        for _ in range(5):
            running[0] += 1
            overlaps.append(running[0])
            time.sleep(0.001)
            running[0] -= 1
            clock.sleep(i, f"{i}")

    threads = [SimThread(clock, work, (i,)) for i in range(1, 6)]
    for thread in threads:
        thread.start()
    run(clock)
    assert overlaps == [1] * 25
    assert not any(thread.is_alive() for thread in threads)


def test_an_event_wakes_its_waiter_even_when_cleared_at_once(make: Callable[..., Clock]) -> None:
    """Set, then clear: who waited is woken; who waits later is not."""
    clock, seen = make(), []
    event = SimEvent(clock)
    SimThread(clock, lambda: seen.append((event.wait(100), clock.now()))).start()

    def pulse() -> None:
        event.set()
        event.clear()

    clock.call_later(7, "set", pulse)
    clock.call_later(8, "late", lambda: seen.append((event.wait(2), clock.now())))
    run(clock)
    assert seen == [(True, EPOCH + 7), (False, EPOCH + 10)]


def test_a_wait_for_ever_leaves_no_timer(make: Callable[..., Clock]) -> None:
    """99999999 seconds is how Step Functions says never."""
    clock, seen = make(), []
    event = SimEvent(clock)
    SimThread(clock, lambda: seen.append(event.wait(99_999_999))).start()
    run(clock)
    assert seen == []
    assert clock.now() == EPOCH + 10 * DAY


def test_a_thread_joins_another(make: Callable[..., Clock]) -> None:
    """Joining parks; a time-out of the join is simulated, too."""
    clock, seen = make(), []
    child = SimThread(clock, lambda: clock.sleep(60, "child"))

    def parent() -> None:
        child.start()
        child.join(10)
        seen.append((child.is_alive(), clock.now()))
        child.join()
        seen.append((child.is_alive(), clock.now()))

    SimThread(clock, parent).start()
    run(clock)
    assert seen == [(True, EPOCH + 10), (False, EPOCH + 60)]


def test_a_request_under_a_lease_may_wait_for_a_thread(make: Callable[..., Clock]) -> None:
    """Its lease is given back while it waits, or nothing would ever move."""
    clock = make()
    clock.start()
    thread = SimThread(clock, lambda: clock.sleep(30, "work"))
    with clock.lease("request"):
        thread.start()
        thread.join()
        assert clock.now() == EPOCH + 30
        assert list(clock.stats()["holders"]) == ["request"]


def test_a_lease_can_be_left_for_a_wait_in_real_time(make: Callable[..., Clock]) -> None:
    """Inside `outside` time goes on; after it, the thread holds its lease again."""
    clock, ticked = make(), threading.Event()
    clock.start()
    with clock.lease("request"):
        clock.call_later(30, "tick", ticked.set)
        with clock.outside("request"):
            assert ticked.wait(PATIENCE_SECONDS)
        assert list(clock.stats()["holders"]) == ["request"]
    assert clock.stats()["holders"] == {}


def test_a_write_settles_and_reading_does_not(make: Callable[..., Clock]) -> None:
    """Only after a write does the clock wait for quiet."""
    clock = make(settle_seconds=0.1)
    for i in range(1, 51):
        clock.call_later(i, f"read/{i}", lambda: None)
    start = time.monotonic()
    run(clock)
    assert time.monotonic() - start < 50 * 0.1 / 2

    clock = make(settle_seconds=0.1)
    for i in range(1, 4):
        clock.call_later(i, f"write/{i}", clock.dirty)
    start = time.monotonic()
    run(clock)
    assert time.monotonic() - start >= 0.4


def test_time_waits_for_a_debt(make: Callable[..., Clock]) -> None:
    """A controller that still owes something holds time, without any lease."""
    clock, owed, paid_at = make(), ["job status"], []

    def pay() -> None:
        while "owed: job status" not in clock.stats()["wall"]:
            time.sleep(0.01)
        paid_at.append(clock.now())
        owed.clear()
        clock.dirty()

    clock.add_rest_check(lambda: owed[0] if owed else None)
    threading.Thread(target=pay, daemon=True).start()
    run(clock, until=5)
    assert paid_at == [EPOCH]


def test_an_unpaid_debt_is_overridden_once(make: Callable[..., Clock]) -> None:
    """It costs its patience once, not once for each write."""
    clock = make(patience_seconds=0.2)
    clock.add_rest_check(lambda: "daemonset")
    for i in range(1, 6):
        clock.call_later(i, f"write/{i}", clock.dirty)
    start = time.monotonic()
    run(clock, until=10)
    assert clock.stats()["overrun"] == {"daemonset": 1}
    assert time.monotonic() - start >= 0.2


def test_a_broken_rest_check_is_a_debt(make: Callable[..., Clock]) -> None:
    """It must not end the dispatcher, nor pass unseen."""
    clock = make(patience_seconds=0.1)
    clock.add_rest_check(lambda: str(1 // 0))
    run(clock)
    assert "ZeroDivisionError" in next(iter(clock.stats()["overrun"]))


def test_the_watchdog_names_who_holds_time(make: Callable[..., Clock]) -> None:
    """With its name and the place where it hangs."""
    clock, release = make(watchdog_seconds=0.2), threading.Event()

    def hang_in_this_function() -> None:
        release.wait(PATIENCE_SECONDS)

    clock.call_later(1, "stuck invocation", hang_in_this_function)
    clock.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not clock.stats()["hung"] and time.monotonic() < deadline:
        time.sleep(0.02)
    release.set()
    (report,) = clock.stats()["hung"]
    assert report.startswith("stuck invocation holds time")
    assert "hang_in_this_function" in report


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failing_callback_is_counted_and_time_goes_on(make: Callable[..., Clock]) -> None:
    """What a callback raises is not lost, and gives its lease back."""
    clock = make()
    clock.call_later(1, "broken", lambda: 1 // 0)
    run(clock)
    assert "ZeroDivisionError" in clock.stats()["failures"][0]


def test_pace_lets_time_glide(make: Callable[..., Clock]) -> None:
    """20 simulated seconds a second: 20 of them take a second, and time is seen to pass meanwhile."""
    clock, done, seen = make(pace=20.0), threading.Event(), []
    clock.call_later(20, "tick", lambda: seen.append(clock.now()))
    clock.call_later(20.1, "done", done.set)
    start, meanwhile = time.monotonic(), set()
    clock.start()
    while not done.wait(0.01):
        meanwhile.add(clock.now() - EPOCH)
    assert time.monotonic() - start >= 0.99
    assert any(1 < moment < 20 for moment in meanwhile)
    assert seen == [EPOCH + 20]


def test_paced_time_goes_on_without_a_timer(make: Callable[..., Clock]) -> None:
    """A region kept up for a person grows older by itself; a lease still stops it."""
    clock = make(pace=1000.0)
    clock.start()
    time.sleep(0.05)
    assert clock.now() > EPOCH + 10
    with clock.lease("request"):
        at = clock.now()
        time.sleep(0.05)
        assert clock.now() == at


def test_stop_unwinds_who_waits(make: Callable[..., Clock]) -> None:
    """No thread stays behind on a stopped clock, and none can wait on it again."""
    clock, seen = make(), []

    def wait() -> None:
        try:
            SimEvent(clock).wait()
        finally:
            seen.append("unwound")

    SimThread(clock, wait).start()
    clock.start()
    time.sleep(0.05)
    clock.stop()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == ["unwound"]
    with pytest.raises(ClockStopped):
        clock.sleep(1, "late")


def test_the_same_seed_gives_the_same_story(make: Callable[..., Clock]) -> None:
    """Racing threads, once beside threads that burn the processor: the same order; another seed, another order."""

    def story(seed: str) -> list[tuple[float, int]]:
        clock, told = make(seed=seed), []
        door = SimEvent(clock, "door")

        def racer(i: int) -> None:
            for _ in range(20):
                clock.sleep(1 + (i % 3), f"lap/{i}")
                told.append((clock.now() - EPOCH, i))
            door.set()
            door.wait(5)
            told.append((clock.now() - EPOCH, -i))

        def start() -> None:
            for i in range(1, 10):
                SimThread(clock, racer, (i,)).start()

        clock.call_later(0, "start", start)
        run(clock)
        return told

    calm = story("1")
    stop = threading.Event()
    burners = [threading.Thread(target=_burn, args=(stop,), daemon=True) for _ in range(3)]
    for burner in burners:
        burner.start()
    busy = story("1")
    stop.set()
    assert calm == busy
    assert calm != story("2")


def _burn(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


def test_what_comes_next_is_told_without_the_director() -> None:
    """For a person who watches: keys and seconds, nearest first; a cancelled timer is not waited for."""
    clock = Clock(1000.0)
    clock.call_later(30, "director", lambda: None)
    clock.call_later(20, "b", lambda: None)
    clock.call_later(10, "a", lambda: None)
    clock.cancel(clock.call_later(5, "gone", lambda: None))

    assert clock.upcoming(3, "director") == [(10.0, "a"), (20.0, "b")]
