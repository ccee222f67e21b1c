"""How old nodes make room for new ones, and why that way.

New ones first; old ones first where capacity is fixed; or none at all: each keeps its instance, on another root volume.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy

Strategy = Literal["surge", "terminate_first", "replace_root_volume", "managed", "managed_blue_green"]
GROWING: tuple[Strategy, ...] = ("surge", "managed_blue_green")
"""Those by which new nodes come first."""
IN_PLACE: Strategy = "replace_root_volume"
_SUSPENDED = ("AZRebalance", "AlarmNotification", "ScheduledActions")
"""Auto Scaling's processes that would move or remove nodes behind our back."""
_REPLACES = "ReplaceUnhealthy"
"""The one that would terminate an instance whose status checks fail while it restarts from another root volume."""
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
    active: bool = True
    """Whether anything may be launched into it at all."""


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


@dataclass(frozen=True)
class Swap:
    """What is known about whether EC2 would replace root volumes of the group by the target's."""

    why_not: str | None = None
    known: bool = False
    """Whether everything that it depends on could be read."""

    @property
    def possible(self) -> bool:
        """Whether it is known that EC2 would."""
        return self.known and self.why_not is None


SWAP_UNKNOWN = Swap()


def suspended_by(strategy: Strategy) -> tuple[str, ...]:
    """Return the processes of Auto Scaling that stand still while the group rolls in this way; in place all of them."""
    return (*_SUSPENDED, _REPLACES) if strategy == IN_PLACE else _SUSPENDED


def choose_strategy(policy: GroupPolicy, size: int, surge: int, room: Room, swap: Swap = SWAP_UNKNOWN) -> Chosen:
    """Return the way in which the group rolls.

    By `auto` it grows unless it is known that it cannot: then nothing is drained before its replacement is claimed, and
    a doubt costs a wait at worst. The maximum size is no obstacle, since it is raised while the group rolls. Where it
    cannot grow, who keeps an instance need not hope for another one: old nodes go first only where they cannot stay.
    """
    if policy.strategy != "auto":
        return Chosen(strategy=policy.strategy, reason="the policy names it")
    why = why_no_room(size, surge, room)
    if why is None:
        return Chosen(strategy="surge", reason=f"auto: {surge} more may be had, as far as is known; {_looked_at(room)}")
    floor = policy.floor.of(size, policy.surge)
    if floor >= size:
        return Chosen(strategy="surge", reason=f"auto: {why}, but the floor of {floor} lets no old node go first")
    if swap.possible:
        return Chosen(strategy=IN_PLACE, reason=f"auto: {why}; instances can stay")
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
