"""What the judges of all stages say alike."""

from collections.abc import Sequence

from gpuops.domain.smoke.logs import gpus_of, telling
from gpuops.domain.smoke.stages import DEVICE, MAX_EVIDENCE, GpuFault, JobState, PodState, clean

Pods = Sequence[PodState]


def in_phase(pods: Pods, *phases: str) -> list[PodState]:
    """The pods that have come so far."""
    return [pod for pod in pods if pod.phase in phases]


def uuids_of(pod: PodState) -> list[str]:
    """The GPUs that a pod saw."""
    return [uuid for _, uuid in gpus_of(pod.logs.get(DEVICE, ""))]


def unfinished(job: JobState, pods: Pods, missing: Sequence[str] = ()) -> str:
    """Why the Job is no good, or what its log lacks; nothing for a good one."""
    log = f"its log shows {', '.join(missing)}" if missing else ""
    if job.status == "complete":
        return log
    what = "did not finish in time" if job.status == "running" else "failed"
    why = next((pod.reason for pod in pods if pod.reason), "") or job.reason
    return f"the smoke Job {what} ({clean(why) or 'no reason given'})" + (f"; {log}" if log else "")


def sick(faulty: Sequence[GpuFault]) -> str:
    """The boards that are to blame; nothing where none is."""
    return "; ".join(f"{one.uuid}: {one.fault}" for one in faulty[:4])


def words(pods: Pods, *containers: str) -> tuple[str, ...]:
    """The lines of these containers that say something."""
    lines = [line for pod in pods for name in containers for line in telling(name, pod.logs.get(name, ""))]
    return tuple(lines[:MAX_EVIDENCE])
