"""Judge the stage in which every share of every GPU is held at one moment, and one pod more finds none.

One list of pods is one moment. A parallel Job passes on an unshared GPU, too, one pod after the other: so what counts
is who runs together, which GPU each of them sees, and that the pod too many is Pending for want of the resource.
"""

from collections import Counter

from gpuops.domain.admission.answers import Expected
from gpuops.domain.smoke.logs import ailments, computed
from gpuops.domain.smoke.stages import (
    DEVICE,
    MAX_EVIDENCE,
    MAX_UUIDS,
    SAMPLE,
    JobState,
    PodState,
    Verdict,
    clean,
    once,
)
from gpuops.domain.smoke.words import Pods, in_phase, sick, unfinished, uuids_of, words


def judge_overlap(expected: Expected, job: JobState, pods: Pods) -> Verdict:
    """Every share taken at one moment, each GPU seen as often as declared, and nothing left for one pod more."""
    running, waiting = in_phase(pods, "Running"), in_phase(pods, "Pending")
    died = words(in_phase(pods, "Failed"), SAMPLE, DEVICE)
    if job.status != "running":
        return Verdict("failed", unfinished(job, pods) or "overlap: its pods ended by themselves", evidence=died)
    if len(running) > expected.shares:
        reason = f"overlap: {len(running)} pods run at once, {_shares(expected)}"
        return Verdict("failed", reason, evidence=_seen(running, expected.replicas))
    stuck = next((pod for pod in waiting if f"Insufficient {expected.resource}" in pod.reason), None)
    if len(running) < expected.shares or stuck is None or not all(map(_spoke, running)):
        return Verdict("running", _not_yet(expected, running, waiting, stuck), evidence=died)
    faulty = tuple(dict.fromkeys(fault for pod in running for fault in ailments(pod.logs[DEVICE])))
    fault = _wrong(expected, running) or sick(faulty)
    passed = f"{_shares(expected)}: all held at once, one pod more stayed Pending"
    return Verdict(
        status="failed" if fault else "passed",
        reason=fault or passed,
        uuids=once(uuid for pod in running for uuid in uuids_of(pod))[:MAX_UUIDS],
        evidence=(f"overlap: Pending: {clean(stuck.reason)}", *_seen(running, expected.replicas)),
        faulty=faulty,
    )


def _spoke(pod: PodState) -> bool:
    """Whether a running pod has printed what it is there for."""
    return bool(uuids_of(pod)) and computed(pod.logs.get(SAMPLE, ""))


def _shares(expected: Expected) -> str:
    return f"{expected.gpus} GPUs x {expected.replicas} are declared"


def _wrong(expected: Expected, running: Pods) -> str:
    """What is wrong with how often each GPU is seen."""
    if any(len(uuids_of(pod)) != 1 for pod in running):
        return "overlap: a pod sees more than one GPU"
    counts = _counts(running)
    if len(counts) != expected.gpus:
        return f"overlap: {len(counts)} distinct UUIDs, {_shares(expected)}"
    odd = [f"{uuid} is seen {count} times" for uuid, count in counts.items() if count != expected.replicas]
    return f"overlap: {'; '.join(odd[:4])}, {_shares(expected)}" if odd else ""


def _counts(running: Pods) -> Counter[str]:
    return Counter(uuid for pod in running for uuid in uuids_of(pod))


def _seen(running: Pods, replicas: int) -> tuple[str, ...]:
    """How often each GPU is seen, the wrong ones first."""
    told = sorted(_counts(running).items(), key=lambda item: (item[1] == replicas, item[0]))
    return tuple(f"overlap: {uuid} seen by {count} pods at once" for uuid, count in told[: MAX_EVIDENCE - 1])


def _not_yet(expected: Expected, running: Pods, waiting: Pods, stuck: PodState | None) -> str:
    ran = f"overlap: {len(running)} of {expected.shares} pods run at once"
    why = next((pod.reason for pod in waiting if pod is not stuck and pod.reason), "")
    if why:
        return f"{ran}: {clean(why)}"
    if len(running) < expected.shares:
        return ran
    return f"{ran}, not all have spoken" if stuck else f"{ran}, no pod is Pending for want of {expected.resource}"
