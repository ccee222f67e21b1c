"""Starts processes for a rehearsal and ends them, however the rehearsal itself ends.

A process killed with SIGKILL runs no clean-up, and Linux's parent-death signal fires already when the *thread* that
forked is gone; so the children belong to this small process instead, which has one thread, reads orders from a pipe,
and knows by the pipe's end that the rehearsal is no more. Run as a script, with the standard library only.

argv: the directory to remove at the end. In: one JSON object a line {argv, env, log}. Out: the pid, one a line.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def die_with(parent: int) -> None:
    """In the child, before exec: ask the kernel to kill it with the keeper, should the keeper itself be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the keeper died between fork and prctl


def start(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    """One child, its output in a file."""
    keeper = os.getpid()
    with open(order["log"], "ab") as log:  # noqa: PTH123 - pathlib costs a third of this script's start
        return subprocess.Popen(
            order["argv"],
            env=order["env"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: die_with(keeper),  # noqa: PLW1509 - the keeper has one thread
        )


def main() -> None:
    """Serve orders until the pipe ends; then leave nothing behind."""
    children: list[subprocess.Popen[bytes]] = []
    for ignored in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C is for the rehearsal, whose end ends the pipe
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGCHLD, lambda *_: [child.poll() for child in children] and None)
    try:
        for line in iter(sys.stdin.readline, ""):
            children.append(start(json.loads(line)))
            print(children[-1].pid, flush=True)
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for child in reversed(children):
            child.kill()  # their data is thrown away, so nobody needs a graceful end
        for child in children:
            child.wait()
        shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
