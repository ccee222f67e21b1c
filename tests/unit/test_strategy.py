"""How `auto` chooses between growing and letting old nodes go first, and says why; what is looked at for it.

Covered: a named strategy; each fact that speaks against growing, at its limit; what nobody knows; the floor; the whole
plan over a small world; that nothing is looked at where the policy names a strategy.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.policy import GroupPolicy, parse_policy
from gpuops.domain.rotation.strategy import Reservation, Room, Swap, choose_strategy
from tests.fakes.rotation import POLICY, USER_DATA, Templates
from tests.fakes.steps import old_world, plan
from tests.fakes.world import World

AUTO = POLICY.replace("mode: apply", "mode: apply, strategy: auto")
NO_CAPACITY = "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested."


def policy(**more: Any) -> GroupPolicy:
    """The group's policy with these keys."""
    group = parse_policy(AUTO, "v1").groups[0]
    return group.model_validate(group.model_dump() | more)


@pytest.mark.parametrize("strategy", ["surge", "terminate_first", "replace_root_volume"])
def test_a_named_strategy_is_taken_whatever_is_known(strategy: str) -> None:
    """The operator knows more than we can look at."""
    chosen = choose_strategy(policy(strategy=strategy), 4, 1, Room(addresses=0))

    assert (chosen.strategy, chosen.reason) == (strategy, "the policy names it")


@pytest.mark.parametrize(
    ("against", "instead", "why"),
    [
        (Room(reservation=Reservation("cr-1", 1)), Room(reservation=Reservation("cr-1", 2)), "reservation cr-1 has 1"),
        (Room(reservation=Reservation("cr-1", 0, block=True)), Room(), "capacity block cr-1 has 0 free places for 2"),
        (Room(addresses=1), Room(addresses=2), "the subnets have 1 free addresses for 2 more"),
        (Room(quota_vcpus=23, vcpus=4), Room(quota_vcpus=24, vcpus=4), "6 nodes need 24 vCPUs, the quota is 23"),
        (Room(scarce="EC2 has none left"), Room(), "a launch failed within the hour: EC2 has none left"),
    ],
)
def test_what_is_known_to_be_missing_lets_old_nodes_go_first(against: Room, instead: Room, why: str) -> None:
    """Exactly at the limit it may still grow."""
    first, grows = (choose_strategy(policy(surge=2), 4, 2, room) for room in (against, instead))

    assert (first.strategy, first.reason.startswith(f"auto: {why}")) == ("terminate_first", True)
    assert (grows.strategy, grows.reason.startswith("auto: 2 more may be had")) == ("surge", True)


@pytest.mark.parametrize(
    ("swap", "strategy"),
    [
        (Swap(known=True), "replace_root_volume"),
        (Swap(), "terminate_first"),
        (Swap("it would shrink", known=True), "terminate_first"),
    ],
)
def test_who_cannot_grow_keeps_instances_where_that_is_known_to_be_possible(swap: Swap, strategy: str) -> None:
    """An instance that is kept need not be hoped for; a refusal would come once a node is empty."""
    assert choose_strategy(policy(), 4, 1, Room(addresses=0), swap).strategy == strategy
    assert choose_strategy(policy(), 4, 1, Room(), swap).strategy == "surge"
    assert choose_strategy(policy(floor={"percent": 100}), 4, 1, Room(addresses=0), swap).strategy == "surge"


@pytest.mark.parametrize("room", [Room(), Room(quota_vcpus=1), Room(vcpus=96)])
def test_what_nobody_knows_speaks_against_nothing(room: Room) -> None:
    """A surge that cannot be had costs a wait; a node that went first in vain costs a node."""
    assert choose_strategy(policy(), 4, 1, room).strategy == "surge"


def test_a_floor_that_lets_none_go_leaves_the_surge() -> None:
    """It may wait for room; to go below the floor it may not."""
    chosen = choose_strategy(policy(floor={"percent": 100}), 4, 1, Room(addresses=0))

    assert (chosen.strategy, "the floor of 4 lets no old node go first" in chosen.reason) == ("surge", True)


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes on g4dn.xlarge, and a policy that leaves the choice."""
    with mock_aws():
        versions = [{"ImageId": "ami-0aa0aa0aa0aa0aa01", "UserData": USER_DATA, "InstanceType": "g4dn.xlarge"}]
        yield replace(old_world(), policy=AUTO, templates=Templates(versions))


def test_the_plan_says_which_way_and_why(world: World) -> None:
    """And what it could look at."""
    grows = plan(replace(world, room={"addresses": 12, "quota": 768, "vcpus": 4}))

    assert (grows.strategy, grows.nodes[-1].decrement) == ("surge", True)
    assert grows.strategy_reason == (
        "auto: 1 more may be had, as far as is known; 12 free addresses, a quota of 768 vCPUs"
    )
    full = plan(replace(world, room={"reservation": Reservation("cr-1", 0)}))
    assert (full.strategy, {node.decrement for node in full.nodes}) == ("terminate_first", {False})


def test_a_failed_launch_within_the_hour_counts(world: World) -> None:
    """Auto Scaling has just tried for us."""
    world.groups.failure = NO_CAPACITY

    assert plan(world).strategy_reason == "auto: a launch failed within the hour: EC2 has no instance of the type left"


def test_nothing_is_looked_at_where_the_policy_names_a_strategy(world: World) -> None:
    """Each look is a call, and one more right that may be missing."""
    world.groups.failure = NO_CAPACITY

    assert plan(replace(world, policy=POLICY, room={"addresses": 0})).strategy == "surge"
