"""Telling a roll of a fault that may be its release's doing: the one that is under way, or the one that has ended."""

from datetime import datetime

from gpuops.adapters.world import World
from gpuops.domain.faults.answers import Repair
from gpuops.domain.faults.diagnose import words_of
from gpuops.domain.faults.regression import BLAMED, Rolled, may_be_its_doing, regression_of
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.release import Condemned


def blame(request: Repair, now: datetime, world: World) -> None:
    """Count a closed node against the release that it runs; a release with too many of them is held, and people asked.

    Counted once for each instance, however often it is told. A canary's faults are seen by who watches it.
    Raises: Unavailable, Refused, Invalid.
    """
    name = request.run.group
    undo, rolled = world.store.undo(name), world.releases.last_roll(name)
    if request.fault.kind not in BLAMED or (undo is None and rolled is None):
        return
    group = world.groups.describe(name)
    mine = group.instance(request.instance)
    if mine is None:
        return
    if undo is not None and undo.is_ours(mine):
        if undo.stage != "canary":
            world.store.tell_abandoned(name, words_of(request.fault), failed=request.instance)
        return
    policy = world.policies.at(request.run.policy).group(name)
    if rolled is not None and may_be_its_doing(rolled, request.fault, mine.ami, policy, now):
        _judge(request, world.releases.fell_ill(name, rolled, request.instance), group, policy, now, world=world)


def _judge(request: Repair, rolled: Rolled, group: Group, policy: GroupPolicy, now: datetime, *, world: World) -> None:
    """Ask for the way back, once a roll; until somebody goes it, nothing rolls the release again."""
    running = [one.id for one in group.staying if one.ami == rolled.target.ami]
    why = regression_of(rolled, running, policy)
    if why is None or not world.releases.tell_regression(group.name, rolled, now):
        return
    verdict = Condemned(target=rolled.target, at=now, run=rolled.run, why=words_of(request.fault))
    world.releases.condemn(group.name, verdict)
    where = {"cluster": policy.cluster, "group": group.name, "instance": request.instance}
    world.bus.put_escalation({**where, "node": request.isolate.node or "", "reason": why})
