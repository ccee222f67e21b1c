"""Drop-ins for threading.Thread and threading.Event which live on the clock.

A simulated thread runs alone (it holds the baton) until it ends or waits; a wait gives the baton on. So code written
for preemptive threads, such as moto's Step Functions interpreter, runs deterministically without being changed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rehearsal.clock.agenda import Timer
from rehearsal.clock.baton import Lineage
from rehearsal.clock.clock import Clock

if TYPE_CHECKING:
    from rehearsal.clock.leases import Parked

_FOREVER_SECONDS = 90_000_000  # AWS's 99999999 means no time-out; as a timer it would be the last jump of every run


class SimEvent:
    """An event; a thread that waits for it gives its leases back and queues up once it is set."""

    def __init__(self, clock: Clock, key: str = "event") -> None:
        self._baton, self._key = clock.baton, key
        self._flag = False
        self._waiting: list[Parked] = []

    def is_set(self) -> bool:
        """Is it set?"""
        return self._flag

    def clear(self) -> None:
        """Unset it."""
        self._flag = False

    def set(self) -> None:
        """Set it: whoever waits is queued at this instant, also if it is unset at once."""
        with self._baton.lock:
            self._flag = True
            waiting, self._waiting = self._waiting, []
            for parked in waiting:
                self._baton.wake(parked)
            self._baton.pass_on()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait in simulated time; False on time-out."""
        if timeout is not None and timeout >= _FOREVER_SECONDS:
            timeout = None
        with self._baton.lock:
            if self._flag or (timeout is not None and timeout <= 0):
                return self._flag
            parked = self._baton.park(timeout, self._wait_key())
            self._waiting.append(parked)
            self._baton.pass_on()
        parked.block()
        with self._baton.lock:
            if parked in self._waiting:
                self._waiting.remove(parked)
        return parked.woken

    def _wait_key(self) -> str:
        """Each wait of a thread has its own rank, so that the seed, not the thread's name, decides each race."""
        lineage = self._baton.local.lineage
        return self._key if lineage is None else f"{lineage.key}#{next(lineage.waits)}"


class SimThread:
    """A thread; named after its parent and its number among its siblings, unless it is given a key."""

    def __init__(
        self,
        clock: Clock,
        target: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        name: str | None = None,
        daemon: bool | None = None,
    ) -> None:
        self._clock = clock
        parent = clock.baton.local.lineage
        self.key = key or (f"{parent.key}/{next(parent.children)}" if parent else clock.next_root())
        self.name, self.daemon, self.native_id = name or self.key, daemon, None
        self._target, self._args, self._kwargs = target, tuple(args), dict(kwargs or {})
        self._ended = SimEvent(clock, self.key)
        self._started = False

    def start(self) -> None:
        """Queue it for this instant."""
        if self._started:
            raise RuntimeError("threads can only be started once")
        self._started = True
        baton = self._clock.baton
        with baton.lock:
            baton.agenda.push(Timer(self._clock.now(), self.key, self._run))
            baton.pass_on()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, in simulated time."""
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Started and not ended."""
        return self._started and not self._ended.is_set()

    def _run(self) -> None:
        self._clock.baton.local.lineage = Lineage(self.key)
        try:
            self._target(*self._args, **self._kwargs)
        finally:
            self._ended.set()
