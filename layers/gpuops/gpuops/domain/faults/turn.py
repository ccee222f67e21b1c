"""Whether it is a node's turn to leave service for its repair; it is in quarantine, and its pods run on, meanwhile.

One owner wins: a roll that is going to replace the node anyway does it, and the repair waits for that. A storm (a rack,
a bad AMI, a detector gone mad) is stopped before the fleet is: beyond its share no further repair begins.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from gpuops.domain.faults.prospect import Doubt

MAX_NAMED = 5


@dataclass(frozen=True)
class Sight:
    """What is seen at one look."""

    instance: str
    there: bool
    """Whether the instance is in its group, and stays."""
    quarantined: Collection[str]
    """Other nodes in quarantine."""
    closed: Collection[str]
    """Other nodes that rolls, repairs and rebalances have closed."""
    fleet: int
    limit: int
    """How many nodes may be out, this one among them."""
    taken_over: str = ""
    """Another run that has closed the node since: AWS takes the instance, or both began at the same moment."""
    roll: str = ""
    """The run that changes the group and has this node before it, or is at work on it."""
    eks: str = ""
    """The managed node group whose own auto-repair is on, and to which the policy leaves it."""
    other: str = ""
    """Another tool that has the node in hand."""
    given_back: bool = False
    """Whether one had it at the look before, and has it no longer."""
    quiet: bool = False
    """Whether whatever rang is quiet again, and was no Xid: those are not taken back."""
    released: bool = False
    """Whether the node is open again, and was not booted anew meanwhile: a person looked at it and gave it back."""


@dataclass(frozen=True)
class Turn:
    """What the repair does now."""

    status: Literal["clear", "waiting", "gone", "recovered", "released"]
    reason: str
    scarce: bool = False
    """Whether people must hear of it: there may be no successor, and the node serves on until there is."""
    storm: bool = False
    """Whether people must hear of it: so many faults at once have one cause, and no repair ends that."""


def decide_turn(see: Sight) -> Turn:
    """Decide; whether a successor would come, and the fleet's budget, are asked for only after that."""
    if over := _over(see):
        return over
    if why := _whose(see):
        return Turn("waiting", why)
    others = {*see.quarantined, *see.closed}
    if len(others) + 1 > see.limit:
        names = ", ".join(sorted(others)[:MAX_NAMED])
        told = (
            f"{len(others) + 1} of {see.fleet} nodes are out of service, {see.limit} may be: no repair begins ({names})"
        )
        return Turn("waiting", told, storm=len(see.quarantined) + 1 > see.limit)
    return Turn("clear", f"{see.instance} may leave service")


def doubted(doubt: Doubt) -> Turn:
    """The turn of a node whose successor might not come."""
    return Turn("waiting", doubt.reason, scarce=not doubt.passes)


def _over(see: Sight) -> Turn | None:
    """Why there is nothing to repair any more."""
    if not see.there:
        return Turn("gone", f"{see.instance} is on its way out")
    if see.taken_over:
        return Turn("gone", f"run {see.taken_over} has the node now")
    if see.released:
        return Turn("released", "somebody opened the node while its repair waited: it is theirs")
    if see.quiet or see.given_back:
        what = "whatever rang is quiet again" if see.quiet else "another tool has given it back"
        return Turn("recovered", f"{what}: the node is proved and opened")
    return None


def _whose(see: Sight) -> str:
    """Who has the node before us; empty for nobody."""
    if see.roll:
        return f"run {see.roll} changes the group, and this node is before it"
    if see.eks:
        return f"EKS repairs the nodes of {see.eks} (policy: remediation.owner)"
    return f"{see.other} has the node in hand: it is left to it" if see.other else ""
