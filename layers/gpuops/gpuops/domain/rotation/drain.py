"""What to do with each pod of a node that is being emptied, and when the waiting ends.

Two clocks: training, and pods that an annotation protects, get `job_grace_hours` from the first look; only when none of
them is waited for does the drain's own deadline begin to count. Everything else is evicted at once, so that it moves
while training ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.patience import Patience
from gpuops.domain.rotation.waiting import SOON, wait_seconds

TERMINATING = "terminating"
MAX_NAMED = 10
"""A payload travels through every state: the rest is counted."""
AFTER_DEADLINE = timedelta(days=14)
"""How long a drain that does not fail at its deadline goes on: an execution's history has an end, too."""


@dataclass(frozen=True)
class Clock:
    """When this drain was first looked at, and when it is given up."""

    started: datetime
    deadline: datetime


@dataclass(frozen=True)
class DrainDecision:
    """One pass over a node's pods; every pod that is still to go is in exactly one of the first three."""

    evict: tuple[Pod, ...]
    delete: tuple[Pod, ...]
    """Past the deadline, where the policy says `force`."""
    waiting: Mapping[Pod, str]
    """Pods that must go, but not by an eviction now, and why."""
    ask: tuple[Pod, ...]
    """Those of the waiting ones that are asked to checkpoint now."""
    deadline: datetime
    overdue: bool
    wait_seconds: int
    """Before the next pass: seldom while training runs, often while pods are on their way."""

    @property
    def left(self) -> tuple[Pod, ...]:
        """Every pod that holds the node at the moment of the decision."""
        return (*self.evict, *self.delete, *self.waiting)


@dataclass(frozen=True)
class DrainState:
    """Where the drain of a node stands after a pass."""

    status: Literal["drained", "draining", "overdue"]
    reason: str


def decide_drain(
    pods: Iterable[Pod], policy: Drain, job_grace: timedelta, clock: Clock, now: datetime
) -> DrainDecision:
    """Sort the pods. The deadline moves along for as long as any of them has grace left."""
    staying = tuple(pod for pod in pods if must_go(pod))
    patience = Patience(policy, clock.started, job_grace)
    graced = {pod: end for pod in staying if (end := patience.ends(pod, now)) > now}
    deadline = now + timedelta(minutes=policy.deadline_minutes) if graced else clock.deadline
    limit = deadline if policy.on_deadline == "fail" else deadline + AFTER_DEADLINE
    forced = now >= deadline and policy.on_deadline == "force"
    waiting = {pod: why for pod in staying if (why := _why_not(pod, patience, graced, forced=forced))}
    going = tuple(pod for pod in staying if pod not in waiting)
    begun = deadline - timedelta(minutes=policy.deadline_minutes)
    ends = (patience.until - patience.notice, *graced.values())
    pause = (
        wait_seconds(clock.started, now, *ends) if graced else wait_seconds(begun, now, deadline, limit, soonest=SOON)
    )
    return DrainDecision(
        evict=() if forced else going,
        delete=going if forced else (),
        waiting=waiting,
        ask=tuple(pod for pod in graced if patience.asks(pod, now)),
        deadline=deadline,
        overdue=now >= limit,
        wait_seconds=pause,
    )


def must_go(pod: Pod) -> bool:
    """Whether the node is not empty while the pod is there; a DaemonSet's would come back at once."""
    return not (pod.finished or pod.mirror or pod.owner in ("DaemonSet", "Node"))


def drain_state(decision: DrainDecision, refused: Mapping[Pod, str], volumes: Iterable[str]) -> DrainState:
    """Drained means gone: a pod that was just told to go still holds its GPU and its volumes."""
    left = decision.left
    attached = tuple(volumes)
    if not left and not attached:
        return DrainState("drained", "no pod is left and no volume attached")
    what = f"{len(left)} pods" if left else f"{len(attached)} attached volumes"
    why = next(iter(named(decision, refused)), "")
    reason = f"{what} left" + (f": {why}" if why else "")
    if decision.overdue:
        return DrainState("overdue", f"{reason}; the deadline was {decision.deadline.isoformat()}")
    return DrainState("draining", reason)


def named(decision: DrainDecision, refused: Mapping[Pod, str]) -> list[str]:
    """The pods that hold the node, each with its reason, refused ones first: those need a person."""
    return [f"{pod.title}: {why}" for pod, why in {**refused, **decision.waiting}.items()][:MAX_NAMED]


def _why_not(pod: Pod, patience: Patience, graced: Mapping[Pod, datetime], *, forced: bool) -> str:
    """Why a pod is not made to go now; empty when it is."""
    if pod.deleting:
        return TERMINATING
    if pod in graced:
        return _graced(pod, patience, graced[pod])
    if patience.never(pod):
        return f"{_work(pod)}is never touched (policy: drain.after_grace is wait)"
    return "" if forced else patience.held(pod)


def _graced(pod: Pod, patience: Patience, end: datetime) -> str:
    """Why it is waited for, and how long."""
    if pod.keep:
        return f"{_work(pod)}is protected by its annotation {pod.keep}, until {end.isoformat()} at least"
    if patience.never(pod):
        return f"{_work(pod)}runs until it ends (policy: drain.after_grace is wait)"
    asked = f"; asked to checkpoint at {pod.asked.isoformat()}" if pod.asked else ""
    return f"{_work(pod)}runs until it ends, or until {end.isoformat()}{asked}"


def _work(pod: Pod) -> str:
    """Whose it is, for people who know the work and not its pods."""
    return f"{pod.gang} " if pod.gang else ""
