"""What fleet.yaml may say about faults of GPUs."""

from typing import Annotated, Literal

from pydantic import Field

from gpuops.domain.faults.actions import Choice
from gpuops.domain.policy.parts import Part
from gpuops.domain.run import Mode

Xid = Annotated[int, Field(ge=1, le=999)]


class Remediation(Part):
    """What is done about a faulty GPU."""

    mode: Mode | None = None
    """`apply` closes and repairs nodes, the others only say what would be done. Not given: the group's own `mode`."""
    xids: dict[Xid, Choice] = Field(default_factory=dict)
    """By Xid, what is done in place of what the table (`data/xids.yaml`) says: `none`, `restart_pod`, `reset`,
    `reboot`, `replace`, `roll_ami` or `escalate`."""
    owner: Literal["gpuops", "eks"] | None = None
    """Who repairs the nodes of a managed node group. Not given: EKS where its own auto-repair is on (gpuops keeps such
    a node closed and waits for it), else gpuops. `gpuops` beside auto-repair needs overrides of its reasons in EKS."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """So many repairs of a node, those of the nodes it stands in for counted, within `window_hours`; then a person."""
    window_hours: Annotated[float, Field(ge=1, le=720)] = 24
    """How long an attempt is held against what comes after it."""
    promote_after_jobs: Annotated[int, Field(ge=2, le=20)] = 2
    """So many different jobs that ran into one Xid on one GPU, and it is no application's own mistake any more."""

    def mode_in(self, group: Mode) -> Mode:
        """Return the mode that holds for a group of this mode."""
        return self.mode or group
