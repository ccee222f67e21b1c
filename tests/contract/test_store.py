"""The table: who wins a race, what is atomic, what a repetition does; against moto's DynamoDB in process.

Covered: locks (taken twice, by two, from the dead, lost), originals (own, another's, given-back nodes, first reason to
stop), the journal, and that one item holds no more than one page of a query can carry.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.domain.errors import Conflict, Invalid
from gpuops.domain.rotation.change import Moved, Undo
from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.opening import originals
from tests.fakes.rotation import ARN, LT, NOW, TARGET, group, instance, run
from tests.fakes.world import table

ONE, TWO = run("run-1"), run("run-2")


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty table."""
    with mock_aws():
        yield Store(table())


def undo_of(name: str = "run-1") -> Undo:
    """Originals of a run's change."""
    moved = Moved(source=Template(id=LT, version="1"), resolved=Template(id=LT, version="1"))
    return originals(group([instance(0)]), run(name), target=TARGET, surge=1, moved=(moved,), now=NOW)


def test_a_lock_is_held_by_one_and_names_it(store: Store) -> None:
    """Taking it again is fine for its holder; everybody else is told who that is."""
    fence = store.take("lock", ONE, NOW)

    assert store.take("lock", ONE, NOW + timedelta(hours=1)) == fence
    with pytest.raises(Conflict, match=f"lock of gpu is held by {ARN}run-1 since 2026-11-23T10:00:00"):
        store.take("lock", TWO, NOW)
    assert store.release("lock", TWO) is False
    assert store.release("lock", ONE) is True
    assert store.take("lock", TWO, NOW) > fence


def test_a_dead_holders_lock_is_taken_once(store: Store) -> None:
    """Two who both saw the same dead holder: the second one loses."""
    store.take("lock", ONE, NOW)
    dead = store.lock("lock", "gpu")
    store.take("lock", TWO, NOW, instead_of=dead)

    with pytest.raises(Conflict, match="run-2"):
        store.take("lock", run("run-3"), NOW, instead_of=dead)
    with pytest.raises(Conflict, match="number 1 is lost"):
        store.check_fence(ONE, 1)


def test_the_two_kinds_do_not_touch_each_other(store: Store) -> None:
    """A rotation waits for days without holding up a repair."""
    store.take("rotation", ONE, NOW)

    assert store.take("lock", TWO, NOW) == 2
    assert store.open_groups() == ["gpu"]


def test_originals_are_written_once_and_kept_by_their_run(store: Store) -> None:
    """The run may add to them; another may not, and cannot delete them."""
    store.write_undo(undo_of())
    store.give_back(ONE, "i-1")
    store.give_back(ONE, "i-1")
    store.stop(ONE, "first")
    store.stop(ONE, "second")
    store.write_undo(undo_of())

    undo = store.undo("gpu")

    assert undo is not None
    assert (undo.decremented, undo.stopped, undo.launch) == (frozenset({"i-1"}), "first", undo_of().launch)
    with pytest.raises(Conflict):
        store.write_undo(undo_of("run-2"))
    with pytest.raises(Conflict):
        store.give_back(TWO, "i-2")
    assert store.stop(TWO, "not mine") is False
    assert (store.delete_undo(TWO), store.delete_undo(ONE), store.undo("gpu")) == (False, True, None)


def test_an_open_change_is_told_of_an_abandoned_newcomer(store: Store) -> None:
    """Without one nothing is written: originals of nobody would hold the group for ever."""
    store.tell_abandoned("gpu", "too early")
    assert store.undo("gpu") is None
    store.write_undo(undo_of())

    store.tell_abandoned("gpu", "no GPU")
    store.write_undo(undo_of())

    undo = store.undo("gpu")
    assert undo is not None
    assert undo.abandoned == "no GPU"


def test_a_group_that_is_being_taken_stays_on_the_list(store: Store) -> None:
    """Free means: no lock, no originals."""
    store.take("rotation", ONE, NOW)
    store.forget_if_free("gpu")
    assert store.open_groups() == ["gpu"]
    store.release("rotation", ONE)
    store.write_undo(undo_of())
    store.forget_if_free("gpu")
    assert store.open_groups() == ["gpu"]

    store.delete_undo(ONE)
    store.forget_if_free("gpu")

    assert store.open_groups() == []


def test_the_journal_keeps_order_and_drops_repetitions(store: Store) -> None:
    """By time, not by arrival; more lines than one page of a query carries."""
    lines = [{"at": (NOW + timedelta(seconds=n)).isoformat(), "reason": "x" * 9000, "n": n} for n in range(130)]
    for line in (*reversed(lines), lines[0]):
        store.write_journal("run-1", line)

    assert [line["n"] for line in store.journal("run-1")] == list(range(130))
    assert store.journal("run-2") == []


def test_the_journal_keeps_the_order_of_retries(store: Store) -> None:
    """They share the time at which their state was entered; a hash would shuffle them."""
    for attempt in range(12):
        store.write_journal("run-1", {"at": NOW.isoformat(), "attempt": attempt, "n": attempt})

    assert [line["n"] for line in store.journal("run-1")] == list(range(12))


def test_a_missing_table_is_said_so() -> None:
    """A wrong TABLE_NAME is bad input, not a reason to retry."""
    with mock_aws():
        gone = Store(table())
        gone._table._name = "other"

        with pytest.raises(Invalid, match="ResourceNotFound"):
            gone.undo("gpu")
