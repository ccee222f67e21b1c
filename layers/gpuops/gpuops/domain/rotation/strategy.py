"""How old nodes make room for new ones, and why that way: new ones first, or old ones first where capacity is fixed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy

Strategy = Literal["surge", "terminate_first", "managed"]
RECENT = timedelta(hours=1)
"""A launch that failed longer ago says nothing about now."""


class Chosen(BaseModel):
    """A strategy, and why."""

    model_config = ConfigDict(frozen=True)

    strategy: Strategy
    reason: str


@dataclass(frozen=True)
class Reservation:
    """The capacity reservation, or capacity block, into which the group launches."""

    id: str
    free: int
    block: bool = False


@dataclass(frozen=True)
class Room:
    """What is known about whether more instances could be had; None is what nobody says, or nobody may ask."""

    reservation: Reservation | None = None
    """Only of a group that launches into this one alone."""
    addresses: int | None = None
    """Free in the group's subnets, all together."""
    quota_vcpus: int | None = None
    """What the account may run of the instance type's family, all groups together."""
    vcpus: int | None = None
    """Of one instance."""
    scarce: str | None = None
    """What Auto Scaling's last failure within the hour lacked."""


NOTHING_KNOWN = Room()


def choose_strategy(policy: GroupPolicy, size: int, surge: int, room: Room) -> Chosen:
    """Return the way in which the group rolls.

    By `auto` it grows unless it is known that it cannot: then nothing is drained before its replacement is claimed, and
    a doubt costs a wait at worst. The maximum size is no obstacle, since it is raised while the group rolls.
    """
    if policy.strategy != "auto":
        return Chosen(strategy=policy.strategy, reason="the policy names it")
    why = why_no_room(size, surge, room)
    if why is None:
        return Chosen(strategy="surge", reason=f"auto: {surge} more may be had, as far as is known; {_looked_at(room)}")
    floor = policy.floor.of(size, policy.surge)
    if floor >= size:
        return Chosen(strategy="surge", reason=f"auto: {why}, but the floor of {floor} lets no old node go first")
    return Chosen(strategy="terminate_first", reason=f"auto: {why}")


def why_no_room(size: int, surge: int, room: Room) -> str | None:
    """Return why so many more instances cannot be had, or None where nothing is known that speaks against it."""
    place = room.reservation
    if place and place.free < surge:
        kind = "capacity block" if place.block else "reservation"
        return f"{kind} {place.id} has {place.free} free places for {surge} more"
    if room.addresses is not None and room.addresses < surge:
        return f"the subnets have {room.addresses} free addresses for {surge} more"
    needed = (size + surge) * (room.vcpus or 0)
    if room.quota_vcpus is not None and room.quota_vcpus < needed:
        return f"{size + surge} nodes need {needed} vCPUs, the quota is {room.quota_vcpus}"
    return f"a launch failed within the hour: {room.scarce}" if room.scarce else None


def _looked_at(room: Room) -> str:
    """What was known, in words."""
    words = [f"reservation {room.reservation.id} has {room.reservation.free} free"] if room.reservation else []
    words += [f"{room.addresses} free addresses"] if room.addresses is not None else []
    words += [f"a quota of {room.quota_vcpus} vCPUs"] if room.quota_vcpus is not None else []
    return ", ".join(words) or "nothing could be looked at"
