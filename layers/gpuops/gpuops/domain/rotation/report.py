"""What a run's report holds: what was planned, each node's steps with their times, what was put back, what failed."""

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel

Line = dict[str, Any]


class Step(BaseModel):
    """One phase of one node: a function that was asked until it had its answer."""

    function: str
    began: datetime
    ended: datetime
    asked: int
    status: str
    reason: str

    @property
    def seconds(self) -> float:
        """From the first to the last time it was asked."""
        return (self.ended - self.began).total_seconds()


class Report(BaseModel):
    """Everything that is known of the run when it ends."""

    name: str
    written: datetime
    run: Line | None = None
    plan: Line | None = None
    change: Line | None = None
    nodes: list[Line] = []
    close: Line | None = None
    error: Line | None = None
    lines: list[Line] = []

    @property
    def outcome(self) -> str:
        """One word for the head of the page."""
        if self.error:
            return f"failed: {self.error.get('name', 'error')}"
        return str((self.plan or {}).get("status", "unknown")).replace("roll", "rolled")

    @property
    def reason(self) -> str:
        """Why it ended so."""
        return str((self.error or self.plan or {}).get("reason", ""))

    def steps(self) -> dict[str, list[Step]]:
        """Return each node's phases in the order in which they began; those of the whole run under an empty name."""
        found: dict[str, list[Step]] = {}
        for line in self.lines:
            steps = found.setdefault(str(line.get("subject") or ""), [])
            if steps and steps[-1].function == line.get("function"):
                steps[-1] = _longer(steps[-1], line)
            else:
                steps.append(_first(line))
        return found


def report_key(name: str) -> str:
    """Return where the report lies; a name that came from outside never leaves its folder."""
    return "reports/" + re.sub(r"[^A-Za-z0-9_-]", "_", name)[:200]


def _first(line: Line) -> Step:
    at = datetime.fromisoformat(str(line["at"]))
    return Step(function=str(line.get("function", "")), began=at, ended=at, asked=1, **_ended(line))


def _longer(step: Step, line: Line) -> Step:
    at = datetime.fromisoformat(str(line["at"]))
    return step.model_copy(update={"ended": at, "asked": step.asked + 1, **_ended(line)})


def _ended(line: Line) -> dict[str, str]:
    """What the function said last."""
    return {"status": str(line.get("error") or line.get("status") or ""), "reason": str(line.get("reason") or "")}
