"""Taking a node out of the fleet, within the policy's budget: for whoever closes nodes, and for who asks beforehand.

The policy says how many, the table who has them, Auto Scaling how large the fleet is where that matters.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from gpuops.adapters.world import World
from gpuops.domain.policy import Policy
from gpuops.domain.rotation.budget import Slot, why_no_slot
from gpuops.domain.rotation.lock import is_dead
from gpuops.domain.run import Run

NEVER = datetime.min.replace(tzinfo=UTC)
NEXT = Slot("the next node", "")
"""Asked for by whoever does not know yet which node it will be."""


def take_slots(run: Run, instances: Iterable[str], policy: Policy, world: World) -> str | None:
    """Take a slot for each of the instances, or none; return why not, or None.

    Raises: Unavailable, Refused, Invalid.
    """
    wanted = {Slot(instance, run.execution) for instance in instances}
    limit = _limit(policy, world)
    if world.budgets.take(wanted, limit):
        return None
    return why_no_slot(world.budgets.slots(), wanted, limit) or "the fleet's budget was used up just now"


def no_slot(policy: Policy, world: World) -> str | None:
    """Why no further node of the fleet may be closed at this moment, or None."""
    return why_no_slot(world.budgets.slots(), (NEXT,), _limit(policy, world))


def room(policy: Policy, world: World) -> int:
    """How many further nodes of the fleet may be closed at this moment."""
    return max(0, _limit(policy, world) - len(world.budgets.slots()))


def give_slot_back(run: Run, instance: str, world: World) -> None:
    """Give back the run's slot of a node that is returned, or gone."""
    world.budgets.give_back((Slot(instance, run.execution),))


def free_slots_of_the_dead(closing: Collection[str], now: datetime, world: World) -> None:
    """Give back the slots of executions that are dead, but for those whose change is about to be closed.

    Since when a slot is taken is not known: only when its owner ended counts.
    """
    for owner in {slot.owner for slot in world.budgets.slots()}.difference(closing):
        if is_dead(NEVER, world.executions.find(owner), now):
            world.budgets.give_all_back(owner)
    world.budgets.forget_if_free()


def _limit(policy: Policy, world: World) -> int:
    """The policy's number; the fleet is counted only where it is a share of it."""
    groups = [group.group for group in policy.groups]
    return policy.budget.limit(world.groups.total(groups) if policy.budget.percent else 0)
