"""guard_launch: ten bad instances in a row stop the launches, a pause or an operator lets them go on.

Covers: counting with and without a hook, the limit, a repetition, an operator's own suspension, a success before and
after, half-open, resuming once, closed by hand, a group that is gone.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.group import Group
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, Groups, group, instance, run
from tests.fakes.world import World, table

GUARD = load_app("guard_launch")
POLICY = "groups:\n- {cluster: train, group: gpu, mode: apply, admission: {abandon_limit: 3, retry_minutes: 60}}\n"
HOOK = {"name": "gpuops-admit", "group": "gpu"}


@pytest.fixture
def world() -> Iterator[World]:
    """A group of one, whose third bad instance in a row is one too many."""
    with mock_aws():
        yield World(groups=Groups(group([instance(0)])), store=Store(table()), policy=POLICY)


def ended(world: World, status: str, number: int = 1, now: datetime = NOW, **found: Any) -> Any:
    """The end of an admission."""
    find = {"status": "found", "reason": "r", "instance": f"i-{number}", "node": f"n-{number}", "hook": HOOK, **found}
    admit = {"status": status, "reason": f"i-{number} has no GPU"}
    request = GUARD.Request.model_validate({"run": run(f"run-{number}"), "find": find, "admit": admit})
    return GUARD.guard(request, now, world)


def resume(world: World) -> Any:
    """What reconcile asks once the pause is over."""
    return GUARD.guard(GUARD.Request(group="gpu"), NOW, world)


def suspended(world: World) -> bool:
    """Whether the group launches nothing."""
    return "Launch" in world.groups.group.suspended


def bad(world: World, count: int) -> list[Any]:
    """So many bad instances in a row."""
    return [ended(world, "abandoned", number) for number in range(1, count + 1)]


def test_the_limit_suspends_launch_and_tells_people_once(world: World) -> None:
    """Not before it, and those that come after it are only counted."""
    answers = bad(world, 4)

    assert [answer.status for answer in answers] == ["counted", "counted", "open", "counted"]
    assert suspended(world)
    (told,) = world.escalated
    assert told["reason"].startswith("3 new instances in a row were abandoned, the last one: i-3 has no GPU")
    assert {told["cluster"], told["group"], told["instance"], told["node"]} == {"train", "gpu", "i-3", "n-3"}


def test_the_suspension_is_measured(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The template's alarm watches this metric by its name."""
    bad(world, 3)

    assert '"LaunchSuspended":[1.0]' in capsys.readouterr().out


def test_a_repeated_call_counts_once_and_acts_again(world: World) -> None:
    """It may have died between the item and the group."""
    bad(world, 3)
    world.groups.group = replace(world.groups.group, suspended=frozenset())

    again = ended(world, "abandoned", 3)

    assert (again.status, again.failures, suspended(world)) == ("open", 3, True)


def test_a_success_forgets_what_failed_before(world: World) -> None:
    """In a row means without one."""
    bad(world, 2)
    ended(world, "admitted", 9)

    assert bad(world, 2)[-1].failures == 2
    assert not suspended(world)


@pytest.mark.parametrize(("status", "found"), [("held", {}), ("released", {}), ("abandoned", {"hook": None})])
def test_only_what_auto_scaling_replaces_is_counted(world: World, status: str, found: dict[str, Any]) -> None:
    """An instance that stays costs no second one."""
    for number in range(5):
        assert ended(world, status, number, **found).status == "closed"

    assert world.memory.breaker("launch", "gpu") is None


def test_an_operators_own_suspension_is_never_lifted(world: World) -> None:
    """It was there before ours: people are told, and nothing is on reconcile's list."""
    world.groups.group = replace(world.groups.group, suspended=frozenset({"Launch"}))

    answer = bad(world, 3)[-1]

    assert "suspended by somebody else" in answer.reason
    assert (world.memory.suspended_groups(), len(world.escalated)) == ([], 1)
    assert resume(world).status == "closed"
    assert suspended(world)


def test_launch_is_resumed_once_and_one_more_failure_suspends_it_again(world: World) -> None:
    """Half-open: the group has one try, not ten."""
    bad(world, 3)

    assert (resume(world).status, suspended(world)) == ("resumed", False)
    world.groups.group = replace(world.groups.group, suspended=frozenset({"Launch"}))
    assert (resume(world).status, suspended(world)) == ("closed", True), "this time it is the operator's"
    world.groups.group = replace(world.groups.group, suspended=frozenset())
    assert ended(world, "abandoned", 7, NOW + timedelta(hours=2)).status == "open"
    assert suspended(world)


def test_a_success_after_the_pause_closes_it(world: World) -> None:
    """Ten failures are needed again."""
    bad(world, 3)
    resume(world)
    ended(world, "admitted", 9)

    assert world.memory.breaker("launch", "gpu") is None


def test_an_operator_closes_it_for_good(world: World) -> None:
    """The failures are forgotten, too."""
    bad(world, 3)
    world.memory.close_breaker("launch", "gpu")

    assert resume(world).status == "resumed"
    assert (suspended(world), world.memory.breaker("launch", "gpu")) == (False, None)


def test_a_group_that_is_gone_is_not_looked_for_for_ever(world: World) -> None:
    """Nothing of it is left to resume."""

    class Gone(Groups):
        def resume(self, name: str, processes: Any) -> None:
            raise Invalid(f"Auto Scaling group {name!r} does not exist")

    bad(world, 3)
    world.groups = Gone(Group(name="gpu", max=0, desired=0, instances=()))

    assert "nothing to resume" in resume(world).reason
    assert world.memory.suspended_groups() == []


def test_a_death_between_the_two_notes_of_a_resumption_leaves_no_entry_for_ever(world: World) -> None:
    """The breaker is half-open, the list still names the group; one that is being suspended just now stays on it."""
    bad(world, 3)
    world.memory._table.set("breaker#gpu", "REMOVE suspended_by_us", {}, sk="launch")

    assert (resume(world).status, world.memory.suspended_groups()) == ("closed", ["gpu"])
    late = GUARD.guard(GUARD.Request(group="gpu"), NOW + timedelta(hours=2), world)

    assert (late.status, world.memory.suspended_groups()) == ("closed", [])


def test_what_failed_before_anything_was_found_is_not_counted(world: World) -> None:
    """An admission whose first step failed has neither run nor instance to count."""
    admit = {"status": "held", "reason": "throttled"}

    answer = GUARD.guard(GUARD.Request.model_validate({"admit": admit, "run": None}), NOW, world)

    assert (answer.status, answer.failures) == ("closed", 0)


def test_half_a_request_is_invalid(world: World) -> None:
    """Sent by hand, most likely."""
    with pytest.raises(Invalid, match="expected a group"):
        GUARD.guard(GUARD.Request(run=run()), NOW, world)
