"""The fleet's budget against moto's DynamoDB in process.

Covered: who gets the last slot, what a repetition does, slots taken together, a lowered limit, what is left at
the end, and what reconcile forgets.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto import mock_aws

from gpuops.adapters.budgets import BUDGET, Budgets
from gpuops.domain.rotation.budget import Slot
from tests.fakes.world import table

ROLL, SHARE = "arn:execution:roll", "arn:execution:share"
A, B, C = Slot("i-a", ROLL), Slot("i-b", ROLL), Slot("i-c", SHARE)


@pytest.fixture
def budgets() -> Iterator[Budgets]:
    """A fleet of which nothing is closed."""
    with mock_aws():
        yield Budgets(table())


def test_the_last_slot_goes_to_one(budgets: Budgets) -> None:
    """Whoever has it may ask again; nobody else gets it until it is given back."""
    assert budgets.take([A], 1)
    assert budgets.take([A], 1)
    assert not budgets.take([C], 1)

    budgets.give_back([A])

    assert budgets.take([C], 1)
    assert budgets.slots() == (C,)


def test_slots_are_taken_together_or_not_at_all(budgets: Budgets) -> None:
    """The nodes of a gang go together; one that is held already counts once."""
    assert not budgets.take([A, B], 1)
    assert budgets.slots() == ()
    assert budgets.take([A], 2)
    assert budgets.take([A, B], 2)
    assert not budgets.take([A, B, C], 2)
    assert budgets.slots() == (A, B)


def test_a_limit_that_was_lowered_keeps_what_is_held(budgets: Budgets) -> None:
    """Nobody is thrown out; nobody else comes in."""
    budgets.take([A, B], 2)

    assert budgets.take([A], 1)
    assert not budgets.take([C], 1)


def test_nothing_is_left_once_all_are_given_back(budgets: Budgets) -> None:
    """Twice is as good as once, and of somebody else's nothing is touched."""
    budgets.take([A, B], 3)
    budgets.take([C], 3)

    assert budgets.give_all_back(ROLL) == (A, B)
    assert budgets.give_all_back(ROLL) == ()
    assert budgets.slots() == (C,)
    for _ in range(2):
        budgets.give_back([C])
    assert budgets._table.get(BUDGET) is None


def test_an_item_whose_deletion_was_never_reached_is_forgotten_later(budgets: Budgets) -> None:
    """Whoever gave the last slot back had no answer, and when asked again had none to give back; one slot is kept."""
    budgets.take([A, C], 3)
    budgets.forget_if_free()
    assert budgets.slots() == (A, C)

    budgets._table.set(BUDGET, "DELETE slots :old", {":old": {str(A), str(C)}})
    assert budgets.give_all_back(ROLL) == ()
    for _ in range(2):
        budgets.forget_if_free()

    assert budgets._table.get(BUDGET) is None


def test_many_at_once_never_exceed_the_limit(budgets: Budgets) -> None:
    """The size is compared at the moment of the write."""
    slots = [Slot(f"i-{number}", ROLL) for number in range(16)]

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda slot: budgets.take([slot], 3), slots))

    assert sum(got) == 3
    assert len(budgets.slots()) == 3
