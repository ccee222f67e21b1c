"""Capacity that is missing: what Auto Scaling's words mean, and what a roll does about it, over a small world.

Covered: the table, kind by kind, and what it does not know; `fail`, `hold` and `next`; a failure that passes; capacity
that returns; what is told and how often; the floor that forbids the next strategy; a successor that cannot be had, and
that no further node goes then; what is taken back of a surge that never came.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.capacity import failure_table, parse_table, why_scarce
from tests.fakes.rotation import NOW, instance, run
from tests.fakes.steps import CLOSE, claim, launch, leave, leftovers, old_world, opened, retire
from tests.fakes.world import World

POLICY = "groups:\n- {cluster: train, group: gpu, mode: apply, strategy: %s, on_no_capacity: %s}\n"
NO_CAPACITY = "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested."
GRACE, HOUR = timedelta(minutes=5), timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job; EC2 has nothing left."""
    with mock_aws():
        made = old_world()
        made.groups.failure = NO_CAPACITY
        yield made


def by(world: World, on_no_capacity: str, strategy: str = "surge") -> World:
    """The same world under another policy."""
    return replace(world, policy=POLICY % (strategy, on_no_capacity))


def waits(world: World, change: Any, until: datetime, *, slot: int = 0, first: Any = None) -> Any:
    """Claim again and again, as late as the state machine would, until something else than waiting, or until then."""
    answer, now = first or claim(world, change, slot), NOW
    while answer.status == "waiting" and now < until:
        now = min(until, now + timedelta(seconds=answer.wait_seconds))
        answer = claim(world, change, slot, now, claim=answer.model_dump())
    return answer


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (NO_CAPACITY, "capacity"),
        ("Could not launch On-Demand Instances. InsufficientInstanceCapacity - ...", "capacity"),
        ("There is no Spot capacity available that matches your request.", "capacity"),
        ("The requested reservation does not have sufficient compatible and available capacity", "reservation"),
        ("ReservationCapacityExceeded - full", "reservation"),
        ("You have requested more vCPU capacity than your current vCPU limit of 8 allows", "quota"),
        ("Could not launch. VcpuLimitExceeded - You have requested more.", "quota"),
        ("InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet 'subnet-1'", "addresses"),
        ("The image id '[ami-0bad]' does not exist. Launching EC2 instance failed.", "template"),
        ("The security group sg-1 does not exist.", "template"),
        ("Instance failed to complete user's Lifecycle Action", "unknown"),
        ("You are not authorized to perform this operation.", "unknown"),
        ("", "unknown"),
    ],
)
def test_each_failure_is_told_apart(said: str, kind: str) -> None:
    """A place that becomes free helps against four of them; what nobody knows is waited for by nobody."""
    assert failure_table().kind(said) == kind
    assert (why_scarce(said) is not None) == (kind in {"capacity", "reservation", "quota", "addresses"})


@pytest.mark.parametrize(
    "text",
    ["failures: 1", "sources: {}\nfailures: [{kind: quota, texts: [whatever], source: nobody}]", "- ["],
)
def test_a_table_without_sources_is_no_table(text: str) -> None:
    """Each row says whose word it is."""
    with pytest.raises(Invalid, match=r"launch_failures\.yaml"):
        parse_table(text)


def test_by_fail_the_claim_ends_at_its_deadline(world: World) -> None:
    """Nothing was drained, nobody is called; the reason has Auto Scaling's own words."""
    world = by(world, "fail")
    answer = waits(world, opened(world), NOW + 3 * HOUR)

    assert (answer.status, answer.deadline) == ("overdue", NOW + HOUR)
    assert NO_CAPACITY in answer.reason
    assert world.escalated == []


def test_by_hold_it_waits_past_its_deadline_and_calls_people_once(world: World) -> None:
    """For a day; two slots wait for the same, and one of them tells."""
    world = by(world, "hold")
    change = opened(world)
    first, second = waits(world, change, NOW + 2 * HOUR), waits(world, change, NOW + 2 * HOUR, slot=2)

    assert {first.status, second.status} == {"waiting"}
    assert first.reason.startswith("held for want of capacity: EC2 has no instance of the type left")
    assert first.deadline == first.lacking + timedelta(hours=24)
    assert [(told["group"], "run-1" in told["reason"]) for told in world.escalated] == [("gpu", True)]
    late = claim(world, change, 0, first.deadline, claim=first.model_dump())
    assert (late.status, claim(world, change, 1).status) == ("overdue", "stopped")


def test_an_instance_that_comes_after_all_gets_the_whole_patience(world: World) -> None:
    """Its boot and its smoke take their time, however long was waited for it before."""
    world = by(world, "hold")
    change = opened(world)
    held = waits(world, change, NOW + 5 * HOUR)
    launch(world, 10, admitted=False)
    later = NOW + 5 * HOUR

    booting = claim(world, change, 0, later, claim=held.model_dump())

    assert (booting.status, booting.deadline, booting.lacking) == ("waiting", later + HOUR, None)
    world.connected.all_nodes.pop()
    launch(world, 11)
    assert claim(world, change, 0, later, claim=booting.model_dump()).status == "claimed"


def test_a_failure_that_passes_means_nothing(world: World) -> None:
    """Zone after zone is tried: one that has none is no lack, nor is a place that is empty for four minutes."""
    world = by(world, "next")
    change = opened(world)
    early = waits(world, change, NOW + GRACE - timedelta(minutes=1))

    undo = world.store.undo("gpu")
    assert undo is not None
    assert (early.status, undo.strategy, world.escalated) == ("waiting", "surge", [])


@pytest.mark.parametrize("said", [None, "The security group sg-1 does not exist.", "something new"])
def test_what_no_free_place_would_help_keeps_its_deadline(world: World, said: str | None) -> None:
    """Waiting a day for a wrong security group would be a day lost."""
    world = by(world, "hold")
    world.groups.failure = said
    answer = waits(world, opened(world), NOW + 3 * HOUR)

    assert (answer.status, answer.deadline) == ("overdue", NOW + HOUR)


def test_by_next_old_nodes_go_first_from_then_on(world: World) -> None:
    """In mid-roll, one at a time, with what was asked for before still asked for; at the end that is taken back."""
    world = by(world, "next")
    change = opened(world)
    launch(world, 10)
    moved = claim(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)

    taken = waits(world, change, NOW + HOUR, slot=2)
    number = next(n for n in (1, 2) if instance(n).id == taken.instance)
    assert (moved.status, taken.status) == ("claimed", "taken")
    assert claim(world, change, 1, decrement=True).reason == "1 nodes are out of service already"
    retire(world, change, number, decrement=taken.decrement)
    leave(world, number)
    launch(world, 11)
    assert claim(world, change, 2).status == "filled"
    last = claim(world, change, 1, decrement=True)
    assert (last.status, last.instance, last.decrement) == ("taken", instance(3 - number).id, False)
    retire(world, change, 3 - number, decrement=last.decrement)
    leave(world, 3 - number)
    launch(world, 12)
    assert claim(world, change, 1).status == "filled"

    CLOSE.close(run(), world)

    assert (world.groups.group.desired, world.groups.group.max, len(world.groups.group.staying)) == (3, 3, 3)
    assert leftovers(world) == []


def test_a_floor_that_lets_none_go_holds_instead(world: World) -> None:
    """The next strategy would break it."""
    world = replace(world, policy=POLICY % ("surge", "next, floor: {nodes: 3}"))
    answer = waits(world, opened(world), NOW + 2 * HOUR)

    assert (answer.status, answer.reason.startswith("held")) == ("waiting", True)


@pytest.mark.parametrize("on_no_capacity", ["hold", "next"])
def test_while_a_successor_cannot_be_had_no_further_node_goes(world: World, on_no_capacity: str) -> None:
    """Two might be out, and the floor would bear it: but the second place would stay empty as well."""
    policy = POLICY % ("terminate_first", f"{on_no_capacity}, surge: 2, floor: {{nodes: 0}}")
    world = replace(world, policy=policy)
    change = opened(world)
    taken = claim(world, change, 0)
    retire(world, change, 0)
    leave(world, 0)

    other = claim(world, change, 2)
    held = waits(world, change, NOW + 2 * HOUR, first=claim(world, change, 0, claim=taken.model_dump()))

    assert (other.status, held.status) == ("waiting", "waiting")
    assert other.reason.startswith("a node that went first has no successor yet")
    assert len(world.escalated) == 1
    world.groups.failure = None
    assert claim(world, change, 2).status == "taken", "the place is empty, but nothing says that it stays so"
