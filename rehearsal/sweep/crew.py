"""Who runs the trials: this process, or several beside each other, each on premises of its own.

A rehearsal hands one baton on from process to process, so two of them leave parts of two cores idle.
"""

from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from rehearsal.sweep.cases import Case
from rehearsal.sweep.stage import Stage
from rehearsal.sweep.story import Story
from rehearsal.sweep.tally import Violation
from rehearsal.sweep.trial import Trial
from rehearsal.sweep.verdict import Verdict

Outcome = tuple[Verdict, list[Violation]]
END_SECONDS = 60.0


class Worker(Protocol):
    """One that runs one trial at a time."""

    def cases(self, workflow: str) -> list[Case]:
        """What can go wrong in a story. Raises: RuntimeError when it does not pass by itself."""

    def run(self, workflow: str, trial: Trial) -> Outcome:
        """Run a story with that going wrong. Raises: RuntimeError."""

    def close(self) -> None:
        """End."""


class Here:
    """Runs them in this process; what runs leave is in `runs`, and scenarios that break something under `out`."""

    def __init__(self, out: Path, runs: Path, stage: Stage | None = None) -> None:
        self._out, self._runs = out, runs
        self._stage = stage or Stage(_unsaid)
        self._stories: dict[str, Story] = {}

    def cases(self, workflow: str) -> list[Case]:
        """As a run without a fault lists them."""
        return self._story(workflow).reference()

    def run(self, workflow: str, trial: Trial) -> Outcome:
        """On premises that are kept."""
        return self._story(workflow).run(trial)

    def close(self) -> None:
        """End the premises."""
        self._stage.close()

    def _story(self, workflow: str) -> Story:
        if workflow not in self._stories:
            self._stories[workflow] = Story(workflow, self._stage, self._out, self._runs)
        return self._stories[workflow]


class Beside:
    """The same in a process of its own."""

    def __init__(self, out: Path, runs: Path) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, out, runs), daemon=True)
        self._process.start()
        theirs.close()

    def cases(self, workflow: str) -> list[Case]:
        """As a run without a fault lists them."""
        return self._asked("cases", workflow)  # type: ignore[return-value]

    def run(self, workflow: str, trial: Trial) -> Outcome:
        """There."""
        return self._asked("run", workflow, trial)  # type: ignore[return-value]

    def close(self) -> None:
        """Let it end its premises."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join(END_SECONDS)

    def _asked(self, *what: object) -> object:
        try:
            self._pipe.send(what)
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(END_SECONDS)
            raise RuntimeError(f"a worker ended with exit code {self._process.exitcode}") from error
        if isinstance(answer, RuntimeError):
            raise answer
        return answer


def crew_of(workers: int, out: Path) -> list[Worker]:
    """So many; a single one works here."""
    if workers == 1:
        return [Here(out, out)]
    return [Beside(out, out / str(number)) for number in range(1, workers + 1)]


def _serve(pipe: Connection, out: Path, runs: Path) -> None:
    """Do what comes down the pipe until nothing comes any more."""
    worker = Here(out, runs)
    try:
        with suppress(BrokenPipeError):  # whoever asked is gone
            while asked := _next(pipe):
                pipe.send(_answer(worker, *asked))
    finally:
        worker.close()


def _next(pipe: Connection) -> tuple[Any, ...] | None:
    with suppress(EOFError, KeyboardInterrupt):  # whoever asks is gone, or ends as we do
        return pipe.recv()  # type: ignore[no-any-return]
    return None


def _answer(worker: Here, what: str, workflow: str, *trial: Trial) -> object:
    try:
        return worker.run(workflow, *trial) if what == "run" else worker.cases(workflow)
    except RuntimeError as error:
        return error


def _unsaid(_: str) -> None:
    """A control plane that starts is no news."""
