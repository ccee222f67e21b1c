"""Claims: who was first, against moto's DynamoDB in process.

Covered: slot, old and new instance once each; an old one that goes first, alone of all that saw the same; its
successor, given once; what goes with its run.
"""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from gpuops.adapters.claims import Claims
from gpuops.domain.rotation.claim import Claim
from tests.fakes.rotation import run
from tests.fakes.world import table

CLAIM = Claim(group="gpu", run="run-1", slot="i-1", old="i-2", new="i-9", node="n9", decrement=False)
OTHER = CLAIM.model_copy(update={"slot": "i-3", "old": "i-3", "new": "i-8", "node": "n8"})
FIRST = Claim(group="gpu", run="run-1", slot="i-1", old="i-2", decrement=False, first=True)
SECOND = FIRST.model_copy(update={"slot": "i-3", "old": "i-3"})


@pytest.fixture
def claims() -> Iterator[Claims]:
    """An empty table."""
    with mock_aws():
        yield Claims(table())


@pytest.mark.parametrize("taken", ["slot", "old", "new"])
def test_slot_old_and_new_instance_are_each_claimed_once(claims: Claims, taken: str) -> None:
    """Who comes second has claimed nothing at all: the rest of the claim is still free for the next."""
    claims.add(CLAIM)

    assert claims.add(OTHER.model_copy(update={taken: getattr(CLAIM, taken)})) is False
    assert claims.of("gpu") == [CLAIM]
    assert claims.add(OTHER) is True
    assert claims.of("gpu") == [CLAIM, OTHER]


def test_of_two_that_saw_the_same_one_goes_first(claims: Claims) -> None:
    """Both saw enough nodes in service for one to go: the second must look again."""
    assert claims.go_first(FIRST, 0) is True

    assert claims.go_first(SECOND, 0) is False
    assert claims.of("gpu") == [FIRST]
    assert claims.go_first(SECOND, 1) is True
    assert claims.of("gpu") == [FIRST, SECOND]
    assert claims.go_first(FIRST, 2) is False, "its slot has one already"


def test_a_successor_is_given_once(claims: Claims) -> None:
    """Neither to two slots, nor twice to one; whoever was too late has changed nothing."""
    claims.go_first(FIRST, 0)
    claims.go_first(SECOND, 1)
    filled = FIRST.model_copy(update={"new": "i-9", "node": "n9"})

    assert claims.fill(FIRST, filled) is True
    assert claims.fill(SECOND, SECOND.model_copy(update={"new": "i-9", "node": "n9"})) is False
    assert claims.fill(FIRST, filled.model_copy(update={"new": "i-8"})) is False
    assert claims.of("gpu") == [filled, SECOND]


def test_claims_go_with_their_run(claims: Claims) -> None:
    """Nothing of them stays: a second run may claim the same, and begins to count anew."""
    claims.add(OTHER)
    claims.go_first(FIRST, 0)

    claims.forget(run("run-2"))
    assert claims.of("gpu") == [FIRST, OTHER]
    claims.forget(run("run-1"))
    assert claims.of("gpu") == []
    assert claims.add(OTHER.model_copy(update={"run": "run-2"})) is True
    assert claims.go_first(FIRST.model_copy(update={"run": "run-2"}), 0) is True
