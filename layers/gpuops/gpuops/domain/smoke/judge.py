"""Judge one stage of a smoke by what its pods printed.

A container that exits 0 proves little: it may have found no GPU. So the log must name driver, CUDA and the GPUs'
UUIDs, and the CUDA sample must say that its sums were right.
"""

from collections.abc import Callable
from dataclasses import replace

from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.smoke.logs import ailments, computed, cuda_of, diagnosed, driver_of, gpus_of
from gpuops.domain.smoke.overlap import judge_overlap
from gpuops.domain.smoke.stages import (
    DEVICE,
    DIAGNOSTIC,
    MAX_EVIDENCE,
    MAX_UUIDS,
    SAMPLE,
    JobState,
    PodState,
    Stage,
    Verdict,
    clean,
    once,
)
from gpuops.domain.smoke.words import Pods, in_phase, sick, unfinished, uuids_of, words

NO_POD = PodState("")


def may_judge(shot: Shot, expected: Expected, job: JobState, pods: Pods, *, overdue: bool) -> bool:
    """Whether there may be something to judge: until then nobody reads a log."""
    if job.status != "running" or overdue:
        return True
    return shot.stage == "overlap" and len(in_phase(pods, "Running")) >= expected.shares


def judge_smoke(shot: Shot, expected: Expected, job: JobState, pods: Pods, *, overdue: bool) -> Verdict:
    """Pass only what proved itself; whatever is missing at the deadline counts against the node."""
    if not may_judge(shot, expected, job, pods, overdue=overdue):
        return Verdict("running", job.reason or f"{shot.stage}: the smoke Job runs")
    verdict = JUDGES[shot.stage](shot, expected, job, pods)
    if verdict.status == "running" and overdue:
        return replace(verdict, status="failed", reason=f"{verdict.reason}, and its time is over")
    return verdict


def _device(shot: Shot, _: Expected, job: JobState, pods: Pods) -> Verdict:
    logs = (pods[0] if pods else NO_POD).logs
    device = logs.get(DEVICE, "")
    driver, cuda, gpus = driver_of(device), cuda_of(device), gpus_of(device)
    uuids = once(uuid for _, uuid in gpus)
    missing = [
        what
        for what, found in (
            ("no driver version", driver),
            ("no CUDA version", cuda),
            (f"{len(uuids)} of {shot.amount} GPUs" if uuids else "no GPU", len(uuids) == shot.amount),
            ("no passed CUDA sample", computed(logs.get(SAMPLE, ""))),
        )
        if not found
    ]
    faulty = ailments(device)
    fault = unfinished(job, pods, missing) or sick(faulty)
    return Verdict(
        status="failed" if fault else "passed",
        reason=fault or f"driver {driver}, CUDA {cuda}, {len(uuids)} GPU computed",
        driver=driver,
        cuda=cuda,
        product=gpus[0][0] if gpus else None,
        uuids=uuids[:MAX_UUIDS],
        evidence=words(pods[:1], DEVICE, SAMPLE),
        faulty=tuple(faulty),
    )


def _overlap(_: Shot, expected: Expected, job: JobState, pods: Pods) -> Verdict:
    return judge_overlap(expected, job, pods)


def _slices(shot: Shot, _: Expected, job: JobState, pods: Pods) -> Verdict:
    """Tenants may take a share first: pods that found none say nothing, those that ran do."""
    ended = in_phase(pods, "Succeeded", "Failed")
    evidence = words(ended, DEVICE)
    if in_phase(ended, "Failed"):
        return Verdict("failed", unfinished(job, pods), evidence=evidence)
    blind = [pod.name for pod in ended if not uuids_of(pod)]
    if blind:
        return Verdict("failed", f"slices: no GPU in {clean(', '.join(blind))}", evidence=evidence)
    if not ended:
        why = next((pod.reason for pod in pods if pod.reason), job.reason) or "no pod ran"
        return Verdict("withdrawn", f"slices: none of {shot.pods} free shares could be tried: {clean(why)}")
    uuids = once(uuid for pod in ended for uuid in uuids_of(pod))
    reason = f"slices: {len(ended)} of {shot.pods} free shares tried, {len(uuids)} GPUs seen"
    return Verdict("passed", reason, uuids=uuids[:MAX_UUIDS], evidence=evidence)


def _diagnostic(_: Shot, expected: Expected, job: JobState, pods: Pods) -> Verdict:
    logs = [pod.logs.get(DIAGNOSTIC, "") for pod in pods]
    results = [diagnosed(log) for log in logs]
    told = {key: [line for one in results for line in one[key]] for key in ("Fail", "Warn", "Skip", "Pass")}
    uuids = once(uuid for log in logs for _, uuid in gpus_of(log))
    missing = [] if results and all(one["Pass"] for one in results) else ["no passed test"]
    fault = (f"dcgmi diag: {told['Fail'][0]}" if told["Fail"] else "") or unfinished(job, pods, missing)
    passed = f"dcgmi diag: {len(told['Pass'])} results passed on {len(uuids)} of {expected.gpus} GPUs"
    lines = [f"{DIAGNOSTIC}: {line}" for key in told for line in told[key]]
    return Verdict(
        status="failed" if fault else "passed",
        reason=fault or passed,
        uuids=uuids[:MAX_UUIDS],
        evidence=tuple(lines[:MAX_EVIDENCE]) or words(pods, DIAGNOSTIC),
    )


JUDGES: dict[Stage, Callable[[Shot, Expected, JobState, Pods], Verdict]] = {
    "device": _device,
    "overlap": _overlap,
    "diagnostic": _diagnostic,
    "slices": _slices,
}
