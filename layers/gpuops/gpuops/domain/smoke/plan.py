"""Which stages a node's smoke has: all of them where it is empty, next to nothing where somebody works on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.policy import Smoke
from gpuops.domain.smoke.stages import Stage
from gpuops.domain.tenants import tenants_of

MAX_PODS = 400
"""Eight GPUs of 48 shares, the most that the policy allows, and the one pod too many."""


@dataclass(frozen=True)
class Plan:
    """What is to be tried, in order; nothing where the node is left alone or has no room."""

    status: Literal["planned", "skipped", "refused"]
    reason: str
    shots: tuple[Shot, ...] = ()


def plan_smoke(
    node: Node, pods: Sequence[Pod], expected: Expected, policy: Smoke, headroom: Mapping[str, int] | None
) -> Plan:
    """Decide; `headroom` is the free memory in MiB of each GPU by its UUID, None where no exporter tells it."""
    if node.mig:
        return Plan("skipped", f"{node.name} is partitioned by MIG: it is left alone")
    tenants = tenants_of(pods)
    if tenants:
        return _among_tenants(node, tenants, expected, policy, headroom)
    shots = [_device(expected, policy)]
    if policy.overlap:
        shots.append(_shot("overlap", expected.shares + 1, policy))
    if policy.diagnostic_level is not None:
        shots.append(_diagnostic(expected, policy))
    too_many = max(shot.pods for shot in shots)
    if too_many > MAX_PODS:
        return Plan("refused", f"{node.name}: {too_many} pods at once are more than the {MAX_PODS} of a smoke")
    stages = ", ".join(shot.stage for shot in shots)
    return Plan("planned", f"{node.name} has no tenants: {stages}", tuple(shots))


def _among_tenants(
    node: Node, tenants: list[Pod], expected: Expected, policy: Smoke, headroom: Mapping[str, int] | None
) -> Plan:
    """Only shares that nobody holds, and only as many as the memory of their GPUs surely bears."""
    free = node.offers(expected.resource) - sum(pod.gpus for pod in tenants)
    who = f"{node.name} has {len(tenants)} tenants and {max(free, 0)} free shares"
    if free <= 0:
        return Plan("refused", f"{who}: nothing can be tried")
    if headroom is None:
        return Plan("planned", f"{who}; free memory unknown: one pod", (_shot("slices", 1, policy),))
    roomy = sum(free_mib >= policy.memory_headroom_mib for free_mib in headroom.values())
    if not roomy:
        return Plan("refused", f"{who}, but no GPU has {policy.memory_headroom_mib} MiB free")
    pods = min(free, MAX_PODS) if roomy == len(headroom) else min(free, roomy)
    return Plan("planned", f"{who}: {pods} pods", (_shot("slices", pods, policy),))


def _device(expected: Expected, policy: Smoke) -> Shot:
    """All GPUs at once where each is one; of a shared GPU no pod may ask for more than a share."""
    amount = expected.gpus if expected.replicas == 1 else 1
    return _shot("device", 1, policy, amount=amount)


def _diagnostic(expected: Expected, policy: Smoke) -> Shot:
    """Shared, it takes a pod for each GPU: the plugin spreads them over the GPUs with the fewest pods."""
    seconds = policy.diagnostic_minutes * 60
    if expected.replicas == 1:
        return _shot("diagnostic", 1, policy, amount=expected.gpus, seconds=seconds)
    return _shot("diagnostic", expected.gpus, policy, seconds=seconds)


def _shot(stage: Stage, pods: int, policy: Smoke, *, amount: int = 1, seconds: int | None = None) -> Shot:
    return Shot(stage=stage, pods=pods, amount=amount, timeout_seconds=seconds or policy.timeout_seconds)
