"""What is due when: one queue of callbacks to run and of parked threads to wake.

Threads made ready and timers that expire share the queue, because both compete for the same instant: their order
is (time, hash of seed and key, arrival), so it depends on names and the seed alone, never on which thread was faster.
"""

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.clock.leases import Parked


@dataclass(eq=False, slots=True)
class Timer:
    """One entry of the queue: a callback, or (without one) a parked thread to wake."""

    due: float
    key: str
    fn: Callable[[], object] | None = None
    parked: Parked | None = None
    batch: str | None = None
    live: bool = True


class Agenda:
    """The queue. Not locked: the clock holds its lock around every call."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._heap: list[tuple[float, bytes, int, Timer]] = []
        self._arrivals = 0

    def push(self, timer: Timer) -> Timer:
        """Queue `timer`."""
        timer.due = round(timer.due, 6)
        self._arrivals += 1
        heapq.heappush(self._heap, (timer.due, self._rank(timer.key), self._arrivals, timer))
        return timer

    def drop(self, timer: Timer) -> None:
        """Forget `timer`; it may have fired or been dropped before."""
        timer.live = False

    def top(self) -> Timer | None:
        """The next entry, still queued."""
        while self._heap and not self._heap[0][3].live:
            heapq.heappop(self._heap)
        return self._heap[0][3] if self._heap else None

    def first(self, count: int, hidden: str) -> list[Timer]:
        """The next entries, but for those whose key begins with `hidden`."""
        shown = (entry for entry in self._heap if entry[3].live and not entry[3].key.startswith(hidden))
        return [entry[3] for entry in heapq.nsmallest(count, shown)]

    def pop(self) -> list[Timer]:
        """The next entry with, if it belongs to a batch, all the others of its batch and instant."""
        first = heapq.heappop(self._heap)
        found = [first]
        if first[3].batch is not None:
            found += sorted(entry for entry in self._heap if self._together(entry[3], first[3]))
        for entry in found:
            self.drop(entry[3])
        return [entry[3] for entry in found]

    @staticmethod
    def _together(timer: Timer, first: Timer) -> bool:
        return timer.live and timer.due == first.due and timer.batch == first.batch

    def _rank(self, key: str) -> bytes:
        return hashlib.blake2b(f"{self._seed}\0{key}".encode(), digest_size=8).digest()
