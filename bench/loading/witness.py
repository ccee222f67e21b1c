"""Notes how much memory each function's process ever had, from outside: what Linux says of the process."""

import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.chronicle import Chronicle
from rehearsal.world import World

LOOK_SECONDS = 1.0
"""The mark is the process's highest, so only one that ends between two looks is missed, and its successor is not."""
HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass
class Witness:
    """The rehearsal's view; looks at the processes until it is told to stop."""

    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)
    peaks: dict[str, float] = field(default_factory=dict)
    """By function, the most memory of any of its processes, in MiB."""
    _over: threading.Event = field(default_factory=threading.Event)

    def phase(self, text: str) -> None:
        """Say what is being done now."""
        self.say(text)

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """Nothing: the processes themselves are watched."""

    def meet(self, world: World) -> None:
        """From now on their memory is noted."""
        threading.Thread(target=self._look, args=(world,), name="memory", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _look(self, world: World) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for name, pid in world.lambdas.running().items():
                self.peaks[name] = max(self.peaks.get(name, 0.0), peak_mib(pid))


def peak_mib(pid: int) -> float:
    """Return the most memory that a process ever had, in MiB; 0 for one that is gone."""
    try:
        found = HIGH_WATER.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
