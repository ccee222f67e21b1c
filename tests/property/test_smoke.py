"""Whatever a container prints: no judge crashes, floods its answer, or passes what was not seen."""

import string

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.smoke.judge import judge_smoke
from gpuops.domain.smoke.logs import ailments, diagnosed
from gpuops.domain.smoke.stages import MAX_EVIDENCE, MAX_LINE, STAGES, JobState, PodState
from tests.fakes.smoke_logs import BOARD, DETAILS, GOOD, SAMPLE, listed, uuid

LINES = [*BOARD.splitlines(keepends=True), *GOOD["nvidia-smi"].splitlines(keepends=True), DETAILS]
WORDS = ["|", " : ", "\x1b[2J", "\0", "GPU ", "| Error | x |\n", "| software | Fail |\n", "Pending : Yes\n"]
PIECES = st.sampled_from([*LINES, *WORDS, "    Remapped Rows\n", "Insufficient nvidia.com/gpu"])
TEXT = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))
PODS = st.builds(
    PodState,
    name=st.text(string.ascii_lowercase, min_size=1, max_size=8),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown", ""]),
    reason=TEXT,
    logs=st.dictionaries(st.sampled_from(["nvidia-smi", "vectoradd", "dcgmi", "x"]), TEXT, max_size=3),
)
JOBS = st.builds(JobState, st.sampled_from(["running", "complete", "failed"]), TEXT)
EXPECTED = st.builds(Expected, gpus=st.integers(1, 4), replicas=st.integers(1, 4))


@given(st.sampled_from(STAGES), JOBS, st.lists(PODS, max_size=6), EXPECTED)
def test_no_log_crashes_a_judge_or_floods_its_answer(
    stage: str, job: JobState, pods: list[PodState], expected: Expected
) -> None:
    """Evidence is bounded and printable; nothing runs on past its deadline."""
    shot = Shot.model_validate({"stage": stage, "pods": max(1, len(pods)), "timeout_seconds": 60})
    now, late = (judge_smoke(shot, expected, job, pods, overdue=overdue) for overdue in (False, True))

    for verdict in (now, late):
        assert len(verdict.evidence) <= MAX_EVIDENCE
        assert all(line.isprintable() and len(line) <= MAX_LINE + 40 for line in verdict.evidence)
        assert len(verdict.uuids) <= 16
    assert late.status != "running"


@given(TEXT)
def test_no_text_is_an_ailment_of_a_board_that_was_not_listed(text: str) -> None:
    """A board is blamed by its UUID, and only if the same log has listed it."""
    listing = text.partition("NVSMI LOG")[0]

    assert all(fault.uuid == "unknown GPU" or fault.uuid in listing for fault in ailments(text))
    assert all(line.isprintable() for lines in diagnosed(text).values() for line in lines)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), EXPECTED, st.integers(0, 1))
def test_an_overlap_passes_exactly_when_every_gpu_is_seen_as_declared(
    seen: list[int], expected: Expected, stuck: int
) -> None:
    """Over every way in which pods may fall on GPUs."""
    pods = [PodState("p", logs={"nvidia-smi": listed(uuid(number)), "vectoradd": SAMPLE}) for number in seen]
    more = [PodState("e", "Pending", "1 Insufficient nvidia.com/gpu.")] * stuck
    shot = Shot(stage="overlap", pods=expected.shares + 1, timeout_seconds=60)
    verdict = judge_smoke(shot, expected, JobState("running"), [*pods, *more], overdue=True)

    even = sorted(seen.count(number) for number in set(seen)) == [expected.replicas] * expected.gpus
    assert (verdict.status == "passed") == (even and stuck == 1)
