"""Whether a node may go before its successor is there: a faulty node that serves is worth more than an empty place.

Its own place in a reservation, subnet or quota becomes free with it, so what is asked is whether Auto Scaling launches
into places that are free: of that, what it did within the hour says most.
"""

from dataclasses import dataclass
from typing import NamedTuple

from gpuops.domain.rotation.strategy import Reservation


@dataclass(frozen=True)
class Prospect:
    """What is known at one look."""

    desired: int
    present: int
    """Instances that stay, those that boot among them."""
    launches: bool
    """Whether nobody has suspended Auto Scaling's Launch process."""
    serving: int
    """Other nodes of the group that are Ready and without the startup taint, whether or not we ever admitted them;
    those in quarantine among them: their pods run on."""
    floor: int
    """How many the policy wants to serve at least."""
    reservation: Reservation | None = None
    """Where the group launches into one alone."""
    scarce: str | None = None
    """What Auto Scaling's last failure since its last launch lacked, within the hour."""


class Doubt(NamedTuple):
    """Why a node must not go yet."""

    reason: str
    passes: bool = False
    """Whether that ends by itself: the others are all there, and need not be called for while they boot."""


def why_no_successor(see: Prospect) -> Doubt | None:
    """Say why the node must not go yet; None where nothing speaks against it."""
    if not see.launches:
        return Doubt("no successor would come: Auto Scaling's Launch process is suspended")
    if see.reservation and not see.reservation.active:
        return Doubt(f"no successor would come: reservation {see.reservation.id} is not active any more")
    if see.scarce:
        return Doubt(f"no successor may come: a launch failed within the hour: {see.scarce}")
    if see.present < see.desired:
        return Doubt(f"no successor may come: {see.present} of {see.desired} instances are there already")
    if see.serving < see.floor:
        return Doubt(f"only {see.serving} other nodes serve, the policy's floor is {see.floor}", passes=True)
    return None
