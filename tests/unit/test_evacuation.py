"""A node that AWS takes at a known time: what matters most goes first, training saves its work, nothing outlasts it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain
from gpuops.domain.rotation.drain import DrainDecision
from gpuops.domain.rotation.evacuation import decide_evacuation

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LEAVES = NOW + timedelta(minutes=2)
WEB = Pod("default", "web-1", "1", owner="ReplicaSet")
TRAIN = Pod("ml", "train-1", "2", owner="Job", completes=True)


def decide(*pods: Pod, seconds: int = 0, leaves: datetime = LEAVES, **policy: Any) -> DrainDecision:
    """One pass, so many seconds after the first."""
    return decide_evacuation(pods, Drain(**policy), NOW, leaves, NOW + timedelta(seconds=seconds))


def pod(name: str, priority: int) -> Pod:
    """A pod of that priority."""
    return Pod("default", name, name, owner="ReplicaSet", priority=priority)


def test_what_matters_most_goes_first() -> None:
    """A budget, or the room elsewhere, may not be enough for all."""
    decision = decide(pod("batch", -10), pod("web", 0), pod("core", 1_000_000), pod("api", 0))

    assert [one.name for one in decision.evict] == ["core", "api", "web", "batch"]


def test_training_is_asked_at_once_and_goes_before_the_end() -> None:
    """Two minutes: it has seventy-five seconds to save its work, and the time to stop in."""
    first = decide(TRAIN, WEB)
    asked = Pod(**{**TRAIN.__dict__, "asked": NOW})
    second, last = decide(asked, seconds=60), decide(asked, seconds=76)

    assert (first.ask, first.evict) == ((TRAIN,), (WEB,))
    assert (second.ask, second.evict) == ((), ())
    assert last.evict == (asked,)


def test_with_more_time_training_has_more_of_it() -> None:
    """A Capacity Block tells ten minutes before: the policy's quarter of an hour does not fit, so it is asked now."""
    leaves = NOW + timedelta(minutes=10)
    asked = Pod(**{**TRAIN.__dict__, "asked": NOW})

    assert decide(TRAIN, leaves=leaves).ask == (TRAIN,)
    assert decide(asked, seconds=500, leaves=leaves).evict == ()
    assert decide(asked, seconds=560, leaves=leaves).evict == (asked,)


@pytest.mark.parametrize("policy", [{"after_grace": "evict"}, {"after_grace": "wait"}])
def test_the_policy_may_have_nobody_asked(policy: dict[str, Any]) -> None:
    """Nor touched: then AWS ends it."""
    assert decide(TRAIN, **policy).ask == ()
    assert (decide(TRAIN, seconds=100, **policy).evict == ()) == (policy["after_grace"] == "wait")


@pytest.mark.parametrize("on_deadline", ["fail", "wait", "force"])
def test_at_the_end_it_is_over_whatever_the_policy_says_of_deadlines(on_deadline: str) -> None:
    """There is nothing left to force."""
    before, at = decide(WEB, seconds=119, on_deadline=on_deadline), decide(WEB, seconds=120, on_deadline=on_deadline)

    assert (before.overdue, at.overdue, at.delete) == (False, True, ())
    assert before.deadline == LEAVES


def test_it_looks_often() -> None:
    """Of two minutes, a usual pause would be much."""
    assert max(decide(TRAIN, seconds=second).wait_seconds for second in range(120)) <= 10
