"""One stage of a smoke, judged: logs as drivers print them, as broken drivers print them, and as nobody should.

Covers: `device` (driver, CUDA, every GPU, ECC and remaps), `slices` beside tenants, `diagnostic`; what counts against a
board and what only against the node; a deadline; hostile text. `overlap` and the Xids have files of their own.
"""

from dataclasses import replace

import pytest

from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.smoke.judge import judge_smoke
from gpuops.domain.smoke.stages import MAX_EVIDENCE, MAX_LINE, GpuFault, JobState, PodState, Verdict
from tests.fakes.smoke_logs import BOARD, DETAILS, GOOD, HEADER, LIST, SAMPLE, UUID, listed, uuid

COMPLETE = JobState("complete")
ONE = Expected(gpus=1)


def judged(stage: str, *pods: PodState, job: JobState = COMPLETE, overdue: bool = False, amount: int = 1) -> Verdict:
    """The verdict on one stage."""
    fields = {"stage": stage, "pods": max(1, len(pods)), "amount": amount, "timeout_seconds": 60}
    return judge_smoke(Shot.model_validate(fields), Expected(gpus=amount), job, pods, overdue=overdue)


def device(logs: dict[str, str], job: JobState = COMPLETE, amount: int = 1) -> Verdict:
    """The verdict on a device stage whose pod printed this."""
    return judged("device", PodState("p", "Succeeded", logs=logs), job=job, amount=amount)


def test_a_good_device_passes_with_what_the_report_needs() -> None:
    """Driver, CUDA, product, UUIDs, and the lines that prove them; errors of its whole life are no fault."""
    verdict = device(GOOD)

    assert (verdict.status, verdict.driver, verdict.cuda) == ("passed", "580.126.09", "13.0")
    assert (verdict.product, verdict.uuids, verdict.faulty) == ("Tesla T4", (UUID,), ())
    assert f"nvidia-smi: {LIST.strip()}" in verdict.evidence
    assert "vectoradd: Test PASSED" in verdict.evidence
    assert not [line for line in verdict.evidence if "ECC" in line]


@pytest.mark.parametrize(
    ("logs", "says"),
    [
        ({}, "no driver version, no CUDA version, no GPU, no passed CUDA sample"),
        ({**GOOD, "vectoradd": SAMPLE.replace("PASSED", "FAILED")}, "its log shows no passed CUDA sample"),
        ({**GOOD, "vectoradd": "echo Test PASSED\n"}, "no passed CUDA sample"),
        ({**GOOD, "nvidia-smi": HEADER}, "its log shows no GPU"),
        ({**GOOD, "nvidia-smi": HEADER + "No devices were found\n"}, "no GPU"),
        ({**GOOD, "nvidia-smi": LIST}, "no driver version, no CUDA version"),
        ({**GOOD, "nvidia-smi": HEADER + LIST.replace("GPU-5", "MIG-5")}, "no GPU"),
    ],
)
def test_an_exit_code_of_zero_alone_proves_nothing(logs: dict[str, str], says: str) -> None:
    """A container may have found no GPU and been content."""
    verdict = device(logs)

    assert verdict.status == "failed"
    assert says in verdict.reason


def test_every_gpu_of_an_exclusive_node_is_shown_once() -> None:
    """The pod asks for all of them; one that is listed twice is one."""
    four = HEADER + listed(*(uuid(number) for number in range(4)))

    assert device({**GOOD, "nvidia-smi": four}, amount=4).status == "passed"
    assert device({**GOOD, "nvidia-smi": HEADER + listed(*[UUID] * 4)}, amount=4).reason == "its log shows 1 of 4 GPUs"
    assert device({**GOOD, "nvidia-smi": four}, amount=1).status == "failed"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("DRAM Uncorrectable            : 0\n        Agg", "DRAM Uncorrectable : 2\n        Agg", "ecc_uncorrectable"),
        ("SRAM Threshold Exceeded       : No", "SRAM Threshold Exceeded       : Yes", "ecc_threshold"),
        ("Pending                           : No", "Pending                           : Yes", "remap_pending"),
        ("Failure Occurred        : No", "Failure Occurred        : Yes", "remap_failed"),
    ],
)
def test_a_boards_own_table_is_evidence_against_it(old: str, new: str, fault: str) -> None:
    """Each by the section it stands in: ECC's mode may be pending, and that is nothing."""
    assert old in BOARD
    verdict = device({**GOOD, "nvidia-smi": HEADER + LIST + DETAILS + BOARD.replace(old, new)})

    assert (verdict.status, verdict.faulty) == ("failed", (GpuFault(UUID, fault),))
    assert verdict.reason == f"{UUID}: {fault}"


def test_the_second_board_is_blamed_for_what_the_second_section_says() -> None:
    """The long form names no UUIDs: it follows the list's order; where it does not, nobody is blamed by a guess."""
    bad = BOARD.replace("Pending                           : No", "Pending                           : Yes")
    both = HEADER + listed(uuid(1), uuid(2)) + DETAILS
    verdict = device({**GOOD, "nvidia-smi": both + BOARD + bad}, amount=2)

    assert verdict.faulty == (GpuFault(uuid(2), "remap_pending"),)
    assert device({**GOOD, "nvidia-smi": both + bad}, amount=2).faulty == (GpuFault("unknown GPU", "remap_pending"),)


def test_a_driver_that_does_not_match_is_named_in_the_evidence() -> None:
    """What an operator searches for."""
    said = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.126\n"

    verdict = device({"nvidia-smi": said}, JobState("failed", "BackoffLimitExceeded"))

    assert verdict.status == "failed"
    assert "BackoffLimitExceeded" in verdict.reason
    assert verdict.evidence[0] == "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch"


def test_a_failed_job_fails_however_good_its_log() -> None:
    """Kubernetes saw something that the log does not show."""
    assert device(GOOD, JobState("failed", "Evicted")).status == "failed"


def test_a_running_job_is_waited_for_and_then_counts_against_the_node() -> None:
    """Also when it never started, as for want of an image."""
    running, pod = JobState("running"), PodState("p", "Pending", "nvidia-smi: ErrImagePull")

    assert judged("device", pod, job=running).status == "running"
    late = judged("device", pod, job=running, overdue=True)
    assert late.status == "failed"
    assert "did not finish in time (nvidia-smi: ErrImagePull)" in late.reason


def test_a_hostile_log_cannot_flood_or_forge_a_report() -> None:
    """Control characters, endless lines and thousands of GPUs end at the door."""
    flood = HEADER + "".join(listed(*(uuid(number) for number in range(500)))) + "\x1b[2Jerror " + "A" * 10_000 + "\n"

    verdict = device({**GOOD, "nvidia-smi": flood})

    assert len(verdict.uuids) <= 16
    assert len(verdict.evidence) <= MAX_EVIDENCE
    assert all(len(line) <= MAX_LINE + 20 and line.isprintable() for line in verdict.evidence)
    assert len(verdict.reason) < 300


def test_a_products_name_is_cleaned() -> None:
    """It stands in the report."""
    forged = LIST.replace("Tesla T4", "Tesla\x07T4")

    assert device({**GOOD, "nvidia-smi": HEADER + forged}).product == "Tesla?T4"


def test_the_reason_of_a_job_is_cleaned() -> None:
    """A pod's message is as untrusted as its log."""
    state = replace(COMPLETE, status="failed", reason="x\n" * 500)

    assert "\n" not in device({}, state).reason


def tried(name: str, log: str = LIST, phase: str = "Succeeded", reason: str = "") -> PodState:
    """A pod on a free share."""
    return PodState(name, phase, reason, {"nvidia-smi": log} if log else {})


def test_free_shares_that_show_their_gpu_pass() -> None:
    """Beside tenants that is all that is asked."""
    verdict = judged("slices", tried("a"), tried("b", listed(uuid(2))))

    assert (verdict.status, verdict.uuids) == ("passed", (UUID, uuid(2)))
    assert verdict.reason == "slices: 2 of 2 free shares tried, 2 GPUs seen"


def test_a_share_that_shows_no_gpu_fails() -> None:
    """Whatever its exit code; a pod that failed says so itself."""
    assert judged("slices", tried("a"), tried("blind", "No devices were found\n")).reason == "slices: no GPU in blind"
    died = tried("b", "Unknown Error\n", "Failed", "UnexpectedAdmissionError")
    verdict = judged("slices", tried("a"), died, job=JobState("failed", "BackoffLimitExceeded"))
    assert (verdict.status, "UnexpectedAdmissionError" in verdict.reason) == ("failed", True)


def test_shares_that_tenants_took_first_say_nothing() -> None:
    """Those that ran do; where none did, nothing was tried, and the node is not blamed."""
    waiting = tried("b", "", "Pending", "0/2 nodes are available: 1 Insufficient nvidia.com/gpu.")

    assert judged("slices", tried("a"), waiting, job=JobState("running"), overdue=True).status == "passed"
    none = judged("slices", waiting, job=JobState("running"), overdue=True)
    assert (none.status, "Insufficient nvidia.com/gpu" in none.reason) == ("withdrawn", True)


TABLE = """\
Successfully ran diagnostic for group.
+---------------------------+------------------------------------------------+
| Diagnostic                | Result                                         |
+===========================+================================================+
|-----  Metadata  ----------+------------------------------------------------|
| DCGM Version              | 4.5.3                                          |
|-----  Deployment  --------+------------------------------------------------|
| software                  | Pass                                           |
|                           | GPU0: Pass                                     |
+-----  Hardware  ----------+------------------------------------------------+
| memory                    | Skip                                           |
+---------------------------+------------------------------------------------+
"""


def diagnostic(log: str, job: JobState = COMPLETE) -> Verdict:
    """The verdict on what dcgmi printed."""
    return judged("diagnostic", PodState("p", "Succeeded", logs={"dcgmi": LIST + log}), job=job)


def test_a_diagnostic_passes_by_its_table() -> None:
    """Skipped tests are told, and are no failure: a T4 has no NVLink."""
    verdict = diagnostic(TABLE)

    assert (verdict.status, verdict.uuids) == ("passed", (UUID,))
    assert verdict.reason == "dcgmi diag: 2 results passed on 1 of 1 GPUs"
    assert "dcgmi: memory: Skip" in verdict.evidence


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("", "no passed test"),
        ("Error: unable to establish a connection to the specified host: localhost\n", "no passed test"),
        (TABLE.replace("memory                    | Skip", "memory                    | Fail"), "memory: Fail"),
        (
            TABLE.replace("software                  | Pass", "Error                     | GPU 3 has"),
            "Error: GPU 3 has",
        ),
    ],
)
def test_a_diagnostic_without_a_pass_or_with_a_failure_fails(log: str, says: str) -> None:
    """An exit code of zero proves nothing here either."""
    verdict = diagnostic(log)

    assert (verdict.status, says in verdict.reason) == ("failed", True)
    assert verdict.evidence
