"""What to do with each pod of a node that is being emptied, and when the waiting ends.

Two clocks: pods that end by themselves get `job_grace_hours` from the first look; only when none of them is waited for
does the drain's own deadline begin to count. Everything else is evicted at once, so that it moves while Jobs end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.waiting import wait_seconds

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
    """One pass over a node's pods; every pod that is still to go is in exactly one of the three."""

    evict: tuple[Pod, ...]
    delete: tuple[Pod, ...]
    """Past the deadline, where the policy says `force`."""
    waiting: Mapping[Pod, str]
    """Pods that must go, but not by an eviction now, and why."""
    deadline: datetime
    overdue: bool
    wait_seconds: int
    """Before the next pass: seldom while Jobs run, often while pods are on their way."""

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
    """Sort the pods. The deadline moves along for as long as Jobs have grace left."""
    staying = tuple(pod for pod in pods if must_go(pod))
    jobs_until = clock.started + job_grace
    graced = tuple(pod for pod in staying if pod.completes and not pod.deleting and now < jobs_until)
    deadline = now + timedelta(minutes=policy.deadline_minutes) if graced else clock.deadline
    limit = deadline if policy.on_deadline == "fail" else deadline + AFTER_DEADLINE
    overdue = now >= limit
    begun = deadline - timedelta(minutes=policy.deadline_minutes)
    pause = wait_seconds(clock.started, now, jobs_until) if graced else wait_seconds(begun, now, deadline, limit)
    if now >= deadline and policy.on_deadline == "force":
        going = {pod: TERMINATING for pod in staying if pod.deleting}
        forced = tuple(pod for pod in staying if pod not in going)
        return DrainDecision((), forced, going, deadline, overdue, pause)
    waiting = {pod: f"runs until it ends, or until {jobs_until.isoformat()}" for pod in graced}
    waiting |= {pod: why for pod in staying if pod not in waiting and (why := _held(pod, policy))}
    evict = tuple(pod for pod in staying if pod not in waiting)
    return DrainDecision(evict, (), waiting, deadline, overdue, pause)


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


def _held(pod: Pod, policy: Drain) -> str:
    """Why a pod may not be evicted; empty when it may."""
    if pod.deleting:
        return TERMINATING
    if not pod.owner and policy.bare_pods == "block":
        return "no controller would bring it back (policy: drain.bare_pods is block)"
    if pod.empty_dir and policy.empty_dir == "block":
        return "its emptyDir would be lost (policy: drain.empty_dir is block)"
    return ""
