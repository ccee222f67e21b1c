"""What becomes of each node of a pool, given the rung that the pool is to have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.brakes import why_sick, why_silent
from gpuops.domain.slicing.pool import NodePlan, Pool, PoolNode
from gpuops.domain.slicing.profile import Profile
from gpuops.domain.slicing.rungs import pods_by_workload
from gpuops.domain.slicing.steer import OPEN, marks_of, outlook_of


@dataclass(frozen=True)
class Step:
    """What is decided about the pool."""

    status: Literal["hold", "keep", "grow", "shrink"]
    rung: int
    reason: str


def plan_nodes(
    pool: Pool, step: Step, profiles: Mapping[str, Profile], policy: Rebalance, now: datetime
) -> Iterator[NodePlan]:
    """Plan each node; the first that changes is the canary, an empty one where there is one, since it harms nobody."""
    plans = [_plan_node(node, step, now) for node in sorted(pool.nodes, key=lambda node: node.name)]
    nodes = {node.name: node for node in pool.nodes}
    changing = sorted((p for p in plans if p.action == "change"), key=lambda p: (nodes[p.node].used, p.node))
    canary = changing[0].node if changing else None
    marks = _marks(pool, plans, step.rung, profiles) if policy.steer and step.status != "hold" else {}
    for plan in plans:
        kept = nodes[plan.node].marks if policy.steer else OPEN
        yield plan.model_copy(update={"canary": plan.node == canary, "marks": marks.get(plan.node, kept)})


def _plan_node(node: PoolNode, step: Step, now: datetime) -> NodePlan:
    """One node on its own."""
    why, action, wanted = _judge(node, step, now)
    return NodePlan(node=node.name, action=action, replicas=wanted, reason=why)


Action = Literal["keep", "change", "wait", "hold", "leave"]


def _judge(node: PoolNode, step: Step, now: datetime) -> tuple[str, Action, int]:
    """Why, what, and how many shares."""
    if why := node.apart or _sick(node):
        return why, "leave", node.replicas
    if why := why_silent(node, now) or (step.reason if step.status == "hold" else ""):
        return why, "hold", node.replicas
    wanted = 1 if node.exclusive else step.rung
    because = f"{node.exclusive}: its GPUs are not shared" if node.exclusive else step.reason
    if wanted == node.replicas:
        return because, "keep", wanted
    why = _why_wait(node, wanted)
    return why or because, "wait" if why else "change", wanted


def _sick(node: PoolNode) -> str:
    sick = why_sick(node)
    return f"{sick}: left to its repair" if sick else ""


def _why_wait(node: PoolNode, wanted: int) -> str:
    """Which shares in use forbid the change. Exclusive and shared change places only where no pod is."""
    if 1 in {wanted, node.replicas} and node.used:
        return f"from {node.replicas} to {wanted} only without GPU pods, and it has some"
    return f"{node.used} shares of a GPU are in use, of {wanted} to be" if wanted < node.used else ""


def _marks(pool: Pool, plans: list[NodePlan], rung: int, profiles: Mapping[str, Profile]) -> dict[str, int]:
    """Soft taints by node; a node that is not the pool's to judge gets none."""
    judged = {plan.node for plan in plans if plan.action in {"keep", "change", "wait"}}
    nodes = [node for node in pool.nodes if node.name in judged]
    outlook = outlook_of(nodes, rung, profiles, pods_by_workload(pool))
    return {node.name: marks_of(node, outlook) for node in nodes}
