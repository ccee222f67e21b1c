"""What the rehearsals of one process share: layers unpacked once, and the servers that have imported their libraries.

A test run rehearses some fifty scenarios on the same layer. Measured: unpacking its 60 MB and importing its libraries
took two to three seconds of each. Neither is changed by a rehearsal: no function may write into its layer, and a
server does nothing but import and fork.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Collection
from functools import cache
from pathlib import Path

from rehearsal.control_plane import Guard, scratch_directory
from rehearsal.lambdas.forks import Forks, libraries_for, modules_ahead
from rehearsal.lambdas.sandbox import base_environment, link_runtime, unpack

Layers = tuple[bytes, ...]


class Shelf:
    """A folder that goes with this process, and a server for each set of layers that is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._guard = Guard(folder)
        self._lock = threading.Lock()
        self._servers: dict[tuple[Layers, tuple[str, ...]], Forks] = {}
        self._fresh: list[Forks] = []

    def forks(self, layers: Layers, code: Path, used: Collection[Layers]) -> Forks:
        """Whoever forks off processes with these layers for this code; a new one ends those that are not `used`."""
        with self._lock:
            key = (layers, libraries_for(code))
            found = self._servers.get(key)
            if found is None or not found.alive:
                self._close_all_but(used)
                found = self._servers[key] = self._serve(*key)
            return found

    def fresh(self, layers: Layers) -> Forks:
        """Whoever forks off one process with these layers, from an interpreter that starts now and imports nothing."""
        with self._lock:
            for forks in [forks for forks in self._fresh if not forks.busy]:
                self._fresh.remove(forks)
                forks.close()
            paths = [*(unpack(layer, self.folder) / "python" for layer in layers), link_runtime(self.folder)]
            forks = Forks(paths, (), base_environment(self.folder), self.folder / "libraries.log")
            self._fresh.append(forks)
            return forks

    def _serve(self, layers: Layers, libraries: tuple[str, ...]) -> Forks:
        unpacked = [unpack(layer, self.folder) / "python" for layer in layers]
        ahead = (*libraries, *modules_ahead(unpacked))
        paths = [*unpacked, link_runtime(self.folder)]
        return Forks(paths, ahead, base_environment(self.folder), self.folder / "libraries.log")

    def close(self) -> None:
        """End every server, and remove the folder; with the process at the latest, however it ends."""
        with self._lock:
            self._close_all_but(())
        self._guard.stop()

    def _close_all_but(self, used: Collection[Layers]) -> None:
        """Layers that were deployed anew leave nobody behind."""
        for forks in self._fresh if not used else ():
            forks.close()
        for key in [key for key in self._servers if key[0] not in used]:
            self._servers.pop(key).close()


@cache
def shelf() -> Shelf:
    """The one of this process, which waits for its end: nobody who looks right after it finds the folder."""
    made = Shelf(scratch_directory())
    atexit.register(made.close)
    return made
