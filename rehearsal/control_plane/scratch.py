"""Directories for what a rehearsal needs only while it runs, and the removal of those that a crash left behind.

A directory is in use as long as somebody holds the lock on the file in it. The kernel drops that lock with the last
process that inherited it, so a stale directory is recognised without trusting process ids, which are used again.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path

PREFIX = "gpuops-"
LOCK = "in-use"


def scratch_directory(where: Path | None = None) -> Path:
    """The path of a directory to be, under the system's temporary one; stale ones go first.

    The Guard that gets it makes it, so that none is left by somebody who never came that far. The path stays short,
    because a Unix socket's may have 107 characters at most.
    """
    where = where or Path(tempfile.gettempdir())
    remove_stale(where)
    return where / f"{PREFIX}{secrets.token_hex(6)}"


def hold(directory: Path) -> int:
    """Lock the directory; the file descriptor keeps it locked, in every process that inherits it.

    Locked before the file has its name, so that nobody can find it unlocked in between.
    """
    draft = directory / f"{LOCK}.{os.getpid()}"
    descriptor = os.open(draft, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(directory / LOCK)
    return descriptor


def remove_stale(where: Path) -> list[Path]:
    """Remove what killed rehearsals left in `where`; directories in use and those of others stay."""
    stale = [lock.parent for lock in where.glob(f"{PREFIX}*/{LOCK}") if not _in_use(lock)]
    for directory in stale:
        shutil.rmtree(directory, ignore_errors=True)
    return stale


def _in_use(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:  # another user's, or just removed by another rehearsal: not ours to remove either way
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
