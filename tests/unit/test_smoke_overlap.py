"""The overlap: every share held at one moment, each GPU seen as often as declared, one pod more Pending."""

from collections.abc import Sequence

import pytest

from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.smoke.judge import judge_smoke, may_judge
from gpuops.domain.smoke.stages import GpuFault, JobState, PodState, Verdict
from tests.fakes.smoke_logs import BOARD, DETAILS, SAMPLE, listed, uuid

RUNNING = JobState("running")
WANT = "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node affinity/selector."
STUCK = PodState("extra", "Pending", WANT)
R2 = Expected(gpus=2, replicas=2)


def held(number: int, name: str = "p", *, details: str = "") -> PodState:
    """A pod that holds a share of a GPU, and has said so."""
    return PodState(name, logs={"nvidia-smi": listed(uuid(number)) + details, "vectoradd": SAMPLE})


def judged(expected: Expected, pods: Sequence[PodState], *, job: JobState = RUNNING, overdue: bool = False) -> Verdict:
    """The verdict on these pods at one moment."""
    shot = Shot(stage="overlap", pods=expected.shares + 1, timeout_seconds=60)
    return judge_smoke(shot, expected, job, pods, overdue=overdue)


def test_shares_held_at_once_on_every_gpu_pass() -> None:
    """With the pod too many as proof that there is no share more."""
    verdict = judged(R2, [held(1), held(2), held(1), held(2), STUCK])

    assert (verdict.status, verdict.uuids) == ("passed", (uuid(1), uuid(2)))
    assert verdict.evidence[0] == f"overlap: Pending: {WANT}"
    assert f"overlap: {uuid(1)} seen by 2 pods at once" in verdict.evidence


def test_an_exclusive_node_is_judged_alike() -> None:
    """One share of each GPU, and a second pod that waits."""
    assert judged(Expected(gpus=1), [held(1), STUCK]).status == "passed"


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((1, 1, 1, 1), "1 distinct UUIDs, 2 GPUs x 2 are declared"),
        ((1, 1, 1, 2), "seen 3 times"),
        ((1, 2, 3, 3), "3 distinct UUIDs"),
    ],
)
def test_gpus_that_are_seen_otherwise_than_declared_fail(numbers: tuple[int, ...], says: str) -> None:
    """The evidence begins with what is wrong."""
    verdict = judged(R2, [*map(held, numbers), STUCK])

    assert (verdict.status, says in verdict.reason) == ("failed", True)
    assert verdict.faulty == ()


def test_a_pod_that_sees_two_gpus_has_more_than_a_share() -> None:
    """As with a plugin that hands out whole devices."""
    both = PodState("p", logs={"nvidia-smi": listed(uuid(1), uuid(2)), "vectoradd": SAMPLE})

    assert "more than one GPU" in judged(Expected(gpus=2), [both, held(2), STUCK]).reason


def test_a_pod_too_many_that_runs_shows_more_shares_than_declared() -> None:
    """A sharing that nobody asked for, such as a plugin's own default."""
    verdict = judged(Expected(gpus=1), [held(1), held(1)])

    assert (verdict.status, verdict.reason) == ("failed", "overlap: 2 pods run at once, 1 GPUs x 1 are declared")


@pytest.mark.parametrize(
    ("pods", "says"),
    [
        ([held(1), held(2), held(1), STUCK], "3 of 4 pods run at once"),
        ([held(1), held(2), held(1), held(2)], "no pod is Pending for want of nvidia.com/gpu"),
        ([held(1), held(2), held(1), held(2), PodState("e", "Pending", "1 Insufficient cpu.")], "Insufficient cpu"),
        ([held(1), held(2), held(1), PodState("silent"), STUCK], "not all have spoken"),
        ([held(1), held(2), held(1), PodState("e", "Pending", "ErrImagePull"), STUCK], "ErrImagePull"),
    ],
)
def test_what_has_not_come_about_is_waited_for_until_the_deadline(pods: list[PodState], says: str) -> None:
    """The same words then count against the node."""
    now, late = judged(R2, pods), judged(R2, pods, overdue=True)

    assert (now.status, late.status) == ("running", "failed")
    assert says in late.reason


def test_the_renamed_resource_is_the_one_that_must_be_wanting() -> None:
    """With `renameByDefault` a pod that wants nvidia.com/gpu waits for ever, which proves nothing."""
    renamed = R2.model_copy(update={"resource": "nvidia.com/gpu.shared"})
    pods = [held(1), held(2), held(1), held(2)]
    other = PodState("e", "Pending", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.shared.")

    assert judged(renamed, [*pods, STUCK]).status == "running"
    assert judged(renamed, [*pods, other]).status == "passed"


def test_pods_that_end_by_themselves_held_nothing() -> None:
    """A failed one is quoted; a parallel Job that completes passed one after the other."""
    died = PodState("p", "Failed", "Error", {"vectoradd": "Failed to allocate device vector A\n"})
    failed = judged(R2, [died, STUCK], job=JobState("failed", "BackoffLimitExceeded"))

    assert failed.status == "failed"
    assert failed.evidence == ("vectoradd: Failed to allocate device vector A",)
    assert judged(R2, [], job=JobState("complete")).status == "failed"


def test_every_board_is_looked_at_while_it_is_held() -> None:
    """The device stage of a shared node sees only one of them."""
    bad = DETAILS + BOARD.replace("Failure Occurred        : No", "Failure Occurred        : Yes")
    verdict = judged(Expected(gpus=2), [held(1), held(2, details=bad), STUCK])

    assert (verdict.status, verdict.faulty) == ("failed", (GpuFault(uuid(2), "remap_failed"),))


def test_logs_are_read_once_enough_pods_run() -> None:
    """Four hundred pods have eight hundred logs."""
    shot = Shot(stage="overlap", pods=5, timeout_seconds=60)
    few, enough = [held(1)] * 3, [held(1)] * 4

    assert [may_judge(shot, R2, RUNNING, pods, overdue=False) for pods in (few, enough)] == [False, True]
    assert may_judge(shot, R2, RUNNING, few, overdue=True)
