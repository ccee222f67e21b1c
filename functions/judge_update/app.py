"""Say how EKS's update of a node group ended: why it failed and what to do, or whether every node is what it says.

EKS calls an update successful once the new nodes are Ready; whether their GPUs compute, only their admission knows.

In:  {"run": {...}, "target": {...}, "update": <DescribeUpdate's Update>, "judge"?: <previous answer>, "now": "..."}
Out: {"status": "updated" | "waiting", "reason", "deadline", "wait_seconds": 20}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters.world import World
from gpuops.domain.errors import Unhealthy
from gpuops.domain.rotation.target import Target
from gpuops.domain.rotation.update import Update, failure, judge_nodes
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry


class Deadline(BaseModel):
    """What the answer before said."""

    deadline: AwareDatetime


class JudgeUpdate(BaseModel):
    """An update that has ended."""

    run: Run
    target: Target
    update: Update
    judge: Deadline | None = None


class JudgeAnswer(BaseModel):
    """Whether the group is what EKS says that it is."""

    status: Literal["updated", "waiting"]
    reason: str
    deadline: AwareDatetime
    wait_seconds: int = 0
    """Before the next look, if it is still waiting."""


@entry(JudgeUpdate)
def handler(request: JudgeUpdate, now: datetime) -> JudgeAnswer:
    """Judge; it only looks."""
    return judge(request, now, World())


def judge(request: JudgeUpdate, now: datetime, world: World) -> JudgeAnswer:
    """Raises: Refused, Unhealthy, Invalid or Unavailable as EKS's error means; Unhealthy for nodes never admitted."""
    run, cluster = request.run, world.cluster(request.run.cluster)
    if request.update.status != "Successful":
        stuck = request.update.stuck_nodes
        raise failure(request.update, world.disruptions(cluster).blocking(stuck) if stuck else [])
    patience = timedelta(minutes=world.policies.at(run.policy).group(run.group).claim_deadline_minutes)
    deadline = request.judge.deadline if request.judge else now + patience
    group = world.groups.describe(run.group)
    verdict = judge_nodes(group, request.target.ami, cluster.nodes(), deadline, now)
    if verdict.status == "unhealthy":
        raise Unhealthy(verdict.reason)
    pause = wait_seconds(deadline - patience, now, deadline) if verdict.status == "waiting" else 0
    return JudgeAnswer(status=verdict.status, reason=verdict.reason, deadline=deadline, wait_seconds=pause)
