"""The near end of `launch.py`: processes of functions that need not import their libraries anew.

Measured: of the CPU that a small rehearsal took, a third went into the same imports in sixteen processes. What is
imported once for all may read nothing at its import that differs between functions; a test holds the list to that.
Of ours that is the domain, which is pure, and the adapters, which read their variables when they are made.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

LAUNCH = Path(__file__).with_name("launch.py")
LIBRARIES = (
    "botocore.session", "botocore.signers", "dateutil.parser", "kubernetes.client.exceptions", "kubernetes.client.rest",
    "pydantic.fields", "pydantic.functional_validators", "pydantic.main", "pydantic.networks", "pydantic.types",
    "simplejson", "urllib3", "yaml",
)  # fmt: skip
"""Not powertools, not the runtime client: their imports read the function's environment."""
OURS = ("gpuops/domain", "gpuops/adapters")
"""Folders of the layer; not `entry`, which imports powertools."""
IMPORT_SECONDS = 60.0
"""Lambda gives 10; a busy laptop may need more, and a slow import is `bench coldstart`'s business."""

# PR_SET_PDEATHSIG fires when the *thread* that forked ends, so one thread that lives as long as we do forks them all.
_FORKER = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="lambda-forker")


class Forked:
    """One process; it runs until its end is told."""

    def __init__(self, pid: int) -> None:
        self._pid, self._status = pid, -signal.SIGKILL
        self._ended = threading.Event()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._pid

    @property
    def alive(self) -> bool:
        """Whether its end has not been told."""
        return not self._ended.is_set()

    def kill(self) -> None:
        """End it at once; harmless if it has ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit status, or the signal that ended it as a negative number."""
        self._ended.wait()
        return self._status

    def end(self, status: int) -> None:
        """Tell its end."""
        self._status = status
        self._ended.set()


class Forks:
    """The server of one set of folders with libraries, and the processes that it forked."""

    def __init__(self, paths: list[Path], libraries: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
        self.paths = paths
        self._lock, self._started = threading.Lock(), queue.SimpleQueue[Forked | None]()
        self._forked: dict[int, Forked] = {}
        self._orders_taken = False
        command = [sys.executable, "-P", "-S", str(LAUNCH), str(os.getpid()), *libraries]
        variables = environment | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
        with log.open("ab") as said:
            self._server = _FORKER.submit(_popen, command, variables, said.fileno()).result()
        self._orders, self._told = cast("IO[bytes]", self._server.stdin), cast("IO[bytes]", self._server.stdout)
        threading.Thread(target=self._listen, name="lambda-forks", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can fork."""
        return self._server.poll() is None

    @property
    def busy(self) -> bool:
        """Whether a process that it forked still runs, or none was asked for yet."""
        return self.alive and (not self._orders_taken or bool(self._forked))

    def start(self, folder: Path, environment: dict[str, str], log: Path) -> Forked:
        """Fork one off, to run the code in `folder`.

        Raises: ChildProcessError when the server has ended.
        """
        order = {"parent": self._server.pid, "folder": str(folder), "env": environment, "log": str(log.absolute())}
        self._orders_taken = True
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError, queue.Empty):
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()
            forked = self._started.get(timeout=IMPORT_SECONDS)
            if forked is not None:
                return forked
        raise ChildProcessError("no process can be forked off for functions: their log folder says why")

    def close(self) -> None:
        """End it, and with it every process that it forked."""
        self._server.kill()
        self._server.wait()

    def _listen(self) -> None:
        """Read what it tells until it ends; then all of them have ended."""
        for line in self._told:
            said = json.loads(line)
            if "started" in said:
                forked = self._forked[said["started"]] = Forked(said["started"])
                self._started.put(forked)
            else:
                self._forked.pop(said["ended"]).end(said["status"])
        self._server.wait()
        for forked in self._forked.values():
            forked.end(-signal.SIGKILL)
        self._started.put(None)
        self._orders.close()
        self._told.close()


def libraries_for(code: Path) -> tuple[str, ...]:
    """What can be imported ahead of this code: nothing that it brings a module of its own for."""
    own = {path.stem for path in code.iterdir()}
    return tuple(name for name in LIBRARIES if name.partition(".")[0] not in own)


def modules_ahead(layers: Iterable[Path]) -> tuple[str, ...]:
    """Names of all modules in the folders of ours, of the layers that have them."""
    found = (path.relative_to(layer) for layer in layers for ours in OURS for path in (layer / ours).rglob("*.py"))
    return tuple(sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found))


def _popen(command: list[str], variables: dict[str, str], said: int) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd="/", env=variables, stdin=pipe, stdout=pipe, stderr=said)
