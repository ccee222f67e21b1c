"""What the functions of an admission hand to one another through the state machine.

One model for both ends, so that a field renamed at one end is an error at the other.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gpuops.domain.admission.event import Hook
from gpuops.domain.keys import CUDA, DRIVER, GPU_RESOURCE
from gpuops.domain.run import Run
from gpuops.domain.smoke.stages import Stage


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

    status: Literal["found", "waiting", "ignored", "gone", "overdue", "replacing", "unchecked", "unreadable"]
    """`unchecked`: the policy has us not judge it; `unreadable`: the policy cannot tell. Either way it is let in."""
    run: Run | None = None
    instance: str | None = None
    node: str | None = None
    hook: Hook | None = None
    deadline: AwareDatetime | None = None
    """For the whole admission: what the node took to register, its GPUs no longer have."""
    since: AwareDatetime | None = None
    boots: bool = False
    """Whether `since` is when it was launched: then how long it took tells when the next one is there."""
    settling: int | None = None
    """Seconds from registration until nodes of its group are usually Ready; None where nobody knows."""
    beat: AwareDatetime | None = None
    """When the hook last heard of us."""
    hint: str | None = None
    """The node's probable name; None as long as nothing was asked about the instance."""
    wait_seconds: int = 15
    """Before the next look, if it is still waiting."""


class Configured(_Answer):
    """configure_node's answer."""

    status: Literal["configured", "missing", "unconfigured", "left"] = "configured"
    """`missing`: no such configuration, so the plugin's default stands; `unconfigured`: it is ours to write, so that
    comes first; `left`: no label of ours does anything."""
    config: str
    replicas: int
    resource: str = GPU_RESOURCE
    """What each share is offered as."""


class Checked(_Answer):
    """check_node's answer."""

    status: Literal["ready", "waiting", "unconfigured", "overdue"]
    """`unconfigured`: nothing was looked at, for what is ours to write comes first."""
    gpus: int
    allocatable: int
    unready_since: AwareDatetime | None = None
    """Since when it is not Ready, where that is what is waited for: a new node is not since it registered."""
    replicas: int = 1
    resource: str = GPU_RESOURCE
    """What it really offers of each GPU, once it is ready; a node that was left alone may share them by itself."""
    beat: AwareDatetime | None = None
    wait_seconds: int = 15
    """Before the next look, if it is still waiting."""


class Expected(BaseModel):
    """How a node shares its GPUs: what a smoke has to find."""

    model_config = ConfigDict(frozen=True)

    gpus: Annotated[int, Field(ge=1)]
    """Of the instance's type."""
    replicas: Annotated[int, Field(ge=1)] = 1
    """Shares of each; 1 is exclusive."""
    resource: Literal["nvidia.com/gpu", "nvidia.com/gpu.shared"] = "nvidia.com/gpu"
    """What pods ask for."""

    @property
    def shares(self) -> int:
        """How many pods may run at once."""
        return self.gpus * self.replicas


class Shot(BaseModel):
    """One stage of a smoke: one Job."""

    model_config = ConfigDict(frozen=True)

    stage: Stage
    pods: Annotated[int, Field(ge=1)]
    amount: Annotated[int, Field(ge=1)] = 1
    """Of the resource, for each pod."""
    timeout_seconds: Annotated[int, Field(ge=1)]

    @property
    def wait_seconds(self) -> int:
        """A hundred looks, or fewer: a diagnostic of a day must fit an execution's history.

        No container starts, computes and ends sooner than in a quarter of a minute.
        """
        return min(max(15, self.timeout_seconds // 100), 300)


class Started(_Answer):
    """start_smoke's answer."""

    status: Literal["started", "skipped"] = "started"
    run: Run
    job: str = ""
    deadline: AwareDatetime
    wait_seconds: int = 10
    shot: Shot | None = None
    left: tuple[Shot, ...] = ()
    """The stages that come after this one."""
    expected: Expected | None = None
    namespaces: tuple[str, ...] = ()
    """Where the policy says that the node's exporter may run."""


class FaultyGpu(BaseModel):
    """Hardware evidence against one GPU."""

    model_config = ConfigDict(frozen=True)

    uuid: str
    fault: str


class Smoked(_Answer):
    """read_smoke's answer, and the whole smoke's."""

    status: Literal["running", "next", "passed", "failed", "gone", "skipped"]
    """`next`: this stage is passed and another one follows. `skipped`: the node is left alone."""
    stage: Stage | None = None
    driver: str | None = None
    cuda: str | None = None
    product: str | None = None
    uuids: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    """Of all stages so far."""
    proved: tuple[str, ...] = ()
    """What each stage that passed said."""
    faulty: tuple[FaultyGpu, ...] = ()

    @property
    def seen(self) -> dict[str, str]:
        """What is written on a node that passed: which driver it has, for whoever plans with its AMI."""
        return {key: value for key, value in ((DRIVER, self.driver), (CUDA, self.cuda)) if value}


class Admitted(_Answer):
    """admit_instance's answer."""

    status: Literal["admitted", "abandoned", "held", "waiting", "released"]
    """`released` without a judgement; `waiting` for the node of such an instance, which may carry our taint. `held`:
    something else than the instance failed, so it stays behind its startup taint until `reconcile` admits it."""
    wait_seconds: int = 15


class Quarantined(_Answer):
    """quarantine_node's answer."""

    status: Literal["closed", "continued", "kept"]
    """`closed`: pods have to go; `continued`: its root volume is being replaced; `kept`: its pods did not go."""
    at: AwareDatetime
    beat: AwareDatetime | None = None
    wait_seconds: int
    """Before the next pass at the latest, so that the hook hears of us."""
