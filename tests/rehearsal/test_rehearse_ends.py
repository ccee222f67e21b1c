"""The command's own end, however it comes: no process, no file outside its folder and the cache.

Covered: Ctrl-C and SIGKILL in the middle of a story, each in a temporary folder of its own, so that whatever is left
behind shows. Both are started together, since most of their time is the way to that middle.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GPUOPS = Path(sys.executable).with_name("gpuops")
PATIENCE_SECONDS = 120
pytestmark = pytest.mark.cluster


class Run:
    """`gpuops rehearse smoke_fails` with its own place for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.scratch, self.out, self._said = folder / "scratch", folder / "out", folder / "said"
        self.scratch.mkdir()
        command = [str(GPUOPS), "rehearse", "smoke_fails", "--json", "--out", str(self.out)]
        environment = {**os.environ, "TMPDIR": str(self.scratch)}
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)

    def until_functions_run(self) -> None:
        """Until the story is under way: a function has called somebody."""
        record = self.out / "smoke_fails" / "wire.jsonl"
        eventually(lambda: (record.exists() and b"gpuops-OpenChange" in record.read_bytes()) or self._ended())

    def said(self) -> str:
        """Both of its outputs."""
        return self._said.read_text()

    def left(self) -> list[str]:
        """Command lines of processes that were started in the scratch folder or got a path in it."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                place = str((process / "cwd").readlink())
            except OSError:  # it has ended meanwhile
                continue
            if str(self.scratch) in command + place:
                found.append(command)
        return found

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.said()
        return False


def eventually(holds: Callable[[], bool]) -> None:
    """Wait in real time until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Run]]:
    """Two rehearsals under way, each in a process of its own."""
    started = [Run(tmp_path_factory.mktemp("ends")) for _ in range(2)]
    try:
        for run in started:
            run.until_functions_run()
            assert run.left()
        yield started
    finally:
        for run in started:
            run.process.kill()
            run.process.wait()


def test_ctrl_c_leaves_nothing(runs: list[Run]) -> None:
    """It ends at once, with the shell's code for an interrupted command and without a traceback."""
    interrupted = runs[0]

    interrupted.process.send_signal(signal.SIGINT)

    assert interrupted.process.wait(30) == 130, interrupted.said()
    assert "Traceback" not in interrupted.said()
    assert (interrupted.left(), [*interrupted.scratch.iterdir()]) == ([], [])
    assert sorted(path.name for path in interrupted.scratch.parent.iterdir()) == ["out", "said", "scratch"]


def test_sigkill_leaves_nothing_either(runs: list[Run]) -> None:
    """Nobody can clean up after that but the guard, which outlives the command by a moment."""
    killed = runs[1]

    killed.process.kill()
    killed.process.wait()

    eventually(lambda: not killed.left() and not [*killed.scratch.iterdir()])
