"""What people and windows say to a run that is about to begin something; on a roll's way back only some of it counts.

A run that goes back does so because it was cancelled or because the release is bad: neither its own cancellation nor a
closed window may leave the group half-way.
"""

from datetime import datetime

from gpuops.adapters.world import World
from gpuops.domain.errors import Refused
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.halt import Halt, halt_of_stop, halt_of_windows, halt_of_wish
from gpuops.domain.rotation.wish import Wish
from gpuops.domain.run import Run


def why_cancelled(undo: Undo, wish: Wish | None, world: World) -> str | None:
    """Return who cancelled the run, noting it with the run, so that every slot gives the same reason; or None."""
    if undo.stage == "back" or wish is None or wish.wish != "cancel":
        return None
    world.store.stop(undo.run, wish.said)
    return wish.said


def why_halted(undo: Undo, policy: GroupPolicy, wish: Wish | None, now: datetime, world: World) -> Halt | None:
    """Return why no further node is begun for now, or None. Raises: Unavailable, Refused."""
    halt = halt_of_stop(world.wishes.stop()) or halt_of_wish(wish)
    return halt or (None if undo.stage == "back" else halt_of_windows(policy, now))


def why_held(run: Run, world: World) -> Halt | None:
    """Return what holds a run that has nothing in hand, or one node only, as a repair does; None where it may go on.

    Raises: Refused once a person has cancelled it; Unavailable.
    """
    wish = world.wishes.wish(run.id)
    if wish and wish.wish == "cancel":
        raise Refused(wish.said)
    return halt_of_stop(world.wishes.stop()) or halt_of_wish(wish)


def why_at_rest(run: Run, world: World, *, repairs: bool) -> Halt | None:
    """Return what holds the node in hand: the global stop; of a repair, which has no other node, a person's wish, too.

    Raises: as `why_held` for a repair; Unavailable.
    """
    return why_held(run, world) if repairs else halt_of_stop(world.wishes.stop())
