"""Processes of functions that one rehearsal leaves to the next, as Lambda keeps them warm between two events.

One is handed on only where the next would be started just like it: the same code and layers, role, variables and
addresses. What it wrote into its log meanwhile is copied to the rehearsal that had it.
"""

from __future__ import annotations

from pathlib import Path

from rehearsal.lambdas.process import FunctionProcess
from rehearsal.lambdas.sandbox import FunctionSpec


class Warm:
    """One process for each function, while no rehearsal has it; `folder` is where their code and logs are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.logs = folder, folder / "logs"
        self._idle: dict[str, tuple[FunctionProcess, str]] = {}
        self._read: dict[str, int] = {}

    def take(self, spec: FunctionSpec, url: str) -> FunctionProcess | None:
        """The process of a function with this specification that calls AWS at `url`; None where it starts cold."""
        process, called = self._idle.pop(spec.name, (None, ""))
        if process is None or (process.spec == spec and called == url and process.alive):
            return process
        process.close()
        return None

    def leave(self, process: FunctionProcess, url: str) -> None:
        """Keep one that waits for its next event."""
        self._idle[process.spec.name] = process, url

    def log_of(self, name: str) -> Path:
        """Where the function's processes write."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{name}.log"

    def copy_logs(self, to: Path) -> None:
        """Append what was written since the last time to the logs of a rehearsal."""
        for log in sorted(self.logs.glob("*.log")):
            text = log.read_bytes()
            new, self._read[log.name] = text[self._read.get(log.name, 0) :], len(text)
            if new:
                with (to / log.name).open("ab") as copy:
                    copy.write(new)

    def close(self) -> None:
        """End them all."""
        for process, _ in self._idle.values():
            process.close()
        self._idle.clear()
