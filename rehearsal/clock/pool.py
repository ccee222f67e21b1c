"""Daemon threads used again and again: a rehearsal starts thousands of short ones, and waits for none at exit."""

import queue
import threading
from collections.abc import Callable

_Job = Callable[[], None]


class Pool:
    """Runs each job at once in a thread of its own; idle threads are taken first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._idle = 0
        self._threads = 0

    def run(self, job: _Job) -> None:
        """Start `job`; it has to handle its own exceptions."""
        with self._lock:
            reuse = self._idle > 0
            if reuse:
                self._idle -= 1
            else:
                self._threads += 1
        if not reuse:
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def close(self) -> None:
        """Let the idle threads end, and the busy ones after their job."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            with self._lock:
                self._idle += 1
