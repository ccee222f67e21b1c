"""A slot whose old node stays: when it may be taken out of service, and whether it came back on its new root volume.

The claim is one of those that go first; what fills it is the node itself, once it is admitted anew.
"""

from gpuops.adapters.verdicts import why_condemned
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.first import Limits, in_service, why_not_out
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.messages import ClaimAnswer
from gpuops.patience import Look, answer, wait, wait_for_instance
from gpuops.slots import give_slot_back


def take_in_place(wanted: Claim, group: Group, look: Look) -> ClaimAnswer:
    """Take the node out of service while enough others serve. Raises: Unavailable, Refused, Invalid."""
    nodes, out = look.world.cluster(look.run.cluster).nodes(), look.policy.surge
    limits = Limits(out=out, floor=look.policy.floor.of(look.undo.desired, out))
    if why := why_not_out(group, look.undo, look.claims, in_service(group, nodes), limits, old=wanted.old):
        return wait_for_instance(why, group, look)
    mine = wanted.model_copy(update={"first": True, "in_place": True, "decrement": False})
    if look.world.claims.go_first(mine, sum(item.first for item in look.claims)):
        return in_place(mine, look)
    return wait("another node is taken out of service at this moment", look)


def in_place(mine: Claim, look: Look) -> ClaimAnswer:
    """Which instance gets another root volume; nothing of this changes any more."""
    why = f"{mine.old} stays, and gets another root volume"
    return answer("in_place", why, look.times, instance=mine.old, decrement=False)


def come_back(mine: Claim, look: Look, told: str) -> ClaimAnswer:
    """Fill the claim with the node itself, and give its slot of the budget back; one that is not there stops the run.

    Its admission has ended before this is asked, and `told` how, so nothing is waited for. One that failed speaks
    against the release as that of any newcomer does.
    """
    done = _back(mine, look) if mine.out else mine
    if done is None and (bad := why_condemned(look.undo, look.policy, look.world)):
        return answer("condemned", bad, look.times)
    if done is None:
        why = f"{mine.old} did not come back on its new root volume: {told}"
        look.world.store.stop(look.run, why)
        return answer("overdue", why, look.times)
    if mine.out and not look.world.claims.fill(mine, done):
        return wait("its claim changed at this moment", look)
    give_slot_back(look.run, mine.old, look.world)
    return answer("filled", f"node {done.node} is back", look.times, node=done.node)


def _back(mine: Claim, look: Look) -> Claim | None:
    """The claim with the node itself as its newcomer; None unless that runs what it should, and was admitted."""
    here = look.world.groups.describe(look.run.group).instance(mine.old)
    if here is None or (here.ami == look.undo.target.ami) == (look.undo.stage == "back"):
        return None
    node = look.world.cluster(look.run.cluster).node_of(mine.old, hint=here.host)
    return mine.model_copy(update={"new": mine.old, "node": node.name}) if node and node.admitted else None
