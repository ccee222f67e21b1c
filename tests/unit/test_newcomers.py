"""When a slot looks for its newcomer: when it can be there by what those before it took, then often, then rarely."""

from datetime import timedelta

import pytest

from gpuops.domain.keys import ADMITTED
from gpuops.domain.rotation.change import Moved, Undo
from gpuops.domain.rotation.claim import Claim, with_newcomer
from gpuops.domain.rotation.group import Home, Template
from gpuops.domain.rotation.move import Move
from gpuops.domain.rotation.newcomers import UNKNOWN, claim_seconds, is_told, needs_no_look, next_due
from gpuops.domain.rotation.opening import originals
from tests.fakes.rotation import LT, NEW, NOW, TARGET, group, instance, node, run

TARGET_VERSION = Template(id=LT, version="2")
FAR = NOW + timedelta(hours=1)
MOVE = Move(old=Home(name="eks-gpu", min=0, max=4, desired=4), nodegroup="gpu-2", min=0, max=4)


def undo(*order: str) -> Undo:
    """The change that launches version 2."""
    source = Template(id=LT, version="1")
    moved = (Moved(source=source, resolved=source, new=TARGET_VERSION),)
    return originals(group([]), run(), target=TARGET, surge=1, moved=moved, now=NOW, order=order)


def claimed(number: int, took: int) -> Claim:
    """A newcomer that was there so many seconds after its launch."""
    name = f"i-{number:08x}"
    return Claim(group="gpu", run="run-1", slot=name, old=name, new=f"i-{number + 100:08x}", decrement=False, took=took)


def seconds(due: int | None, waited: int = 0, **told: bool) -> int:
    """The pause, `due` seconds from now, after so long a wait."""
    when = None if due is None else NOW + timedelta(seconds=due)
    return claim_seconds(when, NOW - timedelta(seconds=waited), NOW, FAR, **told)


@pytest.mark.parametrize(
    ("due", "waited", "pause"),
    [(None, 0, 180), (None, 160, 20), (95, 0, 95), (3, 0, 15), (-60, 0, 15), (-181, 600, 25), (None, 7200, 300)],
    ids=["none launched", "none launched yet", "known", "at once", "late", "long late", "never launched"],
)
def test_the_pause_ends_when_a_newcomer_is_due(due: int | None, waited: int, pause: int) -> None:
    """What is late by three minutes may be late by hours."""
    assert seconds(due, waited) == pause


@pytest.mark.parametrize(
    ("due", "waited", "pause"),
    [(None, 0, 240), (95, 0, 155), (-20, 0, 60), (-181, 600, 25)],
    ids=["none launched", "known", "its word got lost", "long late"],
)
def test_who_is_told_looks_only_for_a_word_that_got_lost(due: int | None, waited: int, pause: int) -> None:
    """A minute after the newcomer was due, and then every minute."""
    assert seconds(due, waited, told=True) == pause


def test_only_who_waits_for_a_newcomer_of_the_same_group_is_told() -> None:
    """Who is not told looks often."""
    first, moves = {"strategy": "terminate_first"}, {"move": MOVE}

    assert [is_told(undo().model_copy(update=more)) for more in ({}, first, moves)] == [True, False, False]


def test_no_pause_passes_the_deadline() -> None:
    """There the slot gives up."""
    assert claim_seconds(FAR + timedelta(hours=1), NOW, FAR - timedelta(seconds=7), FAR) == 7


def test_the_next_one_is_expected_after_what_those_before_it_took() -> None:
    """The first launched that nobody claimed; before anybody was admitted, three minutes after its launch."""
    fresh = [instance(n, NEW, version="2", launched=NOW + timedelta(seconds=n)) for n in (103, 105, 101)]
    whole = group([instance(1), *fresh])

    assert next_due(group([instance(1)]), undo(), [], "i-1", NOW) is None
    assert next_due(whole, undo(), [], "i-1", NOW) == NOW + timedelta(seconds=101) + UNKNOWN
    claims = [claimed(1, 240), claimed(2, 260), claimed(7, 0), claimed(9, 900)]
    assert next_due(whole, undo(), claims, "i-1", NOW) == NOW + timedelta(seconds=103 + 260)


def test_each_waiting_slot_expects_a_newcomer_of_its_own() -> None:
    """In the plan's order, past those that have one; the newcomer of a slot too many was due when that began."""
    fresh = [instance(n, NEW, version="2", launched=NOW + timedelta(seconds=n)) for n in (101, 103, 105)]
    whole, served = group([instance(1), *fresh]), claimed(1, 200)
    slots = [served.slot, "i-b", "i-c", "i-d"]
    dues = [next_due(whole, undo(*slots), [served], slot, NOW + timedelta(seconds=107)) for slot in slots[1:]]

    assert served.new == fresh[0].id
    assert dues == [NOW + timedelta(seconds=200 + launched) for launched in (103, 105, 107)]


def test_a_claim_keeps_what_its_newcomer_took() -> None:
    """From AWS's launch time to our own annotation."""
    new = instance(5, NEW, version="2", launched=NOW - timedelta(seconds=250))
    found = with_newcomer(claimed(1, 0), [new], [node(new)])

    assert node(new).annotations[ADMITTED] == NOW.isoformat()
    assert (found and found.took, found and found.new) == (250, new.id)


def test_ec2_is_asked_about_newcomers_that_nobody_claimed_and_about_strangers() -> None:
    """A group of 500 has a handful of them."""
    order = undo("i-00000001")
    old, new, stranger = instance(1), instance(2, NEW, version="2"), instance(3)

    assert [needs_no_look(order, {new.id}, one) for one in (old, new, stranger)] == [True, True, False]
    assert not needs_no_look(order, set(), new)
