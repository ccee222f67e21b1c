"""What was done about faults before: of a node, of the nodes that it stands in for, and of a GPU wherever it was."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.faults.actions import REPAIRS, Action
from gpuops.domain.faults.fault import GpuFault


class Attempt(BaseModel):
    """One action of one run."""

    model_config = ConfigDict(frozen=True)

    run: str
    at: AwareDatetime
    action: Action
    kind: str
    xid: int | None = None
    job: str = ""
    """Whose pod was on the GPU, where that is known: the controller's name."""

    @property
    def key(self) -> str:
        """Under which it is remembered: the same action of one run is one attempt."""
        return f"{self.run}/{self.action}"

    def about(self, fault: GpuFault) -> bool:
        """Whether it was the same kind of fault."""
        return (self.kind, self.xid) == (fault.kind, fault.xid)


def repairs(past: Iterable[Attempt]) -> list[Attempt]:
    """Return those that took a node out of service."""
    return [attempt for attempt in past if attempt.action in REPAIRS]


def attempt_of(fault: GpuFault, action: Action, run: str, now: datetime, job: str = "") -> Attempt:
    """Return what is remembered of an action."""
    return Attempt(run=run, at=now, action=action, kind=fault.kind, xid=fault.xid, job=job)
