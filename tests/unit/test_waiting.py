"""How long the loops of replace_node pause, and that no wait which a policy allows fills an execution's history.

Covered: growth, the ends that are never passed, each phase of a drain, and the sum of all of them at a policy's limits.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import Drain, GroupPolicy
from gpuops.domain.rotation.drain import AFTER_DEADLINE, Clock, DrainDecision, decide_drain
from gpuops.domain.rotation.hold import ALTOGETHER
from gpuops.domain.rotation.patience import LONGEST
from gpuops.domain.rotation.waiting import wait_seconds
from tests.fakes.apps import load_app

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUOTA = 25_000
"""Step Functions: events of one execution."""
EVENTS = 9
"""Of one round: task entered, scheduled, started, succeeded, exited; choice and wait, entered and exited."""
TRAIN = Pod("ml", "train-1", "1", owner="Job", completes=True)
WEB = Pod("default", "web-1", "2", owner="ReplicaSet")


def looks(since: datetime, *ends: datetime) -> int:
    """How often a loop looks from the beginning to the last end; each end is met to the second."""
    at, count, seen = since, 0, set()
    while at < max(ends):
        at += timedelta(seconds=wait_seconds(since, at, *ends))
        count += 1
        seen.add(at)
    assert seen >= set(ends)
    return count


@pytest.mark.parametrize(
    ("waited", "seconds"), [(timedelta(0), 20), (timedelta(minutes=8), 20), (HOUR, 150), (6 * HOUR, 900), (DAY, 900)]
)
def test_the_pause_grows_with_what_was_waited(waited: timedelta, seconds: int) -> None:
    """Short waits are looked at often, long ones rarely."""
    assert wait_seconds(NOW, NOW + waited, NOW + 2 * DAY) == seconds


def test_no_pause_passes_an_end() -> None:
    """Whatever happens at a deadline happens then, not a quarter of an hour later."""
    assert wait_seconds(NOW, NOW + DAY - timedelta(seconds=90), NOW + DAY) == 90
    assert wait_seconds(NOW, NOW + DAY - timedelta(microseconds=1), NOW + DAY) == 1


def drained(*pods: Pod, now: datetime, deadline: datetime | None = None, grace: timedelta = DAY) -> DrainDecision:
    """One pass with the default policy."""
    return decide_drain(pods, Drain(), grace, Clock(NOW, deadline or NOW + HOUR), now)


def test_a_drain_waits_long_for_jobs_and_briefly_for_evictions() -> None:
    """When the last Job has ended, evictions are looked at from twenty seconds on again; grace ends to the second."""
    far = drained(TRAIN, WEB, now=NOW + 12 * HOUR)
    near = drained(replace(TRAIN, asked=NOW + 23 * HOUR), now=NOW + DAY - timedelta(seconds=30))
    after = drained(WEB, now=NOW + 12 * HOUR + timedelta(minutes=1), deadline=far.deadline)

    assert (far.wait_seconds, near.wait_seconds, after.wait_seconds) == (900, 30, 20)


@pytest.mark.parametrize("on_deadline", ["wait", "force"])
def test_no_drain_waits_for_ever(on_deadline: str) -> None:
    """A pod that never goes, on a node whose kubelet is dead, would fill the history instead."""
    policy = Drain.model_validate({"on_deadline": on_deadline})
    clock = Clock(NOW, NOW + HOUR)

    before, after = (
        decide_drain([WEB], policy, HOUR, clock, clock.deadline + AFTER_DEADLINE - early)
        for early in (timedelta(seconds=1), timedelta(0))
    )

    assert (before.overdue, before.wait_seconds, after.overdue) == (False, 1, True)


def test_the_longest_drain_that_a_policy_allows_stays_far_below_the_quota() -> None:
    """Claim, hold, training's grace, deadline and beyond, termination: each at its limit, in one execution."""
    limits = {"job_grace_hours": 720, "claim_deadline_minutes": 1440, "drain": {"deadline_minutes": 10_080}}
    policy = GroupPolicy.model_validate({"cluster": "c", "group": "g", **limits})
    claim = timedelta(minutes=policy.claim_deadline_minutes)
    deadline = timedelta(minutes=policy.drain.deadline_minutes)
    grace, retire = timedelta(hours=policy.job_grace_hours), load_app("retire_node").PATIENCE

    rounds = looks(NOW, NOW + claim) + looks(NOW, NOW + grace) + looks(NOW, NOW + retire)
    rounds += looks(NOW, NOW + ALTOGETHER) + looks(NOW, NOW + deadline, NOW + deadline + AFTER_DEADLINE)

    assert rounds * EVENTS < 0.8 * QUOTA
    assert claim + ALTOGETHER + max(grace, LONGEST) + deadline + AFTER_DEADLINE + retire < _timeout()


def _timeout() -> timedelta:
    """How long a rotation lets one replacement take."""
    definition = json.loads((Path(__file__).parents[2] / "statemachines" / "rotate_ami.asl.json").read_text())
    replace = definition["States"]["RollNodes"]["ItemProcessor"]["States"]["ReplaceNode"]
    return timedelta(seconds=replace["TimeoutSeconds"])
