"""What the functions that change how nodes are shared hand to one another through the state machines."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.run import Run


class _Answer(BaseModel):
    """An answer is a value: nobody changes it after it was given."""

    model_config = ConfigDict(frozen=True)

    reason: str


class Beside(BaseModel):
    """A node that may change while the selected one does."""

    model_config = ConfigDict(frozen=True)

    node: str
    instance: str


class Selected(_Answer):
    """select_node's answer."""

    status: Literal["selected", "waiting", "overdue", "held", "done"]
    """`waiting` for pods to leave; `held` by a breaker or a roll; `done` where no node is left to change."""
    run: Run | None = None
    """Of the selected node's group."""
    node: str | None = None
    instance: str | None = None
    key: str | None = None
    beside: tuple[Beside, ...] = ()
    """Nodes of the same group that may change at the same time, once one has proved the change."""
    turn: int = 0
    """How many nodes were selected so far: a node may have more than one turn."""
    started: AwareDatetime | None = None
    """Of the waiting, from its first answer on."""
    wait_seconds: int = 20
    """Before the next look, if there is something to wait for."""


class Relabelled(_Answer):
    """relabel_node's answer; what was `configured` is also what check_node checks."""

    status: Literal["configured", "waiting"]
    """`waiting`: not any more, since the node was selected; it is selected again."""
    config: str
    replicas: int = 1
    resource: str = "nvidia.com/gpu"
    held: int = 0
    """Shares that the node's pods hold."""
    deadline: AwareDatetime
    """Until then the node must offer what it should."""


class Settled(_Answer):
    """settle_node's answer."""

    status: Literal["kept", "returned", "restored", "freed", "left"]
    """`returned` as it was, since it could not be changed any more; `restored` after a failure. Of a whole group, after
    several nodes at once, `freed`; or `left` to reconcile, since one of them is closed still."""
