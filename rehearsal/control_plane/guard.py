"""Own processes of a rehearsal that never outlive it: the near end of `keeper.py`.

Anything that must be gone after Ctrl-C, a crash or SIGKILL is started through a Guard, together with its directory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rehearsal.control_plane import scratch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEEPER = Path(__file__).with_name("keeper.py")
STOP_SECONDS = 20


class Guard:
    """Starts processes; `stop`, or the end of this process in any way, kills them and removes `directory`."""

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        in_use = scratch.hold(directory)
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), str(directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd="/",
                text=True,
                start_new_session=True,  # Ctrl-C in the terminal must not reach it before the rehearsal is done
                pass_fds=(in_use,),
            )
        finally:
            os.close(in_use)

    def start(self, argv: Sequence[str | Path | int], *, log: Path, env: Mapping[str, str] | None = None) -> int:
        """Start a process, its output appended to `log`; its pid.

        Raises: ChildProcessError when the keeper is gone or cannot start it.
        """
        order = {"argv": [str(word) for word in argv], "env": dict(env or os.environ), "log": str(log)}
        with self._lock:
            if self._keeper.stdin is None or self._keeper.stdout is None or self._keeper.stdin.closed:
                raise ChildProcessError(f"cannot start {argv[0]}: the guard has been stopped")
            try:
                self._keeper.stdin.write(json.dumps(order) + "\n")
                self._keeper.stdin.flush()
            except BrokenPipeError as error:
                raise ChildProcessError(f"cannot start {argv[0]}: the keeper has died") from error
            answer = self._keeper.stdout.readline()
        if not answer:
            raise ChildProcessError(f"cannot start {argv[0]}: the keeper said why on standard error")
        return int(answer)

    def stop(self) -> None:
        """Kill every process and remove the directory; once is enough, twice does no harm."""
        with self._lock:
            if self._keeper.stdin and not self._keeper.stdin.closed:
                self._keeper.stdin.close()
            self._keeper.wait(STOP_SECONDS)
            if self._keeper.stdout:
                self._keeper.stdout.close()


def is_alive(pid: int) -> bool:
    """Whether a process started by a Guard still runs; the keeper reaps its children, so none is left a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
