"""Ask people whether a plan may begin: keep the task token, publish one message; the state machine waits.

In:  {"run": {...}, "plan": {...}, "begin": {"expires"}, "token": "<task token>", "now": "..."}
Out: {"status": "asked", "reason", "expires"}; the task's own result is the answer that `steer_run` sends
"""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from gpuops import planning
from gpuops.adapters.world import World
from gpuops.domain.rotation.approval import approval_notice
from gpuops.domain.rotation.messages import RotationPlan
from gpuops.domain.rotation.wish import Pending
from gpuops.domain.run import Run
from gpuops.entry import entry


class Ask(BaseModel):
    """What begin_rotation said."""

    expires: AwareDatetime


class RequestApproval(BaseModel):
    """A settled plan whose policy asks for an approval."""

    run: Run
    plan: RotationPlan
    begin: Ask
    token: str = Field(min_length=1, repr=False)


class Asked(BaseModel):
    """Whom nobody reads but the journal: the machine goes on with the answer."""

    status: Literal["asked"] = "asked"
    reason: str
    expires: AwareDatetime


@entry(RequestApproval)
def handler(request: RequestApproval, now: datetime) -> Asked:
    """Ask; a second call exchanges the token and asks nobody twice."""
    return ask(request, now, World())


def ask(request: RequestApproval, now: datetime, world: World) -> Asked:
    """Raises: Refused when there is no topic to ask on."""
    run, expires = request.run, request.begin.expires
    policy = world.policies.at(run.policy).group(run.group)
    pending = Pending(run=run.id, token=request.token, at=now, expires=expires)
    world.wishes.ask(pending)
    if not world.wishes.is_told(run.id):
        surge = planning.surge_of(request.plan, world)
        world.people.tell(approval_notice(request.plan, policy, surge, world.people.stack, expires))
        world.wishes.note_told(pending)
    return Asked(reason=f"asked whether {run.group} may roll, until {expires.isoformat()}", expires=expires)
