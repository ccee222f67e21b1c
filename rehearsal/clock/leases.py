"""Who keeps time from passing: named leases, and threads that wait without theirs.

A lease has a name and a start, so that a hung one can be reported by its holder: without that, a rehearsal that
stands still is a silent one.
"""

import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rehearsal.clock.agenda import Timer

_FRAMES = 6


class ClockStopped(BaseException):
    """Unwinds a thread that waits on a clock which was stopped; no handler of ordinary errors may keep it alive."""


@dataclass(eq=False, slots=True)
class Lease:
    """While one is held, simulated time stands still."""

    holder: str
    since: float = 0.0
    thread: int = 0
    reported: bool = False

    def renew(self) -> None:
        """Starts counting from now, in the calling thread."""
        self.since, self.thread, self.reported = time.monotonic(), threading.get_ident(), False


class Parked:
    """A thread that waits. Its leases come back to it before it wakes: there is no gap in which time could pass."""

    def __init__(self, leases: list[Lease], key: str) -> None:
        self.leases, self.key = leases, key
        self.timer: Timer | None = None
        self.woken = False
        self._stopped = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def block(self) -> None:
        """Waits for `open`. Raises: ClockStopped."""
        self._gate.acquire()
        if self._stopped:
            raise ClockStopped
        for lease in self.leases:
            lease.renew()

    def open(self) -> None:
        """Lets the thread go on."""
        self._gate.release()

    def stop(self) -> None:
        """Lets the thread unwind."""
        self._stopped = True
        self.open()


@dataclass
class Held:
    """The leases held now. Not locked: the clock holds its lock around every call."""

    leases: set[Lease] = field(default_factory=set)

    def add(self, leases: list[Lease]) -> None:
        """Take `leases`; the thread they go to renews them once it runs."""
        for lease in leases:
            lease.since = time.monotonic()
        self.leases.update(leases)

    def drop(self, leases: list[Lease]) -> None:
        """Give `leases` back."""
        self.leases.difference_update(leases)

    def holders(self) -> dict[str, float]:
        """Name to seconds of wall time."""
        now = time.monotonic()
        return {lease.holder: round(now - lease.since, 3) for lease in list(self.leases)}

    def hung(self, limit_seconds: float) -> list[str]:
        """Leases held for longer than the limit, each reported once, with where their thread stands."""
        now = time.monotonic()
        late = [lease for lease in self.leases if now - lease.since > limit_seconds and not lease.reported]
        for lease in late:
            lease.reported = True
        return [f"{lease.holder} holds time for {now - lease.since:.1f} s at\n{_where(lease)}" for lease in late]


def _where(lease: Lease) -> str:
    frame = sys._current_frames().get(lease.thread)  # noqa: SLF001 - the documented way to another thread's stack
    return "".join(traceback.format_stack(frame)[-_FRAMES:]) if frame else "(no such thread)"
