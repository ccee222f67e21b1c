"""Whether it is the turn of a group's nodes to change how they share their GPUs."""

from gpuops.adapters.store import Kind
from gpuops.adapters.world import World
from gpuops.domain.faults.breaker import SHARING_LIMIT, holds
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.run import Run
from gpuops.domain.slicing.change import Change
from gpuops.domain.slicing.select import Look
from gpuops.slots import no_slot

KINDS: tuple[Kind, ...] = ("rotation", "lock")


def why_held(run: Run, group: GroupPolicy, policy: Policy, world: World, *, settles: bool) -> Look | None:
    """Why no node of the group may be changed, whatever runs on it; an older run of our kind ends after its node.

    Neither the breaker nor the fleet's budget keeps a run from what it `settles`: a change that it takes back, or that
    was broken off.
    """
    for kind in KINDS:
        lock = world.store.lock(kind, run.group)
        if lock is not None and lock.owner != run.execution and not lock.waits:
            why = f"{run.group} is being changed by {lock.run.machine} {lock.run.id}"
            twin = lock.run.machine == run.machine
            return Look(group, (Change("waiting", why),)) if twin else Look(group, held=why)
    if settles:
        return None
    broken = holds(world.memory.breaker("sharing", run.group), SHARING_LIMIT)
    if broken is None:
        full = no_slot(policy, world)
        return Look(group, (Change("waiting", f"{run.group}: {full}"),)) if full else None
    return Look(group, held=f"{run.group}: {broken}; `gpuops breaker close {run.group}` once it is mended")
