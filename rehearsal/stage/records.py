"""Keeps what every execution did, as the engine tells it: for the end of the story, the report and the live view."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rehearsal.chronicle import Chronicle
from rehearsal.deploy import STACK
from rehearsal.engine import Progress
from rehearsal.report import ExecutionResult

RUNNING = "RUNNING"
IGNORED = "Ignored"
"""The state in which an execution ends that found out that its event is none of ours."""


@dataclass
class Record:
    """One execution; times are simulated epoch seconds."""

    arn: str
    machine: str
    name: str
    started: float
    status: str = RUNNING
    ended: float | None = None
    error: str | None = None
    cause: str | None = None
    output: str | None = None
    states: list[tuple[float, str]] = field(default_factory=list)
    redriven: int = 0

    @property
    def ignored(self) -> bool:
        """Whether it ended because its event was none of ours: such ones are not counted."""
        return self.status == "SUCCEEDED" and bool(self.states) and self.states[-1][1] == IGNORED

    def result(self, start: float) -> ExecutionResult:
        """With seconds that count from the story's start."""
        return ExecutionResult(
            machine=self.machine,
            name=self.name,
            status=self.status,
            started=self.started - start,
            ended=None if self.ended is None else self.ended - start,
            error=self.error,
            cause=self.cause,
            states=tuple((at - start, state) for at, state in self.states),
            redriven=self.redriven,
            ignored=self.ignored,
        )


class Records:
    """By ARN, in the order of their start; its `listen` is the engine's listener."""

    def __init__(self) -> None:
        self.chronicle: Chronicle | None = None
        self.listeners: list[Callable[[Record, str], object]] = []
        """Told of each state that is entered."""
        self._by_arn: dict[str, Record] = {}

    def listen(self, progress: Progress) -> None:
        """Take in one step of one execution."""
        name = machine_name(progress.machine_arn)
        record = self._by_arn.setdefault(progress.arn, Record(progress.arn, name, progress.name, progress.at))
        if progress.state is not None:
            record.states.append((progress.at, progress.state))
            for listener in tuple(self.listeners):
                listener(record, progress.state)
        else:  # it starts, is redriven, or ends
            record.redriven += progress.status == RUNNING and bool(record.states)
            record.status, record.ended = progress.status, None if progress.status == RUNNING else progress.at
            record.error, record.cause, record.output = progress.error, progress.cause, progress.output
        if self.chronicle is not None:
            self.chronicle.entered(name, record.name, progress.state or progress.status)

    def all(self) -> list[Record]:
        """Every execution so far."""
        return list(self._by_arn.values())

    def running(self, machine: str | None = None) -> list[Record]:
        """Those that have not ended, of one machine or of all."""
        return [r for r in self.all() if r.status == RUNNING and machine in (None, r.machine)]


def machine_name(arn: str) -> str:
    """`rotate_ami` for the machine that the stack calls gpuops-rotate-ami."""
    return arn.rsplit(":", 1)[-1].removeprefix(f"{STACK}-").replace("-", "_")
