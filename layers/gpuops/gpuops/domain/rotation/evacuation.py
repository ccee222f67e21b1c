"""Emptying a node that AWS takes at a known time: whatever is still on it then is lost, so nothing is waited for long.

Training is asked to save its work at once and goes shortly before the end; what matters most goes first, because a
budget, or room elsewhere, may not be enough for all; after the end there is nothing to drain any more.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.drain import Clock, DrainDecision, decide_drain

SHUTDOWN = timedelta(seconds=45)
"""Before the end: a pod has thirty seconds to stop by default, and an eviction takes its time."""
PAUSE_SECONDS = 10
"""Of two minutes, a usual pause would be a sixth."""


def decide_evacuation(
    pods: Iterable[Pod], policy: Drain, started: datetime, leaves_at: datetime, now: datetime
) -> DrainDecision:
    """Return one pass over the pods, the most important first. The policy's `force` and `wait` end with the node."""
    grace = max(timedelta(0), leaves_at - SHUTDOWN - started)
    hurried = policy.model_copy(update={"on_deadline": "fail", "checkpoint_minutes": _notice(policy, grace)})
    decision = decide_drain(pods, hurried, grace, Clock(started, leaves_at), now)
    return replace(
        decision,
        evict=tuple(sorted(decision.evict, key=lambda pod: (-pod.priority, pod.title))),
        ask=tuple(pod for pod in decision.waiting if policy.after_grace == "checkpoint" and _can_be_asked(pod)),
        deadline=leaves_at,
        overdue=now >= leaves_at,
        wait_seconds=min(decision.wait_seconds, PAUSE_SECONDS),
    )


def _can_be_asked(pod: Pod) -> bool:
    return pod.completes and not (pod.deleting or pod.keep or pod.asked)


def _notice(policy: Drain, grace: timedelta) -> int:
    """The policy's notice, or as many whole minutes of it as there are: a pod that was asked has no more than that."""
    return min(policy.checkpoint_minutes, int(grace.total_seconds() // 60))
