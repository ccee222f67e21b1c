"""The fleet's budget: its number, who is named, and what drains, shares, selects and reconciles do about it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.budgets import BUDGET
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Budget, parse_policy
from gpuops.domain.rotation.budget import Slot, missing_slots, why_no_slot
from gpuops.slots import no_slot
from tests.fakes.apps import load_app
from tests.fakes.rotation import ARN, NOW, POLICY, instance, run
from tests.fakes.steps import CLOSE, RETURN, leave, old_world, opened, plan, retire
from tests.fakes.world import World

DRAIN, LIST = load_app("drain_node"), load_app("list_leftovers")
OTHER = Slot("i-other", ARN + "run-9")
ONE = POLICY + "budget: {nodes: 1}\n"


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes in a fleet of which one node may be closed."""
    with mock_aws():
        made = old_world()
        made.policy = ONE
        yield made


def drain(world: World, change: Any, number: int, before: Any = None, later: timedelta = timedelta(0)) -> Any:
    """One pass over an old node."""
    given = {"run": run(), "change": change.model_dump(mode="json"), "instance": instance(number).id}
    given["drain"] = before and before.model_dump(mode="json")
    return DRAIN.drain(DRAIN.Request.model_validate(given), NOW + later, world)


@pytest.mark.parametrize(
    ("budget", "fleet", "limit"),
    [
        (Budget(nodes=7), 3, 7),
        (Budget(percent=10), 50, 5),
        (Budget(percent=10), 59, 5),
        (Budget(percent=10), 9, 1),
        (Budget(percent=10), 0, 1),
        (Budget(percent=100), 12, 12),
    ],
)
def test_a_share_of_the_fleet_is_rounded_down_to_one_at_least(budget: Budget, fleet: int, limit: int) -> None:
    """A small fleet could never roll otherwise."""
    assert budget.limit(fleet) == limit


@pytest.mark.parametrize("budget", ["{}", "{nodes: 1, percent: 10}", "{nodes: 0}", "{percent: 0}", "{nodez: 1}"])
def test_a_budget_is_one_number_and_its_line_is_named(budget: str) -> None:
    """Two would contradict each other, none would say nothing."""
    with pytest.raises(Invalid, match="line 3"):
        parse_policy(POLICY + f"budget: {budget}\n", "v1")


def test_without_a_word_a_single_roll_is_held_by_nothing() -> None:
    """Forty is the most that one roll can have closed."""
    assert parse_policy(POLICY, "v1").budget.limit(1000) == 40


def test_who_has_the_slots_is_named() -> None:
    """With the run, for whoever wants to know what to wait for."""
    held = [Slot(f"i-{number}", ARN + "run-9") for number in range(7)]

    assert why_no_slot(held, [OTHER], 8) is None
    assert why_no_slot([OTHER], [OTHER], 1) is None
    assert why_no_slot([OTHER], [Slot("i-a", "x")], 1) == ("the fleet's budget of 1 nodes is used by i-other (run-9)")
    assert str(why_no_slot(held, [OTHER], 7)).endswith("i-4 (run-9) and 2 more")
    assert "more than the fleet's budget of 1" in str(why_no_slot([], [OTHER, held[0]], 1))
    assert missing_slots([OTHER], [OTHER, held[0]]) == (held[0],)


def test_a_node_is_not_closed_without_a_slot(world: World) -> None:
    """It stays as it is, neither clock runs, and the reason names who has the slot; then its times begin."""
    change = opened(world)
    world.budgets.take([OTHER], 1)

    first = drain(world, change, 0)
    later = drain(world, change, 0, first, timedelta(days=2))
    assert [answer.status for answer in (first, later)] == ["draining", "draining"]
    assert "budget of 1 nodes is used by i-other (run-9)" in later.reason
    assert (later.held.since, later.wait_seconds) == (NOW, 1260)
    assert not any(node.unschedulable for node in world.connected.all_nodes)

    world.budgets.give_back([OTHER])
    closed = drain(world, change, 0, later, timedelta(days=3))
    begun = NOW + timedelta(days=3)
    assert (closed.held, closed.started, closed.deadline) == (None, begun, begun + timedelta(hours=1))
    assert [node.unschedulable for node in world.connected.all_nodes] == [True, False, False]
    assert world.budgets.slots() == (Slot(instance(0).id, run().execution),)


def test_the_wait_for_a_slot_ends_and_stops_the_run(world: World) -> None:
    """After a week, with the reason as the run's."""
    change = opened(world)
    world.budgets.take([OTHER], 1)

    first = drain(world, change, 0)
    late = drain(world, change, 0, first, timedelta(days=7))

    assert (late.status, "waits since 2026-11-23" in late.reason) == ("overdue", True)
    undo = world.store.undo("gpu")
    assert undo is not None
    assert undo.stopped == f"{instance(0).id}: {late.reason}"


def test_a_slot_is_given_back_when_its_node_is_gone(world: World) -> None:
    """Not before: a node that is terminating still misses in the fleet."""
    change = opened(world)
    drain(world, change, 0)

    assert retire(world, change, 0).status == "retiring"
    assert len(world.budgets.slots()) == 1
    leave(world, 0)
    assert retire(world, change, 0).status == "retired"
    assert world.budgets.slots() == ()


def test_a_slot_is_given_back_when_its_node_is_returned(world: World) -> None:
    """Open again, it counts no more."""
    change = opened(world)
    drain(world, change, 0)
    request = {"run": run(), "instance": instance(0).id, "claim": {"status": "claimed"}}

    RETURN.return_node(RETURN.Request.model_validate(request), world)

    assert world.budgets.slots() == ()


def test_the_end_of_a_run_gives_all_of_its_slots_back(world: World) -> None:
    """Whatever its children left; others keep theirs."""
    world.policy = POLICY
    world.budgets.take([OTHER], 40)
    change = opened(world)
    for number in (0, 2):
        drain(world, change, number)

    CLOSE.close(run(), world)

    assert world.budgets.slots() == (OTHER,)


def test_reconcile_frees_the_slots_of_the_dead_only(world: World) -> None:
    """Of a run whose change is about to be closed, they go with it."""
    opened(world)
    mine, alive = Slot("i-mine", run().execution), Slot("i-alive", ARN + "run-2")
    world.budgets.take([OTHER, mine, alive], 9)
    world.running = {alive.owner}

    found = LIST.list_leftovers(NOW, world)

    assert [change.run.id for change in found.changes] == ["run-1"]
    assert world.budgets.slots() == (alive, mine)


def test_reconcile_forgets_a_budget_of_which_nothing_is_taken(world: World) -> None:
    """Whoever gave the last slot back died before it could."""
    world.budgets.take([OTHER], 1)
    world.store._table.set(BUDGET, "DELETE slots :old", {":old": {str(OTHER)}})

    LIST.list_leftovers(NOW, world)

    assert world.store._table.get(BUDGET) is None


def test_a_plan_is_held_while_no_node_may_be_closed(world: World) -> None:
    """Its surge would cost money for nothing; a roll that is done needs no slot."""
    world.budgets.take([OTHER], 1)

    held = plan(world)

    assert (held.status, held.until) == ("hold", None)
    assert held.reason == "the fleet's budget of 1 nodes is used by i-other (run-9)"
    assert no_slot(parse_policy(POLICY, "v1"), world) is None  # type: ignore[arg-type]


def test_a_plan_is_held_by_an_open_breaker(world: World) -> None:
    """Its new nodes would get the configuration that failed twice."""
    for number in (1, 2):
        world.memory.count_failure("sharing", "gpu", NOW, "no shares", of=f"run-0/n/{number}")

    held = plan(world)

    assert held.status == "hold"
    assert "the breaker of gpu is open: sharing: 2 failures in a row" in held.reason


def test_a_percentage_counts_the_groups_of_the_policy(world: World) -> None:
    """Three nodes: two thirds are two."""
    world.policy = POLICY + "budget: {percent: 67}\n"
    world.groups.group = replace(world.groups.group, desired=3)
    policy = world.latest()
    world.budgets.take([OTHER], 9)

    assert no_slot(policy, world) is None  # type: ignore[arg-type]
    world.budgets.take([replace(OTHER, instance="i-2")], 9)
    assert "budget of 2" in str(no_slot(policy, world))  # type: ignore[arg-type]
