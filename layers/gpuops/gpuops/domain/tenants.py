"""Whose pods may not be disturbed, and which hold GPUs."""

from collections.abc import Iterable

from gpuops.domain.cluster import Pod


def tenants_of(pods: Iterable[Pod]) -> list[Pod]:
    """Return the pods that hold GPUs; those of a smoke, ours or another's, are none."""
    return [pod for pod in holders_of(pods) if not pod.smoke]


def holders_of(pods: Iterable[Pod]) -> list[Pod]:
    """Return the pods that hold GPUs, whoever's they are."""
    return [pod for pod in pods if pod.gpus and not pod.finished]
