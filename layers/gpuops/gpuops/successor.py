"""Replacing one node outside a roll: it goes, and Auto Scaling launches its successor into the place that became free.

Whoever asks has closed the node already, so it serves nobody new: waiting for the successor first would only keep a
bad board longer. The group is whole again once it has its size in service, and whatever came since was admitted.
"""

from datetime import datetime, timedelta

from gpuops.adapters.world import World
from gpuops.domain.rotation.claiming import Times
from gpuops.domain.rotation.group import Group, Instance
from gpuops.domain.rotation.messages import ClaimAnswer, ClaimStatus
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.domain.run import Run


def succeed(run: Run, instance: str, before: Times | None, now: datetime, world: World) -> ClaimAnswer:
    """Let the node go, or see whether its successor serves. Raises: Unavailable, Refused, Invalid."""
    patience = timedelta(minutes=world.policies.at(run.policy).group(run.group).claim_deadline_minutes)
    group = world.groups.describe(run.group)
    times = before or Times(slot=instance, started=now, deadline=now)
    if before is None:
        gone = group.instance(instance) is None
        return _answer("gone" if gone else "taken", f"{instance} is {'gone' if gone else 'to go'}", instance, times)
    if before.status == "taken":
        times = before.model_copy(update={"deadline": now + patience})
    missing = _missing(group, run, times.started, world)
    if missing is None:
        for newcomer in _newcomers(group, times.started):
            world.attempts.succeed(newcomer.id, instance, now)
        return _answer("filled", f"the successor of {instance} serves", instance, times)
    failure = world.groups.last_failure(run.group, times.started)
    reason = f"{instance} is gone; {missing}" + (f"; {failure}" if failure else "")
    if now >= times.deadline:
        return _answer("overdue", reason, instance, times)
    pause = wait_seconds(times.started, now, times.deadline)
    return _answer("waiting", reason, instance, times).model_copy(update={"wait_seconds": pause})


def _missing(group: Group, run: Run, since: datetime, world: World) -> str | None:
    """What the group still lacks, or None."""
    serving = [instance for instance in group.staying if instance.in_service]
    if len(serving) < group.desired:
        return f"{len(serving)} of {group.desired} instances are in service"
    admitted = {node.instance for node in world.cluster(run.cluster).nodes() if node.admitted}
    left = next((one.id for one in _newcomers(group, since) if one.id not in admitted), None)
    return f"{left} is not admitted yet" if left else None


def _newcomers(group: Group, since: datetime) -> list[Instance]:
    """Those that were launched since then; of two faults at once, each stands in for both: a person sees it sooner."""
    return [one for one in group.staying if one.in_service and one.launched is not None and one.launched >= since]


def _answer(status: ClaimStatus, reason: str, instance: str, times: Times) -> ClaimAnswer:
    """The answer, with the times that the next call goes on with."""
    return ClaimAnswer(
        status=status,
        reason=reason,
        slot=instance,
        instance=instance,
        decrement=False,
        started=times.started,
        deadline=times.deadline,
    )
