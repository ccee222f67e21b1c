"""One pass of a drain: who is evicted, who is waited for and why, and when it ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.drain import Clock, DrainDecision, decide_drain, drain_state, named

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
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


def test_training_without_grace_left_is_evicted_like_any_pod() -> None:
    """A day is a day, counted from the first look; where the policy says so, nobody is asked."""
    late = decide(TRAIN, policy=Drain(after_grace="evict"), now=NOW + 24 * HOUR, clock=Clock(NOW, NOW + 25 * HOUR))

    assert (late.evict, late.ask) == ((TRAIN,), ())


def test_training_is_asked_to_checkpoint_before_its_grace_ends() -> None:
    """Once, a quarter of an hour before; the pass is timed for it."""
    nearly, asked = NOW + 24 * HOUR - 16 * MINUTE, replace(TRAIN, asked=NOW + 24 * HOUR - 15 * MINUTE)

    assert decide(TRAIN, now=nearly).ask == ()
    assert decide(TRAIN, now=nearly).wait_seconds == 60
    assert decide(TRAIN, now=nearly + MINUTE).ask == (TRAIN,)
    assert decide(asked, now=nearly + MINUTE).ask == ()
    assert decide(asked, now=nearly + 2 * MINUTE).wait_seconds == 14 * 60
    assert "asked to checkpoint at 2026-11-24T09:45" in decide(asked, now=nearly + 2 * MINUTE).waiting[asked]
    assert decide(asked, now=NOW + 24 * HOUR).evict == (asked,)


def test_a_request_that_came_late_gets_its_whole_notice() -> None:
    """The cluster did not answer for an hour, or somebody wrote a time to come on the pod."""
    late = NOW + 25 * HOUR
    asked = replace(TRAIN, asked=late)

    assert (decide(TRAIN, now=late).ask, decide(TRAIN, now=late).evict) == ((TRAIN,), ())
    assert decide(asked, now=late + 14 * MINUTE).evict == ()
    assert decide(asked, now=late + 15 * MINUTE).evict == (asked,)
    assert decide(replace(TRAIN, asked=late + HOUR), now=late).ask == (replace(TRAIN, asked=late + HOUR),)


def test_nobody_is_asked_who_cannot_be_evicted() -> None:
    """A bare pod blocks until the deadline; saving its work now would be for nothing."""
    bare = replace(TRAIN, owner="")
    late = decide(bare, now=NOW + 24 * HOUR, clock=Clock(NOW, NOW + 25 * HOUR))

    assert (late.ask, late.evict) == ((), ())
    assert "no controller" in late.waiting[bare]


@pytest.mark.parametrize("after", ["fail", "wait", "force"])
def test_the_policy_may_forbid_to_touch_training_at_all(after: str) -> None:
    """Not even `force` deletes it: after thirty days and the deadline the node is given back."""
    policy = Drain.model_validate({"after_grace": "wait", "on_deadline": after})

    month = decide(TRAIN, policy=policy, now=NOW + 30 * DAY - HOUR)
    assert (month.overdue, month.waiting[TRAIN]) == (False, "runs until it ends (policy: drain.after_grace is wait)")

    after_all = decide(TRAIN, policy=policy, now=NOW + 60 * DAY, clock=Clock(NOW, month.deadline))
    assert (after_all.evict, after_all.delete, after_all.overdue) == ((), (), True)
    assert "is never touched" in after_all.waiting[TRAIN]


@pytest.mark.parametrize("pod", [WEB, TRAIN])
def test_a_protected_pod_is_never_evicted_and_named_with_its_annotation(pod: Pod) -> None:
    """Waited for like training, then until the deadline; only `force` goes past it."""
    kept = replace(pod, keep="karpenter.sh/do-not-disrupt: true")
    end = Clock(NOW, NOW + 25 * HOUR)

    early = decide(kept, now=NOW + 23 * HOUR)
    assert (early.deadline, early.ask) == (NOW + 24 * HOUR, ())
    assert "annotation karpenter.sh/do-not-disrupt: true, until 2026-11-24T10:00" in early.waiting[kept]
    late = decide(kept, now=NOW + 25 * HOUR, clock=end)
    assert (late.evict, late.overdue) == ((), True)
    assert "karpenter.sh/do-not-disrupt: true forbids" in drain_state(late, {}, []).reason
    forced = decide(kept, policy=Drain(on_deadline="force"), now=NOW + 25 * HOUR, clock=end)
    assert forced.delete == (kept,)


def test_people_read_the_name_of_the_work() -> None:
    """A pod's name says little to whoever started a JobSet."""
    member = replace(TRAIN, gang="JobSet ml/train")

    assert named(decide(member), {}) == [
        "ml/train-1: JobSet ml/train runs until it ends, or until 2026-11-24T10:00:00+00:00"
    ]


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
