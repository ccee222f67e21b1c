"""Where the next pods of a pool should rather not go: soft taints, by which kube-scheduler packs what it would spread.

Its default scoring sends a pod to the emptiest node, and on EKS nobody can change that; so half-empty nodes stay, and
an autoscaler finds none to take away. A PreferNoSchedule taint weighs more there than emptiness, and more of them more
(TaintToleration counts three times, NodeResourcesFit once: pkg/scheduler/apis/config/v1/default_plugins.go).
Cluster Autoscaler marks the nodes that it may take away in the same way. A soft taint leaves no pod pending.
Others are to stay away from a node that is still exclusive in a pool that shares, too: it would stay so for as long as
the next pod lives. What keeps pods away altogether is decided in `nodes.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuops.domain.slicing.pool import Gpu, PoolNode
from gpuops.domain.slicing.profile import Profile
from gpuops.domain.slicing.rungs import peak_of

OPEN, TIGHT, REST, FULL, CLOSED = range(5)
"""How many taints: none; where others have more room; on an empty node; where pods had better not come to at all; and a
hard one, which keeps them away."""
MOST_CHANGES = 200
"""At one look: an answer travels through every state of the machine, and the others follow at the next."""
DREAD = 0.9
"""Of the pool's workloads so many peak less above their mean than what is dreaded of one that has not peaked yet."""
CAUTION = 1.5
"""Peaks above the mean add up as the root of their squares, and then by so much, since pods share their rush hours."""


@dataclass(frozen=True)
class Need:
    """What one workload uses of a GPU's memory, in MiB: usually, and at its peak beyond that."""

    usual: float
    beyond: float


def needs_of(profiles: Mapping[str, Profile]) -> dict[str, Need]:
    """Return what is known of each workload."""
    needs = {}
    for name, profile in profiles.items():
        usual, peak = profile.memory.value.mean, peak_of(profile)
        needs[name] = Need(min(usual, peak), max(0.0, peak - usual))
    return needs


@dataclass(frozen=True)
class Outlook:
    """What decides about the soft taints of all nodes of a pool."""

    rung: int
    """Shares of each GPU that the pool is to have."""
    trains: bool
    """Whether training runs in it: then exclusive nodes are left for more of it."""
    needs: Mapping[str, Need]
    newcomer: Need
    dread: float
    """How far above its mean a workload may peak that has not yet: what the pool's others do, in MiB."""
    spare: frozenset[str]
    """Empty nodes of a pool that does not share which are to be taken away first."""


def outlook_of(
    nodes: Sequence[PoolNode], rung: int, profiles: Mapping[str, Profile], pods: Mapping[str, int]
) -> Outlook:
    """Return it for the nodes of a pool and the pods on them, by workload.

    Of nodes that stand empty in a pool of one share the second half by name is spare: a pod that may go to any of them
    would keep all of them alive in turn.
    """
    needs = needs_of({name: profiles[name] for name in pods if name in profiles})
    empty = sorted(node.name for node in nodes if not node.used) if rung == 1 else []
    trains = any(node.exclusive for node in nodes)
    beyond = sorted(need.beyond for need in needs.values()) or [0.0]
    dread = beyond[min(len(beyond) - 1, int(len(beyond) * DREAD))]
    return Outlook(rung, trains, needs, typical(needs, pods), dread, frozenset(empty[(len(empty) + 1) // 2 :]))


def marks_of(node: PoolNode, outlook: Outlook) -> int:
    """How many taints the node should bear, where nothing closes it."""
    if node.exclusive:
        return OPEN
    if node.name in outlook.spare or (node.replicas == 1 < outlook.rung and not outlook.trains):
        return FULL
    if not any(True for _ in node.tenants):
        return REST
    roomy = [gpu for gpu in node.gpus if len(gpu.tenants) < node.replicas or _short(gpu)]
    return min((_room(gpu, outlook) for gpu in roomy), default=OPEN) if node.replicas > 1 else OPEN


def _room(gpu: Gpu, outlook: Outlook) -> int:
    """How many taints the GPU of a shared node asks for.

    That a workload has not peaked yet says little: in the replayed pools most of those that ran out of memory had not.
    So GPUs come last on which their pods and the next would not fit if each peaked as the pool's others do. That only
    orders those with room; to leave them all alone would cost more than it saves. Where a pod has just fallen the next
    one would, too, though it be the same that comes back to the share that it left.
    """
    if _short(gpu) or not fits_one_more(gpu, outlook):
        return FULL
    return OPEN if fits_one_more(gpu, outlook, outlook.dread) else TIGHT


def _short(gpu: Gpu) -> bool:
    """Whether a pod fell beside others."""
    return len(gpu.tenants) > 1 and any(tenant.fell for tenant in gpu.tenants)


def changes_of(wanted: Mapping[str, int], found: Mapping[str, int], *, all_known: bool) -> dict[str, int]:
    """Return the nodes that are to bear other taints than they were found with, not too many at one look.

    A node that no plan speaks of bears none, unless one of the plans could not be made. Where a hard taint comes or
    goes, or may stand among others by mistake, nobody waits for soft ones.
    """
    other = {
        name: wanted.get(name, OPEN)
        for name, marks in found.items()
        if marks != wanted.get(name, OPEN) and (name in wanted or all_known)
    }
    hard = {name for name, marks in other.items() if not {marks, found[name]} <= {OPEN, TIGHT, REST, FULL}}
    return {name: other[name] for name in sorted(other, key=lambda name: (name not in hard, name))[:MOST_CHANGES]}


def fits_one_more(gpu: Gpu, outlook: Outlook, least: float = 0.0) -> bool:
    """Whether the peaks of its pods and of one like the others fit together, each so far above its mean at least."""
    newcomer = outlook.newcomer
    all_of_them = [newcomer, *(outlook.needs.get(tenant.workload, newcomer) for tenant in gpu.tenants)]
    beyond = math.sqrt(sum(max(need.beyond, least) ** 2 for need in all_of_them))
    free = (gpu.sample.memory_total_mib or 0) - (gpu.sample.memory_reserved_mib or 0)
    return sum(need.usual for need in all_of_them) + CAUTION * beyond <= free


def typical(needs: Mapping[str, Need], pods: Mapping[str, int]) -> Need:
    """What the next pod is expected to need: the mean over the pods that are there."""
    known = {name: count for name, count in pods.items() if name in needs}
    total = sum(known.values())
    if not total:
        return Need(0.0, 0.0)
    return Need(
        sum(needs[name].usual * count for name, count in known.items()) / total,
        sum(needs[name].beyond * count for name, count in known.items()) / total,
    )
