"""The clock as the rehearsal sees it: now, timers, leases, and what makes the world restless."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from rehearsal.clock.agenda import Agenda, Timer
from rehearsal.clock.baton import Baton
from rehearsal.clock.flow import Account, Flow
from rehearsal.clock.leases import Lease
from rehearsal.clock.settling import RestCheck, Settling

_PATIENCE_SECONDS = 15.0


class Clock:
    """Simulated epoch seconds. `pace` limits how many of them may pass in one second of wall time."""

    def __init__(
        self,
        epoch: float,
        *,
        seed: str = "1",
        settle_seconds: float = 0.05,
        pace: float | None = None,
        watchdog_seconds: float = 60.0,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self.seed = seed
        self._flow = Flow(epoch, pace)
        self._agenda = Agenda(seed)
        self._settling = Settling(settle_seconds, patience_seconds)
        self._account = Account(watchdog_seconds)
        self._roots = count(1)
        self.baton = Baton(self._agenda, self._flow, self._settling, self._account)

    def start(self) -> None:
        """Let time pass; what was queued before waits for this."""
        self.baton.start()

    def stop(self) -> None:
        """Let nothing more happen; threads that wait on this clock unwind with ClockStopped."""
        self.baton.stop()

    def now(self) -> float:
        """Simulated epoch seconds; stands still while anything is in flight."""
        return self._flow.now()

    def call_later(self, delay: float, key: str, fn: Callable[[], object], *, batch: str | None = None) -> Timer:
        """Run `fn` under a lease in `delay` seconds; those of one instant and `batch` run in one go, one by one."""
        with self.baton.lock:
            timer = self._agenda.push(Timer(self.now() + max(0.0, delay), key, fn, batch=batch))
            self.baton.pass_on()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Forget a timer; harmless if it fired."""
        with self.baton.lock:
            self._agenda.drop(timer)

    @contextmanager
    def lease(self, holder: str) -> Iterator[None]:
        """Time cannot pass inside; `holder` is named if it takes too long."""
        lease, mine = Lease(holder), self.baton.local.leases
        lease.renew()
        mine.append(lease)
        with self.baton.lock:
            self.baton.hold([lease])
        try:
            yield
        finally:
            mine.remove(lease)
            self.baton.give_back([lease])

    @contextmanager
    def outside(self, key: str) -> Iterator[None]:
        """Gives the thread's leases back inside, for a wait in real time; it queues up again to go on."""
        leases = list(self.baton.local.leases)
        self.baton.give_back(leases)
        try:
            yield
        finally:
            if leases:
                self._wait(0.0, key)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What the thread does inside is nobody's: as another thread's would be, for which this one waits."""
        local = self.baton.local
        mine = local.leases, local.lineage
        local.leases, local.lineage = [], None
        try:
            yield
        finally:
            local.leases, local.lineage = mine

    def sleep(self, seconds: float, key: str) -> None:
        """Wait in simulated time, without the caller's leases."""
        if seconds > 0:
            self._wait(seconds, key)

    def dirty(self) -> None:
        """I wrote to the world, or saw an event of it: settling starts anew."""
        with self.baton.lock:
            self.baton.disturb()

    def add_rest_check(self, check: RestCheck) -> None:
        """`check` names the first debt the world owes, or None; asked without a lock, before time passes."""
        with self.baton.lock:
            self._settling.checks.append(check)

    def upcoming(self, count: int, hidden: str) -> list[tuple[float, str]]:
        """What is due next: simulated seconds from now, and key; for a person who watches. `hidden` begins no key."""
        with self.baton.lock:
            return [(t.due - self.now(), t.key) for t in self._agenda.first(count, hidden)]

    def stats(self) -> dict[str, Any]:
        """Figures of the run so far, as JSON."""
        with self.baton.lock:
            account = self._account.report()
            return {**account, "overrun": dict(self._settling.overrun), "holders": self.baton.held.holders()}

    def next_root(self) -> str:
        """A key for a thread started from outside the clock's threads."""
        return f"thread-{next(self._roots)}"

    def _wait(self, seconds: float, key: str) -> None:
        with self.baton.lock:
            parked = self.baton.park(seconds, key)
            self.baton.pass_on()
        parked.block()
