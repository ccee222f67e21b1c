"""Smoke logs as drivers print them, as broken drivers print them, and as nobody should."""

from dataclasses import replace

import pytest

from gpuops.domain.admission.smoke import MAX_EVIDENCE, MAX_LINE, JobState, judge_smoke

UUID = "GPU-5a3c1b2e-90ab-4cde-8f01-23456789abcd"
HEADER = """\
Mon Nov 23 10:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.126.09             Driver Version: 580.126.09     CUDA Version: 13.0     |
|-----------------------------------------+------------------------+----------------------+
"""
LIST = f"GPU 0: Tesla T4 (UUID: {UUID})\n"
SAMPLE = "[Vector addition of 50000 elements]\nCopy input data\nTest PASSED\nDone\n"
GOOD = {"nvidia-smi": HEADER + LIST, "vectoradd": SAMPLE}
COMPLETE = JobState("complete")


def test_a_good_smoke_passes_with_what_the_report_needs() -> None:
    """Driver, CUDA, product, UUIDs, and the lines that prove them."""
    verdict = judge_smoke(COMPLETE, GOOD, overdue=False)

    assert (verdict.status, verdict.driver, verdict.cuda) == ("passed", "580.126.09", "13.0")
    assert (verdict.product, verdict.uuids) == ("Tesla T4", (UUID,))
    assert f"nvidia-smi: {LIST.strip()}" in verdict.evidence
    assert "vectoradd: Test PASSED" in verdict.evidence


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
    verdict = judge_smoke(COMPLETE, logs, overdue=False)

    assert verdict.status == "failed"
    assert says in verdict.reason


def test_a_driver_that_does_not_match_is_named_in_the_evidence() -> None:
    """What an operator searches for."""
    said = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.126\n"

    verdict = judge_smoke(JobState("failed", "BackoffLimitExceeded"), {"nvidia-smi": said}, overdue=False)

    assert verdict.status == "failed"
    assert "BackoffLimitExceeded" in verdict.reason
    assert verdict.evidence[0] == "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch"


def test_a_failed_job_fails_however_good_its_log() -> None:
    """Kubernetes saw something that the log does not show."""
    assert judge_smoke(JobState("failed", "Evicted"), GOOD, overdue=False).status == "failed"


def test_a_running_job_is_waited_for_and_then_counts_against_the_node() -> None:
    """Also when it never started, as for want of an image."""
    running = JobState("running", "nvidia-smi: ErrImagePull")

    assert judge_smoke(running, {}, overdue=False).status == "running"
    late = judge_smoke(running, {}, overdue=True)
    assert late.status == "failed"
    assert "did not finish in time" in late.reason


def test_a_hostile_log_cannot_flood_or_forge_a_report() -> None:
    """Control characters, endless lines and thousands of GPUs end at the door."""
    flood = HEADER + LIST * 5000 + "\x1b[2Jerror " + "A" * 10_000 + "\n"

    verdict = judge_smoke(COMPLETE, {**GOOD, "nvidia-smi": flood}, overdue=False)

    assert len(verdict.uuids) <= 16
    assert len(verdict.evidence) <= MAX_EVIDENCE
    assert all(len(line) <= MAX_LINE + 20 and line.isprintable() for line in verdict.evidence)
    assert len(verdict.reason) < 300


def test_a_products_name_is_cleaned() -> None:
    """It stands in the report."""
    forged = LIST.replace("Tesla T4", "Tesla\x07T4")

    assert judge_smoke(COMPLETE, {**GOOD, "nvidia-smi": HEADER + forged}, overdue=False).product == "Tesla?T4"


def test_the_reason_of_a_job_is_cleaned() -> None:
    """A pod's message is as untrusted as its log."""
    state = replace(COMPLETE, status="failed", reason="x\n" * 500)

    assert "\n" not in judge_smoke(state, {}, overdue=False).reason
