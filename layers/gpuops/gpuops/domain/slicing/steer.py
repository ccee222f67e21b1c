"""Where the next pods of a pool should rather not go: soft taints, by which kube-scheduler packs what it would spread.

Its default scoring sends a pod to the emptiest node, and on EKS nobody can change that; so half-empty nodes stay, and
an autoscaler finds none to take away. A PreferNoSchedule taint weighs more there than emptiness, and two weigh more
than one (TaintToleration counts three times, NodeResourcesFit once: pkg/scheduler/apis/config/v1/default_plugins.go).
Cluster Autoscaler marks the nodes that it may take away in the same way. A soft taint leaves no pod pending.
Others are to stay away from a shared GPU on which training runs, too: it cannot be made exclusive under a pod.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from gpuops.domain.slicing.pool import Gpu, PoolNode
from gpuops.domain.slicing.profile import Profile
from gpuops.domain.slicing.rungs import peak_of

OPEN, REST, FULL = 0, 1, 2
"""How many soft taints: none, on an empty node, on a GPU where another peak would not fit."""
MOST_CHANGES = 200
"""At one look: an answer travels through every state of the machine, and the others follow at the next."""
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


def marks_of(node: PoolNode, replicas: int, needs: Mapping[str, Need], newcomer: Need) -> int:
    """How many soft taints the node should bear, once it has so many shares of each GPU."""
    if not any(True for _ in node.tenants):
        return REST
    if node.exclusive:
        return OPEN if replicas == 1 else FULL
    roomy = [gpu for gpu in node.gpus if len(gpu.tenants) < replicas]
    if not roomy or replicas == 1 or any(fits_one_more(gpu, needs, newcomer) for gpu in roomy):
        return OPEN
    return FULL


def changes_of(wanted: Mapping[str, int], found: Mapping[str, int], *, all_known: bool) -> dict[str, int]:
    """Return the nodes that are to bear other soft taints than they were found with, not too many at one look.

    A node that no plan speaks of bears none, unless one of the plans could not be made.
    """
    other = {
        name: wanted.get(name, OPEN)
        for name, marks in sorted(found.items())
        if marks != wanted.get(name, OPEN) and (name in wanted or all_known)
    }
    return dict(islice(other.items(), MOST_CHANGES))


def fits_one_more(gpu: Gpu, needs: Mapping[str, Need], newcomer: Need) -> bool:
    """Whether the peaks of its pods and of one like the others of the pool fit together."""
    all_of_them = [newcomer, *(needs.get(tenant.workload, newcomer) for tenant in gpu.tenants)]
    beyond = math.sqrt(sum(need.beyond**2 for need in all_of_them))
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
