"""What a run's report holds: what was planned, each node's steps with their times, what was put back, what failed.

A rotation and an admission share it, because an operator reads both to answer one question: why is this node here?
"""

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, computed_field

from gpuops.domain.smoke.stages import Proof, read_proof

Line = dict[str, Any]
CLAIM = "claim_node"
CHOSEN = ("claimed", "taken")
"""What it answers once it knows which old instance the slot replaces."""


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
    approval: Line | None = None
    change: Line | None = None
    judge: Line | None = None
    nodes: list[Line] = []
    rollback: Line | None = None
    back: list[Line] = []
    close: Line | None = None
    find: Line | None = None
    check: Line | None = None
    smoke: Line | None = Field(default=None, exclude=True)
    """As it came; what is written of it is `proof`."""
    admit: Line | None = None
    apply: Line | None = None
    event: Line | None = None
    isolate: Line | None = None
    diagnose: Line | None = None
    error: Line | None = None
    lines: list[Line] = []

    @property
    def outcome(self) -> str:
        """One word for the head of the page."""
        if self.error:
            return f"failed: {self.error.get('name', 'error')}"
        return str(self._last.get("status", "unknown")).replace("roll", "rolled")

    @property
    def reason(self) -> str:
        """Why it ended so."""
        return str((self.error or self._last).get("reason", ""))

    @property
    def good(self) -> bool:
        """Whether what was asked for came about."""
        unreadable = (self.find or {}).get("status") == "unreadable"
        return self.error is None and self.outcome not in ("abandoned", "kept") and not unreadable

    @property
    def _last(self) -> Line:
        """The answer that decided it: a rotation's plan, a configuration's findings, an admission's last step."""
        return self.plan or self.apply or self.admit or self.find or self.repaired

    @property
    def repaired(self) -> Line:
        """How a repair ended; of one that is none of ours, why."""
        return (self.close or self.isolate or {}) if self.isolate else {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def proof(self) -> Proof | None:
        """What the smoke's log showed; of one that failed, only the journal knows."""
        lines = [line for line in self.lines if line.get("evidence")]
        found = self.smoke or (lines[-1] if lines else None)
        return read_proof(found) if found else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def replaced(self) -> dict[str, str]:
        """From each slot of the plan to the instance that it replaced: which one was decided only at its claim."""
        claims = [line for line in self.lines if line.get("function") == CLAIM and line.get("status") in CHOSEN]
        return {str(line.get("slot") or line.get("subject")): str(line.get("subject")) for line in claims}

    def ended(self) -> list[Line]:
        """Return the plan's instances, each with what became of it in whichever slot."""
        plan = {node.get("instance"): node for node in (self.plan or {}).get("nodes", ())}
        ended = {node.get("slot"): node for node in self.nodes}
        slots = {instance: slot for slot, instance in self.replaced.items()} or {name: name for name in plan}
        return [
            {
                **node,
                "decrement": plan.get(slots.get(name), {}).get("decrement", False),
                "status": ended.get(slots.get(name), {}).get("status", ""),
            }
            for name, node in plan.items()
        ]

    def steps(self) -> dict[str, list[Step]]:
        """Return each node's phases in the order in which they began; those of the whole run under an empty name."""
        found: dict[str, list[Step]] = {}
        replaced = self.replaced
        for line in self.lines:
            steps = found.setdefault(_subject(line, replaced), [])
            if steps and steps[-1].function == line.get("function"):
                steps[-1] = _longer(steps[-1], line)
            else:
                steps.append(_first(line))
        return found


def report_key(name: str, *, stopped: bool = False) -> str:
    """Return where the report lies; a name that came from outside never leaves its folder.

    That of an execution which was stopped has a folder of its own: `reconcile` may write another, of what it put back.
    """
    return f"reports/{'stopped/' if stopped else ''}" + re.sub(r"[^A-Za-z0-9_-]", "_", name)[:200]


def _subject(line: Line, replaced: dict[str, str]) -> str:
    """Whose step it is: waiting for a claim belongs to the instance that it led to, if it led to one."""
    subject = str(line.get("subject") or "")
    if line.get("function") != CLAIM or "slot" in line:
        return subject
    return replaced.get(subject, f"slot {subject}")


def _first(line: Line) -> Step:
    at = datetime.fromisoformat(str(line["at"]))
    return Step(function=str(line.get("function", "")), began=at, ended=at, asked=1, **_ended(line))


def _longer(step: Step, line: Line) -> Step:
    at = datetime.fromisoformat(str(line["at"]))
    return step.model_copy(update={"ended": at, "asked": step.asked + 1, **_ended(line)})


def _ended(line: Line) -> dict[str, str]:
    """What the function said last."""
    return {"status": str(line.get("error") or line.get("status") or ""), "reason": str(line.get("reason") or "")}
