"""Look once at the canaries of an open change, or, after the roll, at its alarms alone, and say what that proves.

In:  {"run": {...}, "change": {"fence"}, "plan"?: {"sees"}, "judge"?: <previous answer>, "rolled"?: true, "now": "..."}
Out: {"status": "baking" | "good" | "bad" | "stopped", "reason", "since", "ready": {"<node>": "..."}, "wait_seconds"}
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters import canaries
from gpuops.adapters.world import World
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.rotation.bake import Bake, Look, Verdict, judge_alarms, judge_canary
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.facts import Sight
from gpuops.domain.rotation.messages import Change
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.facts import refusal_by_nodes


class Judged(BaseModel):
    """Out."""

    status: Literal["baking", "good", "bad", "stopped"]
    """`stopped`: a person cancelled the run, which proves nothing."""
    reason: str
    since: AwareDatetime
    """When the bake began: with the first look."""
    ready: Mapping[str, str] = {}
    """By canary, when its readiness last changed, for the next look."""
    wait_seconds: int = 0
    """Before the next look, if it bakes on."""


class Seen(BaseModel):
    """Of the plan, what its gates saw."""

    sees: Sight = Sight()


class JudgeCanary(BaseModel):
    """In."""

    run: Run
    change: Change
    plan: Seen = Seen()
    judge: Judged | None = None
    rolled: bool = False
    """Whether every node has been replaced: then there is nothing to wait for."""


@entry(JudgeCanary)
def handler(request: JudgeCanary, now: datetime) -> Judged:
    """Look; a second call at the same moment sees the same."""
    return judge(request, now, World())


def judge(request: JudgeCanary, now: datetime, world: World) -> Judged:
    """Raises: Conflict when the run does not hold the group any more; Invalid for an alarm that does not exist."""
    run = request.run
    world.store.check_fence(run, request.change.fence)
    undo = world.store.change_of(run)
    since = request.judge.since if request.judge else now
    if (wish := world.wishes.wish(run.id)) and wish.wish == "cancel":
        return Judged(status="stopped", reason=wish.said, since=since)
    verdict = _verdict(request, undo, since, now, world)
    if why := _refusal(request, undo, world):
        verdict = Verdict("bad", why, verdict.ready)
    if verdict.status == "bad":
        world.store.condemn(run, verdict.reason)
    return Judged(
        status=verdict.status,
        reason=verdict.reason,
        since=since,
        ready=verdict.ready,
        wait_seconds=verdict.wait_seconds,
    )


def _refusal(request: JudgeCanary, undo: Undo, world: World) -> str | None:
    """Why the gates refuse the AMI now that its first nodes have told its driver; asked once, with the first look."""
    if request.rolled or request.judge or request.plan.sees.source != "unknown":
        return None
    policy = world.policies.at(request.run.policy).group(request.run.group)
    return refusal_by_nodes(policy, undo.target, world)


def _verdict(request: JudgeCanary, undo: Undo, since: datetime, now: datetime, world: World) -> Verdict:
    """Look at what there is to see at this moment."""
    run = request.run
    policy = world.policies.at(run.policy).group(run.group).canary
    alarms = world.alarms.look(policy, undo.at) if policy.watches_alarms else []
    if request.rolled:
        why = judge_alarms(alarms)
        return Verdict("bad" if why else "good", why or f"{len(alarms)} alarms are quiet", {})
    claims = [claim for claim in world.claims.of(run.group) if claim.stage == "canary"]
    nodes = canaries.look(run, claims, policy.max_restarts, world)
    before = request.judge.ready if request.judge else {}
    return judge_canary(Look(alarms, nodes, before), Bake(since, policy.bake_minutes), xid_table(), now)
