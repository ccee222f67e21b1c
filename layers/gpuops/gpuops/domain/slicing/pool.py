"""What a plan for the shares of a pool's GPUs is made from: the nodes at one look, what wants in, what was before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.policy.cluster import ClusterPolicy
from gpuops.domain.policy.parts import EXCLUSIVE, RUNGS

LADDER = (1, *RUNGS.values())
"""The rungs: shares of a GPU for which every cluster of ours has a configuration."""
RUNG_OF = {EXCLUSIVE: 1, **RUNGS}
"""Shares by the key of their configuration."""
KEPT_LOOKS = 60
SILENCE = timedelta(minutes=20)
"""Without a look for so long nobody knows what was meanwhile."""


@dataclass(frozen=True)
class Tenant:
    """A pod that holds a share of a GPU, or GPUs."""

    workload: str
    memory_mib: int | None = None
    """What it uses itself; None where the exporter does not tell pods apart."""
    busy_ratio: float | None = None
    exclusive: str = ""
    """Why it must have its GPUs to itself; empty for none."""
    fell: bool = False
    """Whether a container of it ended by an error, and does not run now: it holds its share, and nothing else."""


@dataclass(frozen=True)
class Gpu:
    """One GPU: what the exporter says, and who is on it."""

    sample: GpuSample
    tenants: Sequence[Tenant] = ()


@dataclass(frozen=True)
class PoolNode:
    """One node at the look."""

    name: str
    replicas: int
    """Shares of each of its GPUs that its configuration makes."""
    gpus: Sequence[Gpu] = ()
    silent: str = ""
    """Why nothing is known of it: no exporter, an old or contradictory answer; empty where all is."""
    apart: str = ""
    """Why it is not of the pool (MIG, somebody else's device plugin, a cordon); empty where it is."""
    marks: int = 0
    """Taints of ours on it, by which pods are packed or kept away; -1 for some that no plan asks for."""

    @property
    def tenants(self) -> Iterator[Tenant]:
        """Everybody on its GPUs."""
        return (tenant for gpu in self.gpus for tenant in gpu.tenants)

    @property
    def used(self) -> int:
        """Shares that are held of its fullest GPU; the highest index in use is at least one less."""
        indices = [index + 1 for gpu in self.gpus for index in gpu.sample.holders]
        return max([len(gpu.tenants) for gpu in self.gpus] + indices, default=0)

    @property
    def exclusive(self) -> str:
        """Why its GPUs are not to be shared now; empty where they may be."""
        return next((tenant.exclusive for tenant in self.tenants if tenant.exclusive), "")


@dataclass(frozen=True)
class Demand:
    """Pods that no node of the pool has taken yet."""

    pending: int = 0


class Past(BaseModel):
    """What looks said from this moment on, until the next that said something else."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    fits: int
    """The highest rung that fitted."""
    crowded: bool
    """Whether pods were pending, or held most of the shares."""
    hot: bool = False
    """Whether its shared GPUs were nearly always busy."""


class Advised(BaseModel):
    """What would have been saved by plans that were only recommended, up to the last look."""

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime
    gpus: int = 0
    """GPUs that the pods of the last look would have needed less."""
    gpu_hours: float = 0.0


class PoolState(BaseModel):
    """What a plan must know of those before it: one item of the table, with a version for whoever reads it later."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    rung: int | None = None
    """Shares of each GPU that the pool is to have; None before the first plan."""
    changed: tuple[AwareDatetime, ...] = ()
    """When the rung changed, within the last day."""
    looks: tuple[Past, ...] = ()
    """The newest ones, oldest first."""
    seen: AwareDatetime | None = None
    """When the last one was."""
    throttled: dict[str, float] = {}
    """Throttling counters by cause, added up over the pool: their growth means something."""
    advised: Advised | None = None
    """None while plans are applied."""

    @property
    def key(self) -> str:
        """The configuration of the device plugin that stands for the rung."""
        return key_of(self.rung or 1)


@dataclass(frozen=True)
class Pool:
    """The pool at one look."""

    name: str
    nodes: Sequence[PoolNode]
    state: PoolState = field(default_factory=PoolState)
    blocked: str = ""
    """Why nothing may be changed now: a roll of the group, a repair; empty for no reason."""
    relieved: str = ""
    """Which of its nodes are out of service for heat or want of power; empty for none."""

    @property
    def members(self) -> list[PoolNode]:
        """The nodes that are ours to judge, by name: the order in which they were found decides nothing."""
        return sorted((node for node in self.nodes if not node.apart), key=lambda node: node.name)

    @property
    def rung(self) -> int:
        """The rung that it has: what was decided last, else what most of its nodes are at, the lower of two."""
        if self.state.rung is not None:
            return self.state.rung
        present = [node.replicas for node in self.members]
        return min(set(present), key=lambda rung: (-present.count(rung), rung), default=1)


class NodePlan(BaseModel):
    """What is to become of one node."""

    model_config = ConfigDict(frozen=True)

    node: str
    action: Literal["keep", "change", "wait", "hold", "leave"]
    """`wait` for pods to leave; `hold` because nothing is known; `leave` to somebody else."""
    replicas: int
    """Shares of each GPU that it is to have."""
    marks: int = 0
    """Taints that it is to bear: 1 where others have more room, 2 for an empty node that need not fill, 3 where another
    peak would not fit, 4 where no further pod may come; only the fourth is a hard one."""
    canary: bool = False
    """The first to change: the others follow once it has proved itself."""
    reason: str


class PoolPlan(BaseModel):
    """What is to become of a pool."""

    model_config = ConfigDict(frozen=True)

    pool: str
    status: Literal["hold", "keep", "grow", "shrink"]
    now: int
    replicas: int
    """The rung that the pool is to have."""
    reason: str
    fits: dict[int, str] = {}
    """By rung, why it does not fit; empty words where it does."""
    nodes: tuple[NodePlan, ...] = ()
    spared_gpus: float = 0.0
    """How many GPUs fewer the pods of now need at that rung than alone on a GPU each."""
    state: PoolState
    hash: str = ""
    """Of everything above but the times of the state: the same inputs make the same plan."""


def shares_of(key: str, cluster: ClusterPolicy) -> int:
    """How many shares of each GPU a configuration makes; one of which nobody knows it makes none."""
    profile = cluster.device_plugin.profiles.get(key)
    return profile.replicas if profile else RUNG_OF.get(key, 1)


def key_of(replicas: int) -> str:
    """The configuration that makes so many shares."""
    return EXCLUSIVE if replicas == 1 else f"r{replicas}"
