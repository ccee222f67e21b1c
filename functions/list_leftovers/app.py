"""Find what dead executions left: changes that are still open, and new nodes that nobody admits.

In:  {"now": "..."}
Out: {"status": "listed", "reason", "changes": [{"run": {...}}],
      "admissions": [{"cluster", "group", "instance", "name"}], "resumptions": [{"group"}],
      "faults": [{"name", "reason"}]}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, together
from gpuops.domain.faults.breaker import LAUNCH_SUSPENDED, resumes
from gpuops.domain.policy import Admission as Patience
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.lock import is_dead
from gpuops.domain.run import Run
from gpuops.entry import entry, measure
from gpuops.slots import free_slots_of_the_dead

EXPECTED = (Conflict, Invalid, Refused, Unavailable)
MARGIN = timedelta(minutes=20)
"""Past the deadline of an admission, none can still be running."""
RETRY_MINUTES = Patience().retry_minutes
"""Of a group that the policy has lost meanwhile."""


class ListLeftovers(BaseModel):
    """A tick of the schedule, or an execution's bad end: both only say that it is time to look."""


class OpenChange(BaseModel):
    """What `close_change` takes."""

    run: Run


class Admission(BaseModel):
    """What `admit_node` takes, and the execution's name: two ticks that mean the same attempt start one."""

    cluster: str
    group: str
    instance: str
    name: str


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
    faults: tuple[Fault, ...] = ()
    """The execution fails with these, after it did the rest."""


@entry(ListLeftovers)
def handler(request: ListLeftovers, now: datetime) -> Leftovers:  # noqa: ARG001 - a tick carries nothing
    """List; nothing is touched but entries of groups that turn out to be free, and slots of the dead."""
    return list_leftovers(now, World())


def list_leftovers(now: datetime, world: World) -> Leftovers:
    """A fault hides nothing but what it is about: it is raised only where nothing at all was found beside it."""
    changes, faults = _changes(now, world)
    groups, more = _groups(world)
    admissions, lost = _admissions(groups, now, world)
    resumptions, unread = _resumptions(groups, now, world)
    faults += more + lost + unread + _slots(changes, now, world)
    if faults and not changes and not admissions and not resumptions:
        raise together(faults)
    reason = f"{len(changes)} changes to close, {len(admissions)} admissions to start"
    reason += f", {len(resumptions)} groups to launch again" if resumptions else ""
    reason += "".join(f"; not looked at: {fault}" for fault in faults)
    told = [Fault(name=type(fault).__name__, reason=str(fault)) for fault in faults]
    return Leftovers(reason=reason, changes=changes, admissions=admissions, resumptions=resumptions, faults=told)


def _slots(changes: list[OpenChange], now: datetime, world: World) -> list[Exception]:
    """Free the slots of the dead, but for those that are given back as their change is closed; with its fault."""
    try:
        free_slots_of_the_dead({change.run.execution for change in changes}, now, world)
    except EXPECTED as fault:
        return [fault]
    return []


def _groups(world: World) -> tuple[tuple[GroupPolicy, ...], list[Exception]]:
    """The policy's groups; none, and its fault, where it cannot be read."""
    try:
        return world.policies.latest().groups, []
    except EXPECTED as fault:
        return (), [fault]


def _changes(now: datetime, world: World) -> tuple[list[OpenChange], list[Exception]]:
    """What dead runs left open; with the faults of groups whose owner could not be asked for."""
    found: list[OpenChange] = []
    faults: list[Exception] = []
    for group in world.store.open_groups():
        try:
            run = _dead_run(group, now, world)
        except EXPECTED as fault:
            faults.append(fault)
        else:
            found += [OpenChange(run=run)] if run else []
    return found, faults


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


def _admissions(
    groups: tuple[GroupPolicy, ...], now: datetime, world: World
) -> tuple[list[Admission], list[Exception]]:
    """New nodes that wait for longer than any admission runs; with the faults of what could not be looked at."""
    found: list[Admission] = []
    faults: list[Exception] = []
    for policy in groups:
        try:
            found += _lost(policy, now, world)
        except EXPECTED as fault:
            faults.append(fault)
    return found, faults


def _resumptions(
    groups: tuple[GroupPolicy, ...], now: datetime, world: World
) -> tuple[list[Resumption], list[Exception]]:
    """Groups that may launch again, or do already while the list names them, as whoever died in mid-resumption left it.

    How many are suspended is measured, so that the alarm lasts as long as they are.
    """
    pauses = {policy.group: policy.admission.retry_minutes for policy in groups}
    try:
        names = world.memory.suspended_groups()
        breakers = [(name, world.memory.breaker("launch", name)) for name in names]
    except EXPECTED as fault:
        return [], [fault]
    measure(LAUNCH_SUSPENDED, sum(breaker.suspended for _, breaker in breakers if breaker))
    wait = {name: timedelta(minutes=pauses.get(name, RETRY_MINUTES)) for name in names}
    due = [name for name, b in breakers if b is None or not b.suspended or resumes(b, wait[name], now)]
    return [Resumption(group=name) for name in due], []


def _lost(policy: GroupPolicy, now: datetime, world: World) -> list[Admission]:
    """Instances of the group whose node keeps its startup taint for too long; EC2's launch time tells how long."""
    attempt = timedelta(minutes=policy.admission.deadline_minutes) + MARGIN
    staying = world.groups.describe(policy.group).staying
    old = {i.id: i.launched for i in staying if i.launched and i.launched < now - attempt}
    if not old:
        return []
    pending = [node for node in world.cluster(policy.cluster).nodes() if node.pending and node.instance in old]
    return [
        Admission(cluster=policy.cluster, group=policy.group, instance=node.instance, name=name)
        for node in pending
        if (name := _name(node, old[node.instance], attempt, now))
    ]


def _name(node: Node, launched: datetime, attempt: timedelta, now: datetime) -> str | None:
    """Name the attempt after its turn since the launch: each is over before the next one may begin.

    A node that is closed for a new root volume counts from when an execution last cared for it: its drain may take
    days. None where that is not long ago.
    """
    cared = datetime.fromisoformat(node.quarantined) if node.quarantined else launched
    if cared >= now - attempt:
        return None
    turn = f"{(now - cared) // attempt}"
    return f"leftover-{node.instance}-{turn}" + (f"-{int(cared.timestamp())}" if node.quarantined else "")
