"""Let a node in quarantine leave service for its repair, once its turn has come: before anything on it is disturbed.

What is going to be tried is written down first: a repair that dies half-way was one, too. While the node is emptied,
and once more when it is empty, this is asked whether what rang has fallen quiet: then nothing is left but to prove it.

In:  {"run": {...}, "event", "isolate", "diagnose", "open"?: <previous answer>, "drain"?, "now"}
Out: {"status": "clear" | "waiting" | "overdue" | "gone" | "recovered" | "released", "reason", "since", "doubted",
      "crowded", "wait_seconds"}
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gpuops.adapters.halting import why_held
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.faults.answers import Opened, Repair
from gpuops.domain.faults.attempts import attempt_of
from gpuops.domain.faults.turn import Sight, Turn, decide_turn, doubted
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.entry import entry
from gpuops.replaceable import lacks
from gpuops.slots import take_slots

PATIENCE = timedelta(hours=24)
"""How long a node in quarantine waits for its turn before a person hears of it."""
OTHERS_PATIENCE = timedelta(hours=1)
"""EKS acts within minutes where it does (its node auto-repair: 10 or 30 of them, by condition), NVSentinel gives each
of its operations 25."""


@entry(Repair)
def handler(request: Repair, now: datetime) -> Opened:
    """Take the slot; a second call finds the first one's."""
    return open_repair(request, now, World())


def open_repair(request: Repair, now: datetime, world: World) -> Opened:
    """Raises: Refused when a person cancelled it; and what the adapters raise."""
    before = before_of(request, now)
    if before.status == "clear" and request.drain is not None:
        return in_drain(request, before, world)
    if halt := why_held(request.run, world):
        rest = {"reason": halt.reason, "wait_seconds": halt.seconds(now), "resting": before.resting or now}
        return before.model_copy(update={"status": "waiting", **rest})
    before = before.model_copy(update={"since": before.since + before.lost(now), "resting": None})
    policy = world.policies.at(request.run.policy)
    nodes = list(world.cluster(request.run.cluster).nodes())
    see = look(request, before, nodes, policy, world)
    turn = decide_turn(see)
    if turn.status == "clear" and (doubt := lacks(request, nodes, policy.group(request.run.group), now, world)):
        turn = doubted(doubt)
    if turn.status == "clear":
        why = take_slots(request.run, [request.instance], policy, world)
        turn = turn if why is None else Turn("waiting", why)
    if turn.status == "clear":
        begin(request, now, world)
    if (turn.storm and world.attempts.trip(now, turn.reason)) or (turn.scarce and not before.told):
        where = {"cluster": request.run.cluster, "group": request.run.group, "instance": request.instance}
        world.bus.put_escalation({**where, "node": request.isolate.node or "", "reason": turn.reason})
    before = before.model_copy(update={"other": see.other, "told": before.told or turn.scarce})
    return answer(turn, before, now, OTHERS_PATIENCE if see.eks or see.other else PATIENCE)


def before_of(request: Repair, now: datetime) -> Opened:
    """The last answer; asked again with nothing in hand, the node's proof has failed meanwhile."""
    before = request.open or Opened(status="waiting", reason="", since=now)
    tried = before.status in {"clear", "recovered"} and request.drain is None
    return before.model_copy(update={"doubted": before.doubted or tried})


def in_drain(request: Repair, before: Opened, world: World) -> Opened:
    """What was begun goes on, unless whatever rang is quiet: then its pods may stay, if the node can be proved so."""
    if not is_quiet(request, before, world):
        return before
    where = "it is empty" if is_empty(request) else "it was being emptied"
    reason = f"whatever rang is quiet again, while {where}: the node is proved and given back"
    return before.model_copy(update={"status": "recovered", "reason": reason})


def is_empty(request: Repair) -> bool:
    """Whether its drain has ended well."""
    return (request.drain or {}).get("status") == "drained"


def answer(turn: Turn, before: Opened, now: datetime, patience: timedelta) -> Opened:
    """The turn as the machine hears it; whoever waited too long is a person's business."""
    if turn.status != "waiting":
        return before.model_copy(update={"status": turn.status, "reason": turn.reason})
    until = before.since + patience
    if now >= until:
        return before.model_copy(update={"status": "overdue", "reason": turn.reason})
    pause = wait_seconds(before.since, now, until)
    return before.model_copy(update={"status": "waiting", "reason": turn.reason, "wait_seconds": pause})


def look(request: Repair, before: Opened, nodes: Sequence[Node], policy: Policy, world: World) -> Sight:
    """What decides about the turn."""
    run, instance = request.run, request.instance
    fleet = world.groups.total([group.group for group in policy.groups])
    group = world.groups.describe(run.group, lambda _: True)
    owners = {node.instance: node.isolated_by for node in nodes if node.isolated_by is not None}
    other = next((node.held_by for node in nodes if node.instance == instance), "")
    slots = {slot.instance for slot in world.budgets.slots()}
    return Sight(
        instance=instance,
        there=group.instance(instance) is not None,
        released=any(node.instance == instance and not node.pending for node in nodes) and instance not in owners,
        quarantined=owners.keys() - {instance},
        closed=slots - {instance},
        fleet=fleet,
        limit=policy.breaker(fleet),
        taken_over=owner if (owner := owners.get(instance, run.id)) != run.id else "",
        roll=roll_before(request, world),
        eks=left_to_eks(policy.group(run.group), group.managed, world),
        other=other,
        given_back=not other and request.open is not None and bool(request.open.other),
        quiet=is_quiet(request, before, world),
    )


def roll_before(request: Repair, world: World) -> str:
    """The run that is going to replace the node, asked to do that next; a newcomer of its is ours to replace.

    Not while it bakes as the canary: what it shows there is the roll's own evidence, and takes it out again.
    """
    group = request.run.group
    held = world.store.lock("lock", group)
    if held is None or held.owner == request.run.execution:
        return ""
    undo = world.store.undo(group)
    if undo is None or undo.run.id != held.run.id:
        return held.run.id
    seen = world.groups.describe(group)
    mine = seen.instance(request.instance)
    if undo.stage == "canary" and mine is not None and undo.is_ours(mine):
        return held.run.id
    if all(old.id != request.instance for old in undo.olds(seen)):
        return ""
    world.store.claim_next(undo.run, [request.instance])
    return held.run.id


def left_to_eks(group: GroupPolicy, name: str | None, world: World) -> str:
    """The managed node group of that name, if EKS repairs it by itself, unless the policy says that we do."""
    owner = group.remediation.owner
    if name is None or owner == "gpuops":
        return ""
    return name if owner == "eks" or world.nodegroups.repairs(group.cluster, name) else ""


def is_quiet(request: Repair, before: Opened, world: World) -> bool:
    """Whether everything that spoke of the node took its word back since it was closed, and that can be proved."""
    if request.fault.xid is not None or request.fault.deadline is not None:
        return False
    if before.doubted or (before.crowded and not is_empty(request)):
        return False
    incident, since = world.incidents.of(request.instance), request.isolate.since
    recovered = incident.recovered_at if incident else None
    return recovered is not None and since is not None and recovered >= since


def begin(request: Repair, now: datetime, world: World) -> None:
    """Remember the attempt, and whose pod was on the GPU: when the next step is decided, nobody is any more."""
    world.attempts.calm()
    if request.diagnose is not None:
        attempt = attempt_of(request.fault, request.diagnose.action, request.run.id, now, request.diagnose.job)
        world.attempts.note(attempt, request.instance, request.fault.uuid)
