"""What the decision over a rotation looks at: a value, so that every gate is a pure function of it and the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.facts import NO_FACTS, Facts
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.move import MovePlan
from gpuops.domain.rotation.nodegroup import Nodegroup
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.strategy import NOTHING_KNOWN, SWAP_UNKNOWN, Room, Swap
from gpuops.domain.rotation.target import Target
from gpuops.domain.rotation.wish import GlobalStop


@dataclass(frozen=True)
class Situation:
    """Everything that the decision looks at."""

    group: Group
    policy: GroupPolicy
    target: Target
    template_amis: frozenset[str]
    """Images that the group would launch now: of its templates and of their overrides."""
    loads: Sequence[NodeLoad]
    """One for each staying instance that does not run the target."""
    adds_startup_taint: bool
    seen: datetime
    """When the release was first known to us."""
    stop: GlobalStop | None = None
    """The global stop, where it stands and is not waited out."""
    condemned: str | None = None
    """Why the release is held to be bad in this group; None, too, where a person ordered it nevertheless."""
    facts: Facts = NO_FACTS
    """What is known of the target and of what the group needs."""
    ringing: str | None = None
    """Which alarms of the policy ring before anything has begun."""
    gone: str | None = None
    """How it shows that the target's image cannot be launched at all."""
    withdrawn: str | None = None
    """How it shows that who published the target took it back."""
    older: str | None = None
    """Why the group would go backwards with it."""
    unrestored: str | None = None
    """Name of another run whose change of this group has not been put back yet."""
    broken: str | None = None
    """What failed in this group so often that it is not tried again."""
    full: str | None = None
    """Why no further node of the fleet may be closed now."""
    nodegroup: Nodegroup | None = None
    """The managed node group that the policy names, or that has followed it; of two, the one that nodes leave."""
    move: MovePlan | None = None
    """Between which node groups the nodes are to move."""
    namesake: Nodegroup | None = None
    """The node group that has the name of the one to be made."""
    room: Room = NOTHING_KNOWN
    """What is known of whether more instances could be had; looked at where the policy says `auto`."""
    swap: Swap = SWAP_UNKNOWN
    """Whether instances could get another root volume; looked at there, too, and where the policy wants that."""
