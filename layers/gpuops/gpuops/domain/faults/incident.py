"""One execution for each instance at a time: what a further signal about it comes to.

EventBridge cannot coalesce, and an execution's name stays taken for 90 days: so the item of an instance names the
execution that answers for it, and the name has the moment in it at which it was opened.

    nothing known          -> open
    its execution runs     -> join: it is told, and nothing is started; but an interruption, which cannot wait, -> open
    it was never started   -> resume: whoever opened it died in between; the same name makes two starts one
    it has ended           -> late, for a signal from before its end: that is what it answered; else open
"""

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.rotation.lock import Execution

Verdict = Literal["open", "resume", "join", "late"]


class Incident(BaseModel):
    """The execution that answers for an instance, and what it was told."""

    model_config = ConfigDict(frozen=True)

    instance: str
    execution: str
    """Its name."""
    opened: AwareDatetime
    signals: int = 1
    sources: frozenset[str] = frozenset()
    """Every alarm and detector that spoke of it."""
    ringing: frozenset[str] = frozenset()
    """Those that have not taken it back."""
    quiet_at: AwareDatetime | None = None
    """When one of them last did."""
    hurries: bool = False
    """Whether it was opened by an interruption."""

    @property
    def recovered_at(self) -> datetime | None:
        """Since when nothing rings any more; None while anything does."""
        return None if self.ringing else self.quiet_at


class Coalesced(NamedTuple):
    """What a signal comes to, and why."""

    verdict: Verdict
    reason: str


def name_of(instance: str, now: datetime) -> str:
    """Return the name of an execution that is opened now; colons are not allowed in it."""
    return f"{instance}-{now:%Y%m%dT%H%M%S}"


def coalesce(incident: Incident | None, execution: Execution | None, fault: GpuFault) -> Coalesced:
    """Return what the fault comes to; `execution` is that of the incident, as Step Functions has it."""
    if incident is None or execution is None:
        return Coalesced("open", "nothing is under way")
    if execution.running and fault.hurries and not incident.hurries:
        return Coalesced("open", f"{incident.execution} is under way and knows of no deadline")
    if execution.running:
        return Coalesced("join", f"{incident.execution} is under way")
    if execution.ended is None:
        return Coalesced("resume", f"{incident.execution} was not started yet")
    if fault.first_seen <= execution.ended:
        return Coalesced("late", f"seen before {incident.execution} ended, which answered it")
    return Coalesced("open", f"{incident.execution} has ended before")
