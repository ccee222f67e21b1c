"""How time passes at rest: by a jump, or gliding at a given pace for a person who watches; and what was counted."""

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from rehearsal.clock.leases import ClockStopped, Held

_LOG = logging.getLogger(__name__)


class Flow:
    """The simulated time. Not locked but for `now`, which any thread may ask."""

    def __init__(self, epoch: float, pace: float | None) -> None:
        self._pace = pace
        self._at = epoch
        self._glide: tuple[float, float, float] | None = None  # wall time and simulated time at its start, its end

    @property
    def gliding(self) -> bool:
        """Does time pass right now, together with wall time?"""
        return self._glide is not None

    def now(self) -> float:
        """Simulated epoch seconds."""
        glide = self._glide
        if glide is None or self._pace is None:
            return self._at
        wall, start, end = glide
        return min(end, start + (time.monotonic() - wall) * self._pace)

    def halt(self) -> None:
        """Time stands still from here on."""
        self._at, self._glide = self.now(), None

    def reaches(self, due: float) -> bool:
        """May time be `due` at once?"""
        return self._pace is None or due <= self.now()

    def reach(self, due: float) -> None:
        """Time is `due`, if that is still to come."""
        self._at, self._glide = max(due, self._at if self._pace is None else self.now()), None

    def glide(self, due: float | None) -> float:
        """Let time pass towards `due`; seconds of wall time until then."""
        if self._pace is None:
            return math.inf
        self.halt()
        end = math.inf if due is None else due
        self._glide = (time.monotonic(), self._at, end)
        return (end - self._at) / self._pace


class Account:
    """Counters of a run, and the watchdog's eye on the leases."""

    def __init__(self, watchdog_seconds: float) -> None:
        self._watchdog_seconds = watchdog_seconds
        self._wall: defaultdict[str, float] = defaultdict(float)
        self._state, self._since = "start", time.monotonic()
        self._turns = self._fired = 0
        self._hung: list[str] = []
        self._failures: list[str] = []

    def enter(self, state: str) -> None:
        """Wall time from now on belongs to `state`."""
        now = time.monotonic()
        self._wall[self._state] += now - self._since
        self._state, self._since = state, now

    def count(self, items: int) -> None:
        """`items` were started together."""
        self._turns += 1
        self._fired += items

    def watch(self, held: Held) -> None:
        """Name whoever holds time for too long."""
        for message in held.hung(self._watchdog_seconds):
            self._hung.append(message)
            _LOG.warning("%s", message)

    def fail(self, message: str) -> None:
        """A callback raised."""
        self._failures.append(message)

    def report(self) -> dict[str, Any]:
        """The counters as JSON."""
        self.enter(self._state)
        wall = {state: round(seconds, 3) for state, seconds in self._wall.items()}
        return {
            "turns": self._turns,
            "fired": self._fired,
            "wall": wall,
            "hung": list(self._hung),
            "failures": list(self._failures),
        }


def run_guarded(fn: Callable[[], object] | None, account: Account) -> None:
    """Run a callback; what it raises is reported as an uncaught exception of a thread is, and counted."""
    try:
        if fn is not None:
            fn()
    except ClockStopped:
        return
    except Exception as error:  # noqa: BLE001 - the last stop: the clock has to outlive it
        account.fail(repr(error))
        current = threading.current_thread()
        threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, current)))
