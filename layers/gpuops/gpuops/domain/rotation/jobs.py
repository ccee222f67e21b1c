"""What EKS's update of a node group waits for, and what it must not begin with.

EKS gives the pods of a node a quarter of an hour, whatever they are, and takes the nodes in an order of its own. So
training gets its grace before; what the policy never touches keeps EKS away altogether, and so does a gang: its nodes
would be taken one after the other, and each of them would stop it anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.pods import Pod
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.gangs import Gangs
from gpuops.domain.rotation.patience import LONGEST, Patience
from gpuops.domain.rotation.waiting import wait_seconds

MOST_NAMED = 5


@dataclass(frozen=True)
class Jobs:
    """Whether EKS may begin."""

    status: Literal["ready", "waiting", "refused"]
    reason: str
    close: frozenset[str] = frozenset()
    """Names of the nodes that carry what is waited for: closed, they get no more of it."""
    wait_seconds: int = 0


def decide_jobs(
    pods_by_node: Mapping[str, Iterable[Pod]], old: Sequence[str], policy: GroupPolicy, since: datetime, now: datetime
) -> Jobs:
    """Look at the old nodes, by name; `since` is when they were first looked at."""
    patience = Patience(policy.drain, since, timedelta(hours=policy.job_grace_hours))
    longest, gangs = since + LONGEST, _gangs(pods_by_node, old)
    graced = [(node, pod) for node in old for pod in pods_by_node.get(node, ()) if _is_graced(pod)]
    never = [pod.title for _, pod in graced if patience.never(pod)]
    ends = dict.fromkeys(gangs, longest if policy.drain.after_grace == "wait" else patience.until)
    ends |= {pod.title: longest if patience.never(pod) else patience.until for _, pod in graced}
    waited = {what: end for what, end in ends.items() if now < end}
    if waited:
        until = max(waited.values())
        close = frozenset(node for node, _ in graced).union(*gangs.values())
        reason = f"{_named(waited)} run until they end, or until {until.isoformat()}"
        return Jobs("waiting", reason, close, wait_seconds(since, now, until))
    if never:
        return Jobs("refused", f"{_named(never)} run on, and drain.after_grace is wait: EKS would evict them")
    if gangs:
        why = "EKS would take its nodes one after the other; managed_blue_green moves them together"
        return Jobs("refused", f"{_named(gangs)} still runs on several nodes: {why}")
    return Jobs("ready", "no Job is waited for")


def _is_graced(pod: Pod) -> bool:
    """Training, and what an annotation protects."""
    return must_go(pod) and bool(pod.completes or pod.keep)


def _gangs(pods_by_node: Mapping[str, Iterable[Pod]], old: Sequence[str]) -> dict[str, frozenset[str]]:
    """The gangs that run on more than one of the old nodes, each with those."""
    known, found = Gangs(pods_by_node), dict[str, frozenset[str]]()
    for node in old:
        unit = known.unit_of(node)
        nodes = unit.nodes & set(old)
        if len(nodes) > 1:
            found[unit.title] = nodes
    return found


def _named(what: Iterable[str]) -> str:
    return ", ".join([*what][:MOST_NAMED])
