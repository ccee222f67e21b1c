"""Whether a release proved to be bad while it rolls, by what the run knows or is told at this moment."""

from gpuops.adapters.world import World
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.bake import judge_alarms
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import failed_admissions


def why_condemned(undo: Undo, policy: GroupPolicy, world: World) -> str | None:
    """Return why no further node may get the release, noting it with the run; None on the way back.

    Once the canaries are good each slot asks the alarms: a release that hurts must not reach the next node.
    Raises: Invalid for an alarm that does not exist; Unavailable, Refused.
    """
    if undo.stage == "back":
        return None
    why = undo.condemned or failed_admissions(undo, policy.max_failed_admissions)
    if why is None and undo.stage == "forward" and policy.canary.watches_alarms and not undo.stopped:
        why = judge_alarms(world.alarms.look(policy.canary, undo.at))
    if why and not undo.condemned:
        world.store.condemn(undo.run, why)
    return why
