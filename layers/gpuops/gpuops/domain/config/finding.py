"""What a look at a cluster found, each with its reason, and what becomes of an execution that found it."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.run import Mode

What = Literal["missing", "changed", "in_use", "conflict", "refused", "dropped", "foreign", "node", "recommended"]
Status = Literal["in_sync", "applied", "observed", "left"]
Fault = Literal["Conflict", "Invalid", "Refused"]
FAULTS: dict[What, Fault] = {"conflict": "Conflict", "dropped": "Invalid"}
"""Everything else that is left open is a no of the world's."""

MOST, IN_A_LINE = 200, 20
"""A fleet of thousands of nodes may lose a taint at once; what a state carries ends at 256 KiB."""


class Finding(BaseModel):
    """One difference between the cluster and the policy, or one thing that a person should know."""

    model_config = ConfigDict(frozen=True)

    what: What
    about: str
    """The object or the node: `DaemonSet gpuops-system/gpuops-device-plugin`."""
    reason: str
    left: bool = False
    """The policy asks for it, and it does not hold: neither does the execution's goal."""
    done: bool = False
    """It was put right."""

    def __str__(self) -> str:
        return f"{self.about}: {self.reason}"


class Verdict(BaseModel):
    """What the findings come down to."""

    model_config = ConfigDict(frozen=True)

    status: Status
    reason: str
    fault: Fault | None = None
    """Name of the error with which an execution ends that left something open."""
    findings: tuple[Finding, ...] = ()


def judge(findings: Iterable[Finding], mode: Mode) -> Verdict:
    """Only in mode apply can something be left: whoever only looks has reached the goal by telling."""
    found = sorted(findings, key=lambda finding: not finding.left)
    left = [finding for finding in found if finding.left]
    kept = tuple(found[:MOST])
    if left and mode == "apply":
        return Verdict(status="left", reason=_told(left), fault=FAULTS.get(left[0].what, "Refused"), findings=kept)
    told = _told(found) or "everything is as the policy asks"
    if mode != "apply":
        return Verdict(status="observed", reason=f"mode {mode}: {told}", findings=kept)
    status: Status = "applied" if any(finding.done for finding in found) else "in_sync"
    return Verdict(status=status, reason=told, findings=kept)


def _told(findings: list[Finding]) -> str:
    """One line for people."""
    more = [f"and {len(findings) - IN_A_LINE} more"] if len(findings) > IN_A_LINE else []
    return "; ".join([*(str(finding) for finding in findings[:IN_A_LINE]), *more])
