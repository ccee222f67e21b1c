"""What the functions of an admission hand to one another through the state machine.

One model for both ends, so that a field renamed at one end is an error at the other.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.admission.event import Hook
from gpuops.domain.run import Run


class _Answer(BaseModel):
    """An answer is a value: nobody changes it after it was given."""

    model_config = ConfigDict(frozen=True)

    reason: str


class Failure(BaseModel):
    """What a Catch keeps of an error."""

    name: str
    reason: str


class Found(_Answer):
    """find_node's answer."""

    status: Literal["found", "waiting", "ignored", "gone", "overdue", "unchecked", "unreadable"]
    """`unchecked`: the policy has us not judge it; `unreadable`: the policy cannot tell. Either way it is let in."""
    run: Run | None = None
    instance: str | None = None
    node: str | None = None
    hook: Hook | None = None
    deadline: AwareDatetime | None = None
    """For the whole admission: what the node took to register, its GPUs no longer have."""


class Configured(_Answer):
    """configure_node's answer."""

    status: Literal["configured"] = "configured"
    config: str
    replicas: int


class Checked(_Answer):
    """check_node's answer."""

    status: Literal["ready", "waiting", "overdue"]
    gpus: int
    allocatable: int


class Started(_Answer):
    """start_smoke's answer."""

    status: Literal["started"] = "started"
    job: str
    deadline: AwareDatetime


class Smoked(_Answer):
    """read_smoke's answer, and the whole smoke's."""

    status: Literal["running", "passed", "failed", "gone"]
    driver: str | None = None
    cuda: str | None = None
    product: str | None = None
    uuids: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


class Admitted(_Answer):
    """admit_instance's answer."""

    status: Literal["admitted", "abandoned", "waiting", "released"]
    """`released` without a judgement; `waiting` for the node of such an instance, which may carry our taint."""
