"""The outcome of one rehearsal as data; the command prints it and exits by it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class ExecutionResult:
    """One execution of the story; seconds count from the story's start."""

    machine: str
    name: str
    status: str
    started: float
    ended: float | None
    error: str | None
    cause: str | None
    states: tuple[tuple[float, str], ...]
    redriven: int = 0
    """How often."""
    ignored: bool = False
    """It found that its event was none of ours, or that there was nothing left to do."""

    @property
    def simulated_seconds(self) -> float | None:
        """How long it ran; None while it runs."""
        return None if self.ended is None else round(self.ended - self.started, 3)


@dataclass(frozen=True)
class Result:
    """What the observer saw and what was expected, together."""

    scenario: str
    status: Literal["passed", "failed"]
    executions: tuple[ExecutionResult, ...]
    observed: dict[str, Any]
    """As the observer gives it: violations, nodes_replaced, min_ready_gpus, evictions, …"""
    unmet: tuple[str, ...]
    """Expectations of the scenario that did not hold."""
    wall_seconds: float
    simulated_seconds: float
    report: str
    clock: dict[str, Any] = field(default_factory=dict)
    escalations: int = 0
    """How often the product called a person."""

    @property
    def missed(self) -> list[str]:
        """What was expected and did not come, and what the observer saw broken, in words."""
        return [*self.unmet, *(f"{broken['rule']}: {broken['what']}" for broken in self.observed["violations"])]

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints and result.json holds."""
        executions = [
            {"machine": e.machine, "name": e.name, "status": e.status, "simulated_seconds": e.simulated_seconds}
            | ({"error": e.error, "cause": e.cause} if e.error else {})
            for e in self.executions
        ]
        return asdict(self) | {"executions": executions, "unmet": list(self.unmet)}
