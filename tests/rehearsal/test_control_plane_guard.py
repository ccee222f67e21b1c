"""Nothing outlives a rehearsal: no process and no file, whichever way it ends.

Covers: stop, normal end without stop, SIGINT to the process group, SIGKILL of the rehearsal, SIGKILL of the keeper,
a program that does not exist, stale directories, and the real control plane under SIGKILL.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.control_plane import Guard, scratch
from rehearsal.control_plane.guard import is_alive

PARENT = """
import sys, time
from pathlib import Path
from rehearsal.control_plane import Guard
directory = Path(sys.argv[1])
guard = Guard(directory)
pids = [guard.start(["sleep", "600"], log=directory / "log") for _ in range(2)]
print(*pids, guard._keeper.pid, flush=True)
{end}
"""
SIGKILL, SIGINT = signal.SIGKILL, signal.SIGINT


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait in real time: these are real processes."""
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def parent(directory: Path, end: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A rehearsal in a process of its own; it, and the pids of its two children and their keeper."""
    argv = [sys.executable, "-c", PARENT.format(end=end), str(directory)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout
    return process, [int(word) for word in process.stdout.readline().split()]


def test_stop_ends_processes_and_removes_the_directory(tmp_path: Path) -> None:
    """The ordinary way out; a second stop does no harm."""
    guard = Guard(tmp_path / "d")
    pid = guard.start(["sleep", "600"], log=tmp_path / "d" / "log")
    assert is_alive(pid)
    guard.stop()
    guard.stop()
    assert not is_alive(pid)
    assert not (tmp_path / "d").exists()


def test_a_process_gets_its_environment_and_its_output_goes_to_the_log(tmp_path: Path) -> None:
    """Exactly the environment given: a credential of the person at the keyboard must not leak in."""
    guard = Guard(tmp_path / "d")
    log = tmp_path / "log"
    pid = guard.start([sys.executable, "-c", "import os; print(sorted(os.environ))"], log=log, env={"LC_ALL": "C"})
    eventually(lambda: not is_alive(pid), "the process never ended")
    guard.stop()
    assert log.read_text() == "['LC_ALL']\n"


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "import os; os._exit(1)"])
def test_the_end_of_the_rehearsal_without_stop_ends_everything(tmp_path: Path, end: str) -> None:
    """A crash before stop."""
    process, pids = parent(tmp_path / "d", end)
    process.wait(10)
    for pid in pids[:-1]:
        eventually(lambda pid=pid: not is_alive(pid), f"{pid} is still there")  # type: ignore[misc]
    eventually(lambda: not (tmp_path / "d").exists(), "the directory is still there")


@pytest.mark.parametrize("number", [SIGKILL, SIGINT])
def test_a_signal_to_the_whole_rehearsal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    """SIGINT goes to the process group, as Ctrl-C does; the keeper must survive it to clean up."""
    process, pids = parent(tmp_path / "d", "time.sleep(600)")
    os.killpg(process.pid, number)
    process.wait(10)
    for pid in pids[:-1]:
        eventually(lambda pid=pid: not is_alive(pid), f"{pid} is still there")  # type: ignore[misc]
    eventually(lambda: not (tmp_path / "d").exists(), "the directory is still there")


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_even_the_keepers_death_ends_its_processes(tmp_path: Path) -> None:
    """Its directory stays, and the next rehearsal removes it."""
    directory = scratch.scratch_directory(tmp_path)
    process, pids = parent(directory, "time.sleep(600)")
    children, keeper = pids[:-1], pids[-1]
    os.kill(keeper, SIGKILL)
    for pid in children:
        eventually(lambda pid=pid: not is_alive(pid), f"{pid} is still there")  # type: ignore[misc]
    process.kill()
    process.wait(10)
    assert directory.exists()

    scratch.scratch_directory(tmp_path)

    assert not directory.exists()


def test_a_program_that_does_not_exist_is_an_error_here(tmp_path: Path) -> None:
    """The caller hears of it, and nothing is left."""
    guard = Guard(tmp_path / "d")
    with pytest.raises(ChildProcessError, match=r"no-such-program"):
        guard.start([tmp_path / "no-such-program"], log=tmp_path / "d" / "log")
    guard.stop()
    assert not (tmp_path / "d").exists()


def test_a_directory_in_use_is_not_stale(tmp_path: Path) -> None:
    """Parallel rehearsals leave each other alone; directories of others are never touched."""
    used = scratch.scratch_directory(tmp_path)
    (tmp_path / "gpuops-of-somebody").mkdir()
    (tmp_path / "other").mkdir()
    guard = Guard(used)
    assert scratch.remove_stale(tmp_path) == []
    guard.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpuops-of-somebody", "other"]


CONTROL_PLANE = """
import time
from rehearsal.control_plane import ControlPlane, find_or_build, scratch_directory
plane = ControlPlane(scratch_directory(), find_or_build(), lambda token: None)
plane.start()
print(plane.directory, *plane.pids.values(), flush=True)
time.sleep(600)
"""


@pytest.mark.cluster
def test_the_control_plane_is_gone_after_sigkill() -> None:
    """The four real components and their data."""
    process = subprocess.Popen([sys.executable, "-c", CONTROL_PLANE], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    directory, *pids = process.stdout.readline().split()
    assert len(pids) == 4
    assert all(is_alive(int(pid)) for pid in pids)

    process.kill()
    process.wait(10)

    for pid in pids:
        eventually(lambda pid=pid: not is_alive(int(pid)), f"{pid} is still there")  # type: ignore[misc]
    eventually(lambda: not Path(directory).exists(), f"{directory} is still there")
