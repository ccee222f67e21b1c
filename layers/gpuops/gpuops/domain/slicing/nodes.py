"""What becomes of each node of a pool, given the rung that the pool is to have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.brakes import why_sick, why_silent
from gpuops.domain.slicing.pool import SILENCE, NodePlan, Pool, PoolNode
from gpuops.domain.slicing.profile import Profile
from gpuops.domain.slicing.rungs import pods_by_workload
from gpuops.domain.slicing.steer import CLOSED, OPEN, marks_of, outlook_of


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
    marks = _marks(pool, step, plans, profiles, policy) if step.status != "hold" else {}
    for plan in plans:
        kept = _kept(nodes[plan.node], now, steer=policy.steer)
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


def _kept(node: PoolNode, now: datetime, *, steer: bool) -> int:
    """Taints of a node that is not judged now: those that it has. One that is not of the pool needs none of ours.

    Nor is one kept closed of which nobody has heard of late: its exporter may be what the hard taint keeps away, and
    for ever. One whose numbers are old, or contradict one another, stays closed meanwhile.
    """
    if node.marks == CLOSED:
        return OPEN if node.apart or not _heard_of(node, now) else CLOSED
    return max(node.marks, OPEN) if steer and not node.apart else OPEN


def _heard_of(node: PoolNode, now: datetime) -> bool:
    return bool(node.gpus) and all(now - (gpu.sample.time or now) <= SILENCE for gpu in node.gpus)


def _marks(
    pool: Pool, step: Step, plans: list[NodePlan], profiles: Mapping[str, Profile], policy: Rebalance
) -> dict[str, int]:
    """Taints by node: soft ones where the policy steers, and a hard one where no further pod may come."""
    judged = {plan.node: plan for plan in plans if plan.action in {"keep", "change", "wait"}}
    nodes = [node for node in pool.nodes if node.name in judged]
    outlook = outlook_of(nodes, step.rung, profiles, pods_by_workload(pool))
    soft = {node.name: marks_of(node, outlook) if policy.steer else OPEN for node in nodes}
    return soft | {node.name: CLOSED for node in nodes if _closes(node, judged[node.name])}


def _closes(node: PoolNode, plan: NodePlan) -> bool:
    """Whether it waits for pods to leave before it gets fewer shares, and has as many pods as it may have then.

    That is so where training runs on a GPU that is shared, which nobody can make exclusive under it, and in a pool that
    has been given fewer shares: whoever came to a share that is to go would be one pod too many.
    """
    if plan.action != "wait" or plan.replicas >= node.replicas:
        return False
    return bool(node.exclusive) or all(len(gpu.tenants) >= plan.replicas for gpu in node.gpus)
