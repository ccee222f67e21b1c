"""Take a person's word about a run, or about all of them: approve, reject, pause, resume, cancel; stop, start.

Whoever may invoke this function may steer; nobody else can, for no other role writes wishes or answers requests.

In:  {"wish": "approve" | "reject" | "pause" | "resume" | "cancel", "run": "<execution>", "by": "arn:...", "reason"?,
      "roll_back"?: true, "now"?}, or {"wish": "stop" | "start", "by": "arn:...", "reason"?}
Out: {"status": "approved" | "rejected" | "paused" | "resumed" | "cancelled" | "stopped" | "started", "reason", "stop"?}
"""

import os
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gpuops.adapters.world import World
from gpuops.domain.errors import Refused
from gpuops.domain.rotation.approval import Approved
from gpuops.domain.rotation.wish import GlobalStop, Wish
from gpuops.entry import entry

ABOUT_ALL, ANSWERS = {"stop", "start"}, {"approve", "reject"}
ROLLS, REPAIRS = "ROTATE_AMI_MACHINE_ARN", "REMEDIATE_GPU_MACHINE_ARN"
"""The machines whose runs hear wishes."""


class SteerRun(BaseModel):
    """One word of one person."""

    model_config = ConfigDict(extra="forbid")

    wish: Literal["approve", "reject", "pause", "resume", "cancel", "stop", "start"]
    run: str | None = Field(default=None, min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_-]+$")
    by: str = Field(min_length=1, max_length=2048)
    reason: str = Field(default="", max_length=1000)
    roll_back: bool = False
    now: datetime | None = None
    attempt: int = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.run is None) != (self.wish in ABOUT_ALL):
            raise ValueError(f"{self.wish} is about {'all runs, not one' if self.run else 'a run: give `run`'}")
        if self.roll_back and self.wish != "cancel":
            raise ValueError("roll_back belongs to cancel")
        return self

    @property
    def because(self) -> str:
        """Who said it, and why."""
        return f"by {self.by}" + (f": {self.reason}" if self.reason else "")


class Steered(BaseModel):
    """What became of it."""

    status: Literal["approved", "rejected", "paused", "resumed", "cancelled", "stopped", "started"]
    reason: str
    stop: GlobalStop | None = None
    """The global stop that stood before."""


@entry(SteerRun)
def handler(request: SteerRun, now: datetime) -> Steered:
    """Steer; the same word twice is one."""
    return steer(request, now, World())


def steer(request: SteerRun, now: datetime, world: World) -> Steered:
    """Raises: Refused for a run that does not run, asks for nothing, is cancelled already, or hears nobody any more."""
    run = request.run
    if run is None:
        return _steer_all(request, now, world)
    if not _runs(ROLLS, run, world):
        _check_repair(request, run, world)
    return _answer(request, run, now, world) if request.wish in ANSWERS else _wish(request, run, now, world)


def _runs(machine: str, run: str, world: World) -> bool:
    """Whether the machine has such an execution under way."""
    return world.executions.of_machine(os.environ[machine], run).running


def _check_repair(request: SteerRun, run: str, world: World) -> None:
    """Raises: Refused unless it is a repair under way, of which one may ask that."""
    if not _runs(REPAIRS, run, world):
        raise Refused(f"no run {run} is under way: it has ended, or there was none")
    if request.roll_back:
        raise Refused(f"run {run} repairs one node: there is nothing to roll back")


def _wish(request: SteerRun, run: str, now: datetime, world: World) -> Steered:
    """Write the wish; cancelling ends the wait for an approval, too."""
    given = request.model_dump(include={"run", "wish", "by", "reason", "roll_back"})
    wish, before = Wish.model_validate(given | {"at": now}), world.wishes.wish(run)
    _check_hearing(run, world)
    if not world.wishes.write(wish):
        raise Refused(f"run {run} is cancelled already" + (f": {before.said}" if before else ""))
    _check_hearing(run, world)
    if wish.wish == "cancel" and (pending := world.wishes.pending(run)):
        world.people.refuse(pending.token, wish.said)
    return Steered(status=wish.past, reason=wish.said)


def _check_hearing(run: str, world: World) -> None:
    """Raises: Refused once the run has come to what nobody can stop; asked again after a wish is written."""
    if deaf := world.wishes.closed(run):
        raise Refused(f"run {run} can be neither paused nor cancelled: {deaf}")


def _answer(request: SteerRun, run: str, now: datetime, world: World) -> Steered:
    """Answer the run's request for approval."""
    pending = world.wishes.pending(run)
    if pending is None:
        raise Refused(f"run {run} has asked for no approval")
    if request.wish == "approve":
        said = f"approved {request.because}"
        taken = world.people.approve(pending.token, Approved(by=request.by, at=now, reason=request.reason))
    else:
        said = f"rejected {request.because}"
        taken = world.people.refuse(pending.token, said)
    if not taken:
        raise Refused(
            f"run {run} waits for no answer any more: it was answered, or expired {pending.expires.isoformat()}"
        )
    return Steered(status="approved" if request.wish == "approve" else "rejected", reason=said)


def _steer_all(request: SteerRun, now: datetime, world: World) -> Steered:
    """Stop everything, or let it go on."""
    before = world.wishes.stop()
    if request.wish == "stop":
        stop = GlobalStop(by=request.by, at=now, reason=request.reason)
        world.wishes.write_stop(stop)
        return Steered(status="stopped", reason=stop.said, stop=before)
    world.wishes.lift_stop()
    told = f"lifted the {before.said}" if before else "nothing was stopped"
    return Steered(status="started", reason=told, stop=before)
