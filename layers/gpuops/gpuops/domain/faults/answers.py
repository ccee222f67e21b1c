"""What the functions of a repair hand to one another through the state machine.

One model for both ends, so that a field renamed at one end is an error at the other.
"""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.faults.actions import Action
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.halt import Rest
from gpuops.domain.run import Execution, Run


class _Answer(BaseModel):
    """An answer is a value: nobody changes it after it was given."""

    model_config = ConfigDict(frozen=True)

    reason: str


class Order(BaseModel):
    """What starts a repair."""

    fault: GpuFault


class Isolated(_Answer):
    """isolate_node's answer."""

    status: Literal["closed", "open", "observed", "waiting", "gone", "ignored", "owned"]
    """`open`: the fault is an application's; `observed`: the policy has us only look; `ignored`: not ours; `owned`:
    another execution is at work on the node."""
    run: Run | None = None
    node: str | None = None
    instance: str | None = None
    since: AwareDatetime | None = None
    """When it was closed, or first looked at."""
    silent: bool = False
    """Whether its kubelet is: then nothing can be done on the node itself."""
    wait_seconds: int = 0


class Target(BaseModel):
    """The pod that is to be restarted, and no other of its name."""

    namespace: str
    name: str
    uid: str


class Diagnosed(_Answer):
    """diagnose_fault's answer."""

    action: Action
    pod: Target | None = None
    job: str = ""
    """Whose pods were on the GPU, where that is known."""


class Repaired(_Answer):
    """repair_gpu's answer."""

    status: Literal["repaired", "repairing", "waiting", "failed", "restarted", "recorded"]
    """`repaired`: the node is to be proved now; `waiting`: nothing was begun yet; `failed`: something stronger is
    needed; the last two are of a pod."""
    since: AwareDatetime | None = None
    mark: str = ""
    """How far it came: a reboot's boot before it, a reset's last step."""
    wait_seconds: int = 0


class Opened(Rest):
    """open_repair's answer: whether it is this node's turn to leave service."""

    status: Literal["clear", "waiting", "overdue", "gone", "recovered", "released"]
    reason: str
    since: AwareDatetime
    other: str = ""
    """Another tool that had the node in hand at this look."""
    told: bool = False
    """Whether people know that there may be no capacity for its successor."""
    wait_seconds: int = 0
    doubted: bool = False
    """It was proved once since it was closed, and failed: that an alarm is OK again means nothing any more."""
    crowded: bool = False
    """It fell quiet and could not be proved, because its GPUs are in use: it is emptied first."""


class Closed(_Answer):
    """close_repair's answer."""

    status: Literal["repaired", "restarted", "evacuated", "recorded", "observed", "gone", "released", "kept"]
    """`kept`: the node stays in quarantine, and people know; `released`: a person opened it while its repair waited;
    `recorded`: there was nothing to do."""


class Child(BaseModel):
    """How a child machine ended well; the rest of what it says is its own business."""

    model_config = ConfigDict(extra="allow")

    status: str = ""


class Failed(BaseModel):
    """What a Catch keeps of an error."""

    name: str
    reason: str


class Left(BaseModel):
    """A repair that died: what close_repair takes, and the name of the execution that takes it up instead."""

    run: Run
    event: Order
    isolate: Isolated
    error: Failed
    name: str | None = None
    """None where it is a person's."""


def run_of(execution: Execution, group: GroupPolicy, version: str) -> Run:
    """The run that every step of a repair carries."""
    return execution.run(group.cluster, group.group, version, group.remediation.mode_in(group.mode))


class Repair(BaseModel):
    """The state of a repair, as every function after the first gets it."""

    run: Run
    event: Order
    isolate: Isolated
    diagnose: Diagnosed | None = None
    open: Opened | None = None
    drain: dict[str, Any] | None = None
    repair: Repaired | None = None
    replace: Child | None = None
    smoke: Child | None = None
    error: Failed | None = None

    @property
    def fault(self) -> GpuFault:
        """What it is about."""
        return self.event.fault

    @property
    def why(self) -> str:
        """Why it was decided so; empty where nothing was."""
        return self.diagnose.reason if self.diagnose else ""

    @property
    def evacuated(self) -> bool:
        """Whether the node of an instance that AWS takes was empty in time."""
        taken = self.diagnose is not None and self.diagnose.action == "evacuate"
        return taken and (self.drain or {}).get("status") == "drained"

    @property
    def released(self) -> bool:
        """Whether a person opened the node again while its repair waited."""
        return self.open is not None and self.open.status == "released"

    @property
    def taken(self) -> bool:
        """Whether somebody else took the instance before its turn came."""
        return self.open is not None and self.open.status == "gone"

    @property
    def instance(self) -> str:
        """The node's instance, as it was when the node was found."""
        return self.isolate.instance or ""
