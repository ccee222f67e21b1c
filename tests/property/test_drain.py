"""Whatever stands on a node, every pod is treated in exactly one way, and patience never shortens."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.drain import Clock, decide_drain, drain_state, must_go

NOW = datetime(2026, 11, 23, tzinfo=UTC)
minutes = st.integers(0, 4000).map(lambda n: timedelta(minutes=n))
pods = st.lists(
    st.builds(
        Pod,
        namespace=st.just("n"),
        name=st.uuids().map(str),
        uid=st.uuids().map(str),
        owner=st.sampled_from(["", "ReplicaSet", "DaemonSet", "Job", "Node"]),
        phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
        deleting=st.booleans(),
        mirror=st.booleans(),
        completes=st.booleans(),
        empty_dir=st.booleans(),
        keep=st.sampled_from(["", "karpenter.sh/do-not-disrupt: true"]),
        asked=st.one_of(st.none(), minutes.map(lambda later: NOW + later)),
    ),
    max_size=12,
)
policies = st.builds(
    Drain,
    deadline_minutes=st.integers(1, 200),
    on_deadline=st.sampled_from(["fail", "wait", "force"]),
    after_grace=st.sampled_from(["checkpoint", "evict", "wait"]),
    checkpoint_minutes=st.integers(1, 200),
    bare_pods=st.sampled_from(["block", "evict"]),
    empty_dir=st.sampled_from(["block", "evict"]),
)


@given(pods, policies, minutes, minutes, minutes)
def test_every_pod_that_must_go_is_in_exactly_one_hand(
    on_node: list[Pod], policy: Drain, grace: timedelta, patience: timedelta, later: timedelta
) -> None:
    """Evicted, deleted or waited for; and a drained node has none of them."""
    decision = decide_drain(on_node, policy, grace, Clock(NOW, NOW + patience), NOW + later)

    assert sorted(pod.uid for pod in decision.left) == sorted(pod.uid for pod in on_node if must_go(pod))
    assert (drain_state(decision, {}, []).status == "drained") == (not decision.left)


@given(pods, policies, minutes, minutes, minutes)
def test_a_job_with_grace_left_is_never_touched(
    on_node: list[Pod], policy: Drain, grace: timedelta, patience: timedelta, later: timedelta
) -> None:
    """Whatever the deadline and what follows it."""
    decision = decide_drain(on_node, policy, grace, Clock(NOW, NOW + patience), NOW + later)

    touched = {*decision.evict, *decision.delete}
    assert later >= grace or not any(pod.completes or pod.keep for pod in touched)
    assert not decision.overdue or policy.on_deadline == "fail"


@given(pods, policies, minutes, minutes, minutes)
def test_training_is_touched_only_as_the_policy_says(
    on_node: list[Pod], policy: Drain, grace: timedelta, patience: timedelta, later: timedelta
) -> None:
    """Never, or after its notice; a protected pod by `force` alone; who is asked is waited for."""
    now = NOW + later
    decision = decide_drain(on_node, policy, grace, Clock(NOW, NOW + patience), now)

    touched = [pod for pod in (*decision.evict, *decision.delete) if pod.completes]
    notice = timedelta(minutes=policy.checkpoint_minutes)
    assert not (touched and policy.after_grace == "wait")
    if policy.after_grace == "checkpoint":
        assert all(pod.asked and pod.asked + notice <= now for pod in touched if pod in decision.evict)
    assert not any(pod.keep for pod in decision.evict)
    assert set(decision.ask) <= set(decision.waiting)


@given(pods, policies, minutes, minutes, minutes)
def test_the_deadline_never_comes_nearer(
    on_node: list[Pod], policy: Drain, grace: timedelta, first: timedelta, then: timedelta
) -> None:
    """From pass to pass time may be given, never taken; and a pass repeated at once agrees with itself."""
    begun = NOW + timedelta(minutes=policy.deadline_minutes)
    one = decide_drain(on_node, policy, grace, Clock(NOW, begun), NOW + first)
    again = decide_drain(on_node, policy, grace, Clock(NOW, one.deadline), NOW + first)
    two = decide_drain(on_node, policy, grace, Clock(NOW, one.deadline), NOW + first + then)

    assert again == one
    assert begun <= one.deadline <= two.deadline
