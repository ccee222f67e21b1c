"""How long training, and pods that an annotation protects, are left in peace on a node that is being emptied.

Everything but the request to checkpoint is computed from when the drain began. When a pod was asked stands on the pod:
however late that was, it gets the whole of its notice before it is evicted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gpuops.domain.pods import Pod
from gpuops.domain.policy import Drain

LONGEST = timedelta(days=30)
"""What `wait` comes to: the task that waits for a replacement ends after 120 days, and all other waits must fit."""


@dataclass(frozen=True)
class Patience:
    """The policy's patience with one node since its drain began."""

    policy: Drain
    started: datetime
    grace: timedelta

    @property
    def until(self) -> datetime:
        """When the grace of the policy ends."""
        return self.started + self.grace

    @property
    def notice(self) -> timedelta:
        """How long before its eviction training is asked to checkpoint."""
        return timedelta(minutes=self.policy.checkpoint_minutes)

    def ends(self, pod: Pod, now: datetime) -> datetime:
        """Return when the pod is not waited for any more: `now` or before for one that never was."""
        if pod.deleting or not (pod.completes or pod.keep):
            return self.started
        if self.never(pod):
            return self.started + LONGEST
        return max(self.until, self._asked(pod, now) + self.notice) if self._is_asked(pod) else self.until

    def asks(self, pod: Pod, now: datetime) -> bool:
        """Whether it is time to ask the pod to checkpoint: once, and only a pod that is going to be evicted."""
        if not self._is_asked(pod) or pod.deleting:
            return False
        return now >= self.until - self.notice and self._asked(pod, now) == now != pod.asked

    def held(self, pod: Pod) -> str:
        """Why the policy lets nobody evict the pod; empty when it does."""
        if pod.keep:
            return f"its annotation {pod.keep} forbids an eviction"
        if not pod.owner and self.policy.bare_pods == "block":
            return "no controller would bring it back (policy: drain.bare_pods is block)"
        if pod.empty_dir and self.policy.empty_dir == "block":
            return "its emptyDir would be lost (policy: drain.empty_dir is block)"
        return ""

    def never(self, pod: Pod) -> bool:
        """Whether the pod is never touched, whatever the deadline: then the node is given back instead."""
        return pod.completes and self.policy.after_grace == "wait"

    def _is_asked(self, pod: Pod) -> bool:
        return self.policy.after_grace == "checkpoint" and pod.completes and not self.held(pod)

    def _asked(self, pod: Pod, now: datetime) -> datetime:
        """When it was asked; `now`, at the earliest, if it was not. A time to come was not written by us."""
        return pod.asked if pod.asked is not None and pod.asked <= now else now
