"""What outlives a run: failures in a row and faulty GPUs; against moto's DynamoDB in process.

Covered: counting (repeated, by many, after a success), opening (twice, after a success, an operator's own suspension),
resuming (half-open, closed by an operator, opened again meanwhile), GPUs remembered, refreshed and forgotten; how
a group's nodes usually come.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from gpuops.adapters.memory import Memory
from gpuops.adapters.table import ONE
from gpuops.domain.admission.pace import Boots
from gpuops.domain.faults.breaker import Breaker
from tests.fakes.rotation import NOW
from tests.fakes.world import table

LATER = NOW + timedelta(hours=1)
UUID = "GPU-6f0e6cba-3d31-4e6a-9c5c-0f8f4f9f0a01"


@pytest.fixture
def memory() -> Iterator[Memory]:
    """An empty table."""
    with mock_aws():
        yield Memory(table())


def fail(memory: Memory, of: str) -> Breaker:
    """One failure of a launch."""
    return memory.count_failure("launch", "gpu", NOW, f"{of} has no GPU", of=of)


def opened(memory: Memory, *, suspended: bool = True) -> Breaker:
    """An open breaker of one failure."""
    return memory.open_breaker(fail(memory, "i-1"), NOW, "run-1", suspended=suspended)


def test_how_a_groups_nodes_usually_come_is_remembered(memory: Memory) -> None:
    """The last word counts; each group has its own."""
    assert memory.boots("gpu") is None
    memory.keep_boots("gpu", Boots({"i-1": 300}, {}, 0))
    memory.keep_boots("gpu", Boots({"i-1": 300, "i-2": 170}, {"i-2": 20}, 900))
    assert (memory.boots("gpu"), memory.boots("other")) == (Boots({"i-1": 300, "i-2": 170}, {"i-2": 20}, 900), None)


def test_what_older_versions_remembered_of_boots_counts_for_none() -> None:
    """They kept when a node was seen, which is later than when it was Ready."""
    with mock_aws():
        kept = table()
        kept.put("boot#gpu", ONE, {"seconds": 215, "heartbeat": 900})
        assert Memory(kept).boots("gpu") is None


def test_a_failure_counts_once_however_often_it_is_told(memory: Memory) -> None:
    """A step that is retried must not open the breaker by itself."""
    fail(memory, "i-1")
    again = fail(memory, "i-1")
    other = fail(memory, "i-2")

    assert (again.failures, other.failures) == (1, 2)
    assert (other.last, other.why, other.opened, other.suspended) == (NOW, "i-2 has no GPU", None, False)
    assert memory.breaker("launch", "gpu") == other


def test_the_kinds_and_groups_are_counted_apart(memory: Memory) -> None:
    """A node whose sharing failed says nothing about launches."""
    fail(memory, "i-1")

    assert memory.count_failure("sharing", "gpu", NOW, "no", of="run-1").failures == 1
    assert memory.breaker("launch", "other") is None


def test_a_success_forgets_the_failures_before_it(memory: Memory) -> None:
    """In a row means: since the last success."""
    fail(memory, "i-1")

    assert memory.forget_failures("launch", "gpu") is True
    assert memory.forget_failures("launch", "gpu") is True
    assert memory.breaker("launch", "gpu") is None
    assert fail(memory, "i-2").failures == 1


def test_it_is_opened_once_and_remembers_by_whom(memory: Memory) -> None:
    """Two who count the last failure at once: one of them opens it, both learn that it is open."""
    first = opened(memory)
    second = memory.open_breaker(fail(memory, "i-2"), LATER, "run-2", suspended=True)

    assert (first.opened, first.opened_by, first.suspended) == (NOW, "run-1", True)
    assert (second.opened, second.opened_by, second.failures) == (NOW, "run-1", 2)
    assert memory.suspended_groups() == ["gpu"]


def test_one_that_a_success_has_just_forgotten_is_not_opened(memory: Memory) -> None:
    """Otherwise an item of nothing but a time would stand in the table."""
    failed = fail(memory, "i-1")
    memory.forget_failures("launch", "gpu")

    assert memory.open_breaker(failed, NOW, "run-1", suspended=True).opened is None
    assert memory.breaker("launch", "gpu") is None


def test_a_success_does_not_forget_that_launch_is_suspended(memory: Memory) -> None:
    """Nobody would ever resume it."""
    opened(memory)

    assert memory.forget_failures("launch", "gpu") is False
    kept = memory.breaker("launch", "gpu")
    assert kept is not None
    assert kept.suspended


def test_what_an_operator_suspended_is_not_on_our_list(memory: Memory) -> None:
    """It is open all the same, and a success forgets it."""
    assert opened(memory, suspended=False).suspended is False
    assert memory.suspended_groups() == []
    assert memory.forget_failures("launch", "gpu") is True


def test_after_the_pause_it_is_half_open_and_one_failure_opens_it_again(memory: Memory) -> None:
    """The failures stay counted until a success."""
    memory.resumed(opened(memory))
    half = memory.breaker("launch", "gpu")

    assert half is not None
    assert (half.suspended, half.opened, half.failures) == (False, NOW, 1)
    assert memory.suspended_groups() == []
    again = memory.open_breaker(fail(memory, "i-2"), LATER, "run-2", suspended=True)
    assert (again.suspended, again.opened, again.opened_by) == (True, LATER, "run-2")
    assert memory.suspended_groups() == ["gpu"]


def test_one_that_opened_again_meanwhile_stays_on_the_list(memory: Memory) -> None:
    """Reconcile acts on what it read; whoever opened it since then must still be found."""
    seen = opened(memory)
    memory.resumed(seen)
    memory.open_breaker(fail(memory, "i-2"), LATER, "run-2", suspended=True)

    memory.resumed(seen)

    again = memory.breaker("launch", "gpu")
    assert again is not None
    assert again.suspended
    assert memory.suspended_groups() == ["gpu"]


def test_an_operator_closes_it_and_reconcile_resumes(memory: Memory) -> None:
    """The operator writes a wish; the launches go on with the next tick."""
    opened(memory)

    assert memory.close_breaker("launch", "gpu") is False
    wished = memory.breaker("launch", "gpu")
    assert wished is not None
    assert (wished.closed, wished.suspended) == (True, True)
    memory.resumed(wished)
    assert memory.breaker("launch", "gpu") is None
    assert memory.suspended_groups() == []


def test_closing_one_that_suspended_nothing_forgets_it_at_once(memory: Memory) -> None:
    """Also where there is none: goals, not deltas."""
    fail(memory, "i-1")

    assert memory.close_breaker("launch", "gpu") is True
    assert memory.close_breaker("sharing", "gpu") is True
    assert memory.breaker("launch", "gpu") is None


def test_a_faulty_gpu_is_known_by_its_uuid_until_it_is_forgotten(memory: Memory) -> None:
    """On whichever instance it comes back."""
    memory.remember_gpu(UUID, "Xid 79", "i-1", "n1", NOW)
    memory.remember_gpu(UUID, "Xid 48", "i-2", "n2", LATER)

    (known,) = memory.faulty_gpus(["GPU-other", UUID, UUID])

    assert (known.fault, known.instance, known.at) == ("Xid 48", "i-2", LATER)
    assert known.title == f"{UUID} (Xid 48 on i-2, 2026-11-23)"
    assert memory.forget_gpu(UUID) is True
    assert memory.forget_gpu(UUID) is False
    assert memory.faulty_gpus([UUID]) == []
