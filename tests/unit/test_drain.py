"""One pass of a drain: who is evicted, who is waited for and why, and when it ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.drain import Clock, DrainDecision, decide_drain, drain_state, named

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOCK = Clock(started=NOW, deadline=NOW + HOUR)
WEB = Pod("default", "web-1", "1", owner="ReplicaSet")
TRAIN = Pod("ml", "train-1", "2", owner="Job", completes=True)
BARE = Pod("default", "bare", "3")
SHM = replace(WEB, name="shm", uid="4", empty_dir=True)


def decide(*pods: Pod, policy: Drain | None = None, now: datetime = NOW, clock: Clock = CLOCK) -> DrainDecision:
    """One pass with a day of grace for Jobs."""
    return decide_drain(pods, policy or Drain(), 24 * HOUR, clock, now)


@pytest.mark.parametrize(
    "pod",
    [
        replace(WEB, owner="DaemonSet"),
        replace(WEB, mirror=True),
        replace(WEB, owner="Node"),
        replace(TRAIN, phase="Succeeded"),
        replace(BARE, phase="Failed"),
    ],
)
def test_some_pods_do_not_hold_a_node(pod: Pod) -> None:
    """Nobody waits for what will not go, or is over."""
    decision = decide(pod)

    assert decision.left == ()
    assert drain_state(decision, {}, []).status == "drained"


def test_the_others_are_evicted_while_jobs_are_waited_for() -> None:
    """They can move at once; the training may not."""
    decision = decide(WEB, TRAIN)

    assert decision.evict == (WEB,)
    assert "runs until it ends" in decision.waiting[TRAIN]


def test_the_deadline_begins_to_count_when_no_job_is_waited_for() -> None:
    """Nine hours of training do not make a drain overdue; a refused web pod does an hour later."""
    at_nine = decide(WEB, TRAIN, now=NOW + 9 * HOUR)
    assert (at_nine.overdue, at_nine.deadline) == (False, NOW + 10 * HOUR)

    after = decide(WEB, now=NOW + 10 * HOUR, clock=Clock(NOW, at_nine.deadline))
    assert after.overdue


def test_a_job_without_grace_left_is_evicted_like_any_pod() -> None:
    """A day is a day, counted from the first look."""
    assert decide(TRAIN, now=NOW + 24 * HOUR, clock=Clock(NOW, NOW + 25 * HOUR)).evict == (TRAIN,)


@pytest.mark.parametrize(
    ("pod", "policy", "says"),
    [
        (BARE, Drain(), "no controller"),
        (SHM, Drain(empty_dir="block"), "emptyDir"),
        (replace(WEB, deleting=True), Drain(), "terminating"),
    ],
)
def test_what_may_not_be_evicted_is_named_with_its_reason(pod: Pod, policy: Drain, says: str) -> None:
    """Blocked pods need a person; terminating ones only time."""
    decision = decide(pod, policy=policy)

    assert decision.evict == ()
    assert says in named(decision, {})[0]


def test_the_policy_may_allow_both() -> None:
    """Bare pods by choice, emptyDir by default."""
    assert decide(BARE, SHM, policy=Drain(bare_pods="evict")).evict == (BARE, SHM)


def test_what_a_budget_refused_is_named_first() -> None:
    """It is what the operator can do something about."""
    decision = decide(WEB, BARE)
    budget = "The disruption budget web needs 3 healthy pods and has 3 currently"

    state = drain_state(decision, {WEB: budget}, [])

    assert named(decision, {WEB: budget})[0] == f"default/web-1: {budget}"
    assert (state.status, budget in state.reason) == ("draining", True)


def test_no_more_than_ten_are_named() -> None:
    """The answer travels through every state of the machine."""
    pods = [replace(BARE, name=f"bare-{n}", uid=str(n)) for n in range(50)]

    decision = decide(*pods)

    assert len(named(decision, {})) == 10
    assert "50 pods left" in drain_state(decision, {}, []).reason


@pytest.mark.parametrize(
    ("after", "status", "deleted"), [("fail", "overdue", 0), ("wait", "draining", 0), ("force", "draining", 2)]
)
def test_after_the_deadline_the_policy_decides(after: str, status: str, deleted: int) -> None:
    """Give up, go on, or delete what is left."""
    policy = Drain.model_validate({"on_deadline": after})

    decision = decide(WEB, BARE, policy=policy, now=NOW + HOUR)

    assert len(decision.delete) == deleted
    assert drain_state(decision, {}, []).status == status


def test_a_node_is_not_drained_while_a_volume_is_attached() -> None:
    """Its pod would hang elsewhere for six minutes, until the attachment is forced off."""
    decision = decide()

    assert drain_state(decision, {}, ["csi-1"]).status == "draining"
    late = drain_state(decide(now=NOW + HOUR), {}, ["csi-1"])
    assert (late.status, "1 attached volumes" in late.reason) == ("overdue", True)
