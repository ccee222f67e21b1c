"""Find what dead executions left: changes that are open, nodes that repairs closed, new nodes that nobody admits.

In:  {"now": "..."}
Out: {"status": "listed", "reason", "changes": [{"run": {...}}],
      "admissions": [{"cluster", "group", "instance", "name"}], "resumptions": [{"group"}],
      "repairs": [{"run", "event", "isolate", "error", "name"}], "lost": [<the same, without a name>],
      "faults": [{"name", "reason"}]}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.errors import EXPECTED, gather, together
from gpuops.domain.faults.answers import Left
from gpuops.domain.faults.breaker import LAUNCH_SUSPENDED, resumes
from gpuops.domain.policy import Admission as Patience
from gpuops.domain.policy import Policy
from gpuops.domain.rotation.lock import is_dead
from gpuops.domain.run import Run
from gpuops.entry import entry, measure
from gpuops.repair.left import left_repairs
from gpuops.slots import free_slots_of_the_dead
from gpuops.unadmitted import Admission, lost_admissions

RETRY_MINUTES = Patience().retry_minutes
"""Of a group that the policy has lost meanwhile."""


class ListLeftovers(BaseModel):
    """A tick of the schedule, or an execution's bad end: both only say that it is time to look."""


class OpenChange(BaseModel):
    """What `close_change` takes."""

    run: Run


class Resumption(BaseModel):
    """What `guard_launch` takes: a group whose Launch we suspended for long enough."""

    group: str


class Fault(BaseModel):
    """Why something could not be looked at, or what could not."""

    name: str
    reason: str


class Leftovers(BaseModel):
    """What there is to put back or to start."""

    status: Literal["listed"] = "listed"
    reason: str
    changes: tuple[OpenChange, ...]
    admissions: tuple[Admission, ...]
    resumptions: tuple[Resumption, ...] = ()
    repairs: tuple[Left, ...] = ()
    """Repairs that died, to be taken up by another execution."""
    lost: tuple[Left, ...] = ()
    """Those that died twice, or whose fault is not known any more: a person's."""
    faults: tuple[Fault, ...] = ()
    """The execution fails with these, after it did the rest."""


@entry(ListLeftovers)
def handler(request: ListLeftovers, now: datetime) -> Leftovers:  # noqa: ARG001 - a tick carries nothing
    """List; nothing is touched but entries of groups that turn out to be free, and slots of the dead."""
    return list_leftovers(now, World())


def list_leftovers(now: datetime, world: World) -> Leftovers:
    """A fault hides nothing but what it is about: it is raised only where nothing at all was found beside it."""
    changes, faults = _changes(now, world)
    policy, more = _policy(world)
    admissions, unseen = lost_admissions(policy.groups, now, world)
    resumptions, unread = _resumptions(policy, now, world)
    left, unasked = left_repairs(policy, now, world)
    faults += more + unseen + unread + unasked + _slots(changes, now, world)
    if faults and not changes and not admissions and not resumptions and not left:
        raise together(faults)
    return Leftovers(
        reason=_told(len(changes), len(admissions), len(resumptions), len(left), faults),
        changes=changes,
        admissions=admissions,
        resumptions=resumptions,
        repairs=tuple(one for one in left if one.name is not None),
        lost=tuple(one for one in left if one.name is None),
        faults=[Fault(name=type(fault).__name__, reason=str(fault)) for fault in faults],
    )


def _told(changes: int, admissions: int, resumptions: int, repairs: int, faults: list[Exception]) -> str:
    """The list in words."""
    reason = f"{changes} changes to close, {admissions} admissions to start"
    reason += f", {resumptions} groups to launch again" if resumptions else ""
    reason += f", {repairs} repairs that died" if repairs else ""
    return reason + "".join(f"; not looked at: {fault}" for fault in faults)


def _slots(changes: list[OpenChange], now: datetime, world: World) -> list[Exception]:
    """Free the slots of the dead, but for those that are given back as their change is closed; with its fault."""
    try:
        free_slots_of_the_dead({change.run.execution for change in changes}, now, world)
    except EXPECTED as fault:
        return [fault]
    return []


def _policy(world: World) -> tuple[Policy, list[Exception]]:
    """The policy; one without groups, and its fault, where it cannot be read."""
    try:
        return world.policies.latest(), []
    except EXPECTED as fault:
        return Policy(version="", groups=()), [fault]


def _changes(now: datetime, world: World) -> tuple[list[OpenChange], list[Exception]]:
    """What dead runs left open; with the faults of groups whose owner could not be asked for."""
    return gather(lambda group: _change_in(group, now, world), world.store.open_groups())


def _change_in(group: str, now: datetime, world: World) -> list[OpenChange]:
    """The one that its dead run left, if there is one."""
    run = _dead_run(group, now, world)
    return [OpenChange(run=run)] if run else []


def _dead_run(group: str, now: datetime, world: World) -> Run | None:
    """The dead run whose originals or locks the group still has."""
    store = world.store
    undo, locks = store.undo(group), [store.lock("lock", group), store.lock("rotation", group)]
    holders = [(item.run, item.at) for item in (undo, *locks) if item]
    if not holders:
        store.forget_if_free(group)
    for run, since in holders:
        if is_dead(since, world.executions.find(run.execution), now):
            return run
    return None


def _resumptions(policy: Policy, now: datetime, world: World) -> tuple[list[Resumption], list[Exception]]:
    """Groups that may launch again, or do already while the list names them, as whoever died in mid-resumption left it.

    How many are suspended is measured, so that the alarm lasts as long as they are.
    """
    pauses = {group.group: group.admission.retry_minutes for group in policy.groups}
    try:
        names = world.memory.suspended_groups()
        breakers = [(name, world.memory.breaker("launch", name)) for name in names]
    except EXPECTED as fault:
        return [], [fault]
    measure(LAUNCH_SUSPENDED, sum(breaker.suspended for _, breaker in breakers if breaker))
    wait = {name: timedelta(minutes=pauses.get(name, RETRY_MINUTES)) for name in names}
    due = [name for name, b in breakers if b is None or not b.suspended or resumes(b, wait[name], now)]
    return [Resumption(group=name) for name in due], []
