"""Whether and how a group rolls to an AMI: the one decision of `plan_rotation`.

It sees everything at once and touches nothing, so the same code answers a dry run, the real one, and the check
after it (which must find the group `current`).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.changes import changes_of, named
from gpuops.domain.rotation.closed import Closed
from gpuops.domain.rotation.facts import Sight, sight_of
from gpuops.domain.rotation.gates import first_closed
from gpuops.domain.rotation.halt import Halt
from gpuops.domain.rotation.move import MovePlan
from gpuops.domain.rotation.nodegroup import MANAGED, ManagedPlan, Nodegroup, managed_changes, plan_managed
from gpuops.domain.rotation.order import NodeLoad, order_nodes
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.strategy import GROWING, Strategy, choose_strategy

Status = Literal["roll", "wait", "current", "planned", "hold", "reject"]

MAX_CANARIES = 10
"""So many are replaced at a time by the state machine."""


class PlannedNode(BaseModel):
    """One old instance, in its place in the order."""

    model_config = ConfigDict(frozen=True)

    instance: str
    decrement: bool
    """Whether the group shrinks by one when it is terminated: this gives back the surge."""
    reason: str
    canary: bool = False
    """Whether it goes before the others, and is watched."""
    gang: str = ""
    """What runs on it and on other nodes, with which it is replaced together."""


class Decision(BaseModel):
    """What to do, why, and what it would change."""

    model_config = ConfigDict(frozen=True)

    status: Status
    reason: str
    nodes: tuple[PlannedNode, ...] = ()
    surge: int = 0
    """Nodes at a time, once the canaries are good: more of them, or fewer where old ones go first."""
    strategy: Strategy = "surge"
    strategy_reason: str = ""
    may_stay: bool = False
    """Whether instances could stay, should capacity turn out to be missing."""
    candidates: int = 0
    """So many nodes, the first of them, are as idle as the canaries; 0 without canaries."""
    changes: tuple[str, ...] = ()
    settled: bool = False
    """Nothing but its time can change the plan any more, so a person may approve it."""
    sees: Sight = Sight()
    """What is known of the AMI, and what the group needs."""
    until: AwareDatetime | None = None
    """When what holds it ends by itself; None where nothing holds it, or a person has to act."""
    managed: ManagedPlan | None = None
    """Where EKS's own update replaces the nodes."""
    move: MovePlan | None = None
    """Where they move into another node group."""
    holder: str | None = None
    """Name of the run that has the group, where that holds it."""


def decide_rotation(situation: Situation, now: datetime) -> Decision:
    """Roll, wait, or say why not, and what was seen."""
    return _decided(situation, now).model_copy(update={"sees": sight_of(situation.facts)})


def _decided(situation: Situation, now: datetime) -> Decision:
    """Being there already wins over every gate: then nothing is asked for."""
    if not situation.loads and situation.template_amis == {situation.target.ami}:
        count = len(situation.group.staying)
        return Decision(status="current", reason=f"all {count} instances run {named(situation.target)}")
    if closed := first_closed(situation, now):
        return _held(closed, situation)
    return _roll(situation)


def _held(closed: Closed, situation: Situation) -> Decision:
    """Wait where the gate opens by itself and the run may act then; who only observes is told at once."""
    if closed.never:
        return Decision(status="reject", reason=closed.reason)
    waits = closed.until is not None and situation.policy.mode == "apply"
    status: Status = "wait" if waits else "hold"
    held = Decision(status=status, reason=closed.reason, until=closed.until, holder=closed.holder)
    if not closed.planned:
        return held
    return _roll(situation).model_copy(update=held.model_dump(include={"status", "reason", "until"}))


def _roll(situation: Situation) -> Decision:
    """The order of the nodes, and everything that changes around them."""
    if situation.nodegroup and not situation.move:
        return _managed(situation, situation.nodegroup)
    policy, ordered = situation.policy, order_nodes(situation.loads)
    canaries = _canaries(ordered, policy)
    surge = min(policy.surge, len(ordered) - canaries)
    chosen = choose_strategy(policy, situation.group.desired, max(canaries, surge), situation.room, situation.swap)
    grows, last = chosen.strategy in GROWING, len(ordered) - surge
    back = {*range(canaries), *range(last, len(ordered))} if grows else set()
    return Decision(
        status=_status(policy),
        reason=_reason(situation),
        nodes=_in_order(ordered, canaries, back),
        surge=surge,
        strategy=chosen.strategy,
        strategy_reason=chosen.reason,
        may_stay=situation.swap.possible,
        candidates=_candidates(ordered, canaries),
        changes=changes_of(situation, chosen.strategy, canaries, surge),
        move=situation.move and situation.move.model_copy(update={"version": situation.facts.release.minor}),
        settled=True,
    )


def _in_order(ordered: Sequence[NodeLoad], canaries: int, shrinking: Collection[int]) -> tuple[PlannedNode, ...]:
    """The nodes in their places; those of the `shrinking` give back the surge."""
    return tuple(
        PlannedNode(
            instance=load.instance,
            decrement=place in shrinking,
            reason=load.reason,
            gang=load.gang,
            canary=place < canaries,
        )
        for place, load in enumerate(ordered)
    )


def _canaries(ordered: Sequence[NodeLoad], policy: GroupPolicy) -> int:
    """How many go first: of a gang all, where so many may go at a time; where they may not, it is waited for anyway."""
    canaries = whole = min(policy.canary.nodes, len(ordered))
    while 0 < whole < len(ordered) and ordered[whole].gang and ordered[whole].gang == ordered[whole - 1].gang:
        whole += 1
    return whole if whole <= min(max(policy.surge, canaries), MAX_CANARIES) else canaries


def _managed(situation: Situation, nodegroup: Nodegroup) -> Decision:
    """EKS replaces the nodes, in an order of its own: ours is only for whoever reads the plan."""
    ordered = order_nodes(situation.loads)
    return Decision(
        status=_status(situation.policy),
        reason=_reason(situation),
        nodes=tuple(PlannedNode(instance=load.instance, decrement=False, reason=load.reason) for load in ordered),
        strategy=MANAGED,
        strategy_reason="only EKS may update what it manages",
        changes=managed_changes(nodegroup, situation.policy, named(situation.target)),
        managed=plan_managed(nodegroup, situation.policy, situation.facts.release.minor),
        settled=True,
    )


def _status(policy: GroupPolicy) -> Status:
    return "roll" if policy.mode == "apply" else "planned"


def _reason(situation: Situation) -> str:
    """How far the group is from its target; who only observes says so."""
    old, size, mode = len(situation.loads), len(situation.group.staying), situation.policy.mode
    reason = f"{old} of {size} instances do not run {named(situation.target)}"
    return reason if mode == "apply" else f"mode {mode}: {reason}"


def _candidates(ordered: Sequence[NodeLoad], canaries: int) -> int:
    """How many nodes might as well be canaries: of those with Jobs the oldest alone, for each has another end."""
    if not canaries:
        return 0
    kind = ordered[canaries - 1].kind
    return canaries if kind > 1 else sum(load.kind <= kind for load in ordered)


def halt_of_plan(plan: Decision, now: datetime) -> Halt | None:
    """Return what a plan for later means to a run that has changed nothing yet."""
    return Halt(plan.reason, now, plan.until) if plan.status == "wait" else None
