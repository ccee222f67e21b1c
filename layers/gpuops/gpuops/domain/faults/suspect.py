"""Which pod a fault is about, as far as that is certain: on a shared GPU the pod that is named may be innocent.

Who holds a GPU, only the node's exporter knows. Without it, the only GPU pod of a node is certain, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.pods import Pod
from gpuops.domain.tenants import tenants_of


@dataclass(frozen=True)
class Suspect:
    """The one pod that is meant and may be restarted, or why there is none."""

    why: str = ""
    pod: Pod | None = None
    job: str = ""
    """Whose pods they are that were on the GPU, where it is one job's alone: a restarted pod is not another job."""


def suspect_of(uuid: str, pods: Iterable[Pod], gpus: Mapping[str, GpuSample], offered: int) -> Suspect:
    """Return it. `gpus` is what the exporter says, by UUID; empty where nobody could ask it.

    `offered`: the GPUs, or shares, that the node offers: of a shared GPU an exporter that tells no shares apart names
    one pod of several.
    """
    tenants = {pod.title: pod for pod in tenants_of(pods)}
    if not tenants:
        return Suspect("no pod with a GPU runs on the node any more")
    titles = set(tenants) if len(tenants) == 1 else _holders(uuid, gpus, shared=offered > len(gpus))
    if titles is None:
        return Suspect(f"{len(tenants)} pods hold GPUs of the node, and nothing says which held this one")
    named = [tenants[title] for title in sorted(titles) if title in tenants]
    if not named:
        return Suspect("the pod that held the GPU is gone")
    jobs = {job_of(pod) for pod in named}
    job = jobs.pop() if len(jobs) == 1 else ""
    if len(titles) > 1:
        return Suspect(f"{len(titles)} pods share the GPU, and all but one are innocent", job=job)
    why = _why_not(named[0])
    return Suspect(why, None if why else named[0], job)


def job_of(pod: Pod) -> str:
    """Whose pod it is: those of one controller, or of one gang, are one job."""
    return f"{pod.namespace}/{pod.gang or pod.controller or pod.name}"


def _holders(uuid: str, gpus: Mapping[str, GpuSample], *, shared: bool) -> set[str] | None:
    """Who is on the GPU; None where the fault names none and there are several, or nobody knows it, or all sharers."""
    sample = next(iter(gpus.values())) if not uuid and len(gpus) == 1 else gpus.get(uuid)
    if sample is None or (shared and not sample.shared):
        return None
    return {pod.title for pod in sample.pods if pod.pod}


def _why_not(pod: Pod) -> str:
    """Why the pod is not restarted although it is meant."""
    if pod.deleting or pod.phase != "Running":
        return f"{pod.title} does not run any more"
    if not pod.owner:
        return f"{pod.title} has no controller that would bring it back"
    if pod.completes:
        return f"{pod.title} is training: its own controller starts it again if it fails"
    return f"{pod.title} is protected by its annotation {pod.keep}" if pod.keep else ""
