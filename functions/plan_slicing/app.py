"""Measure the pools of one cluster and plan the shares of their GPUs; where plans are applied, say so in the table.

No node is touched here: select_node brings nodes to what the table says, mark_nodes sets the taints. After a
failure the machine asks once more, and every pool that this run moved gets its old rung back, so that the nodes that
changed already return.

In:  {"event": {"cluster"}, "execution": {...}, "slicing"?: <previous answer>, "error"?: {...}, "now": "..."}
Out: {"status": "changed" | "kept" | "held" | "restored", "reason", "cluster", "policy",
      "marks": {<node>: <taints that it is to bear from now on, the fourth of which is hard>},
      "pools": [{"group", "mode", "status", "now", "replicas", "reason", "hash", "spared_gpus", "saved", "nodes"}]}
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable
from gpuops.domain.keys import INSTANCE_TYPE
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.rotation.cost import prices
from gpuops.domain.run import Execution, Mode
from gpuops.domain.slicing.planner import plan_pool
from gpuops.domain.slicing.pool import Advised, Demand, NodePlan, Pool, PoolPlan, PoolState
from gpuops.domain.slicing.saving import Saved, advise, first_measured, worth
from gpuops.domain.slicing.steer import changes_of
from gpuops.entry import entry
from gpuops.pools import Here, look_around, measure_pool, remember, why_blocked

EXPECTED = (Invalid, Refused, Unavailable)


class Order(BaseModel):
    """What woke the machine."""

    cluster: str


class Planned(BaseModel):
    """What became of one pool."""

    model_config = ConfigDict(frozen=True)

    group: str
    mode: Mode
    status: Literal["hold", "keep", "grow", "shrink", "restored"]
    now: int
    replicas: int
    reason: str
    hash: str = ""
    spared_gpus: float = 0.0
    saved: Saved | None = None
    """By plans that were only recommended."""
    marks: dict[str, int] | None = Field(default=None, exclude=True)
    """Taints by node; None where the pool's plans are applied, and it could not be looked at."""
    nodes: tuple[NodePlan, ...] = ()


class Slicing(BaseModel):
    """The answer for the cluster."""

    model_config = ConfigDict(frozen=True)

    status: Literal["changed", "kept", "held", "restored"]
    reason: str
    cluster: str
    policy: str
    marks: dict[str, int] = {}
    pools: tuple[Planned, ...] = ()


class PlanSlicing(BaseModel):
    """In."""

    event: Order
    execution: Execution
    slicing: Slicing | None = None
    error: dict[str, Any] | None = None


@entry(PlanSlicing)
def handler(request: PlanSlicing, now: datetime) -> Slicing:
    """Plan, or take back what was planned; a second look within a minute changes no rung again, since it cools down."""
    if request.slicing is not None and request.error is not None:
        return restore(request.slicing, World())
    return plan(request.event.cluster, now, World())


def plan(name: str, now: datetime, world: World) -> Slicing:
    """Every pool of the cluster; one that cannot be looked at holds, and keeps no other from its turn."""
    policy = world.policies.latest()
    groups = [group for group in policy.groups if group.cluster == name and group.rebalance is not None]
    steered = world.pools.steered(name)
    if not groups and not steered:
        return _answer(name, policy, [], "no group of the cluster has `rebalance`")
    here = look_around(name, policy, world)
    pools = [_plan_group(group, here, now) for group in groups]
    answer = _answer(name, policy, pools, "" if groups else "no group of the cluster is steered any more")
    return answer.model_copy(update={"marks": _steer(name, pools, here, steered=steered)})


def _steer(name: str, pools: list[Planned], here: Here, *, steered: bool) -> dict[str, int]:
    """Which nodes are to bear other taints; the table says first that some may, so that none is forgotten."""
    wanted = {node: marks for pool in pools for node, marks in (pool.marks or {}).items()}
    found = {node.name: node.marks for node in here.nodes.values()}
    changes = changes_of(wanted, found, all_known=all(pool.marks is not None for pool in pools))
    bears = any(changes.values()) or any(found.values())
    if bears != steered:
        here.world.pools.keep_steered(name, steered=bears)
    return changes


def restore(slicing: Slicing, world: World) -> Slicing:
    """The rungs that this run moved; what somebody else decided since then stays."""
    back = []
    for pool in slicing.pools:
        state = world.pools.state(pool.group)
        if pool.status in {"grow", "shrink"} and state is not None and state.rung == pool.replicas:
            kept = world.pools.keep_state(pool.group, state.model_copy(update={"rung": pool.now}), state)
            why = f"back to {pool.now} shares of each GPU" if kept else "somebody else decided meanwhile"
            back.append(pool.model_copy(update={"status": "restored", "reason": why, "nodes": ()}))
    told = "; ".join(f"{pool.group}: {pool.reason}" for pool in back) or "no rung was changed"
    return slicing.model_copy(update={"status": "restored", "reason": told, "pools": tuple(back)})


def _plan_group(group: GroupPolicy, here: Here, now: datetime) -> Planned:
    """Measure, remember, plan; what the plan says is kept where the policy lets it act."""
    wanted, world = group.rebalance or Rebalance(), here.world
    acts = wanted.mode == "apply" and group.mode == "apply"
    state = world.pools.state(group.group)
    try:
        found = measure_pool(group, here, now)
    except EXPECTED as fault:
        told = {"status": "hold", "now": 1, "replicas": 1, "reason": str(fault)}
        return Planned(group=group.group, mode=wanted.mode, marks=None if acts else {}, **told)
    frozen = world.pools.frozen(group.group, now)
    pool = Pool(group.group, found, state or PoolState(), why_blocked(group.group, world), frozen)
    profiles = remember(pool, here, now, wanted.history_hours)
    waiting = len(here.census.pending)
    planned = plan_pool(pool, profiles, Demand(waiting), wanted, now)
    advised = None if acts else advise(pool, planned, now)
    unmoved = {"rung": None, "changed": (), "advised": advised}
    kept = planned.state if acts else planned.state.model_copy(update=unmoved)
    if not world.pools.keep_state(group.group, kept, state):
        raise Conflict(f"another run plans the shares of {group.group}")
    told = _told(planned, wanted.mode, _worth(advised, pool, here) if advised else None)
    return told.model_copy(update={"marks": {p.node: p.marks for p in planned.nodes} if acts else {}})


def _worth(advised: Advised, pool: Pool, here: Here) -> Saved:
    """By the instance type of the first node that was measured."""
    node = first_measured(pool)
    labels = next((known.labels for known in here.nodes.values() if node and known.name == node.name), {})
    return worth(advised, labels.get(INSTANCE_TYPE, ""), len(node.gpus) if node else 0, prices())


def _told(planned: PoolPlan, mode: Mode, saved: Saved | None) -> Planned:
    """The plan without what only the next one needs, and without nodes that stay as they are."""
    shown = tuple(node for node in planned.nodes if node.action != "keep")[:20]
    body = planned.model_dump(include={"status", "now", "replicas", "hash", "spared_gpus"})
    reason = planned.reason
    if saved is not None and (saved.gpus or saved.gpu_hours):
        reason = f"{reason}; {saved.reason}"
    return Planned(group=planned.pool, mode=mode, nodes=shown, saved=saved, reason=reason, **body)


def _answer(name: str, policy: Policy, pools: list[Planned], why: str = "") -> Slicing:
    """One word for all: what is to be acted on comes first."""
    acting = [pool for pool in pools if pool.mode == "apply"]
    moved = any(pool.status in {"grow", "shrink"} for pool in acting)
    held = bool(pools) and all(pool.status == "hold" for pool in pools)
    told = why or "; ".join(f"{p.group}: {p.status} {p.now} to {p.replicas} ({p.mode}): {p.reason}" for p in pools)
    status: Literal["changed", "held", "kept"] = "changed" if moved else "held" if held else "kept"
    return Slicing(status=status, reason=told, cluster=name, policy=policy.version, pools=tuple(pools))
