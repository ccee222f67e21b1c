"""A repair that a person pauses, cancels or lets go on: at each of its steps, and what it has begun already."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Refused
from gpuops.domain.faults.answers import Repaired
from gpuops.domain.rotation.budget import Slot
from gpuops.domain.rotation.wish import GlobalStop, Wish
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, POLICY, instance
from tests.fakes.rotation import run as roll_run
from tests.fakes.steps import old_world
from tests.fakes.world import World

ISOLATE, OPEN, DRAIN, REPAIR, RETIRE = [
    load_app(name) for name in ("isolate_node", "open_repair", "drain_node", "repair_gpu", "retire_node")
]
VICTIM = instance(0)
NAME = f"node-{VICTIM.id}"
RUN = roll_run("fault-1", machine="remediate_gpu")
FAULT = {"node": NAME, "kind": "xid", "xid": 48, "first_seen": NOW}
HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[World]:
    """Three nodes; the first one is in quarantine."""
    with mock_aws():
        made = old_world()
        made.policy = "breaker_percent: 100\n" + POLICY
        made.connected.all_nodes[0] = replace(made.connected.all_nodes[0], gpus=1)
        made.connected.isolate(made.connected.all_nodes[0], RUN.id, "Xid 48", "xid-48")
        yield made


def state(**more: Any) -> Any:
    """The repair, as its functions get it."""
    isolated = {"status": "closed", "reason": "r", "run": RUN, "node": NAME, "instance": VICTIM.id, "since": NOW}
    decided = {"action": "reboot", "reason": "r"}
    given = {"run": RUN, "event": {"fault": FAULT}, "isolate": isolated, "diagnose": decided}
    return OPEN.Repair.model_validate(given | more)


def turn(world: World, now: datetime = NOW, **more: Any) -> Any:
    """Ask for its turn."""
    return OPEN.open_repair(state(**more), now, world)


def emptied(world: World, now: datetime = NOW, **more: Any) -> Any:
    """One pass of its drain."""
    return DRAIN.drain(DRAIN.Request(run=RUN, instance=VICTIM.id, faulty=True, **more), now, world)


def rebooted(world: World, now: datetime = NOW, **more: Any) -> Any:
    """One look at its reboot."""
    return REPAIR.repair(state(**more), now, world)


def retired(world: World, now: datetime = NOW, **more: Any) -> Any:
    """Its instance goes."""
    return RETIRE.retire(RETIRE.RetireNode(run=RUN, instance=VICTIM.id, **more), now, world)


def wish(world: World, word: str) -> None:
    """A person's word about it."""
    world.wishes.write(Wish.model_validate({"run": RUN.id, "wish": word, "by": "arn:ann", "at": NOW, "reason": "mine"}))


STEPS = pytest.mark.parametrize(
    ("step", "holds"), [(turn, "waiting"), (emptied, "draining"), (rebooted, "waiting"), (retired, "retiring")]
)


@STEPS
def test_a_paused_repair_disturbs_nothing_further(world: World, step: Callable[..., Any], holds: str) -> None:
    """It says whose word that is, and looks again."""
    wish(world, "pause")

    answer = step(world)

    assert (answer.status, answer.reason, answer.wait_seconds) == (holds, "paused by arn:ann: mine", 20)
    assert world.budgets.slots() == ()
    assert world.rebooted == []
    assert world.groups.group.instance(VICTIM.id) is not None
    wish(world, "resume")
    assert "paused" not in step(world).reason


@STEPS
def test_a_cancelled_repair_ends_before_its_next_step(world: World, step: Callable[..., Any], holds: str) -> None:
    """As Refused, of which close_repair makes a node that stays closed, for a person."""
    del holds
    wish(world, "cancel")

    with pytest.raises(Refused, match="cancelled by arn:ann: mine"):
        step(world)


def test_patience_stands_still_while_a_repair_is_paused(world: World) -> None:
    """A day of waiting for its turn is a day in which it could have come."""
    wish(world, "pause")
    paused = turn(world)
    later = turn(world, NOW + 30 * HOUR, open=paused)
    wish(world, "resume")
    world.budgets.take({Slot("i-other", "somebody")}, 1)
    world.policy = "budget: {nodes: 1}\n" + world.policy

    waiting = turn(world, NOW + 31 * HOUR, open=later)

    assert (waiting.status, waiting.since, waiting.resting) == ("waiting", NOW + 31 * HOUR, None)
    assert turn(world, NOW + 55 * HOUR, open=waiting).status == "overdue"


def test_what_was_begun_is_finished(world: World) -> None:
    """A machine that is half-way through a reboot cannot be left there."""
    begun = Repaired(status="repairing", reason="r", since=NOW, mark="boot-0")
    wish(world, "cancel")

    assert rebooted(world, NOW + timedelta(minutes=3), repair=begun.model_dump()).status == "repaired"


def test_a_repair_that_the_global_stop_keeps_from_its_quarantine_can_be_cancelled(world: World) -> None:
    """Its own wish is asked for only then: closing the node waits for nobody."""
    request = ISOLATE.Request.model_validate(
        {"event": {"fault": FAULT}, "execution": {"id": RUN.execution, "name": RUN.id, "machine": "remediate_gpu"}}
    )
    wish(world, "cancel")

    assert ISOLATE.isolate(request, NOW, world).status == "closed"
    world.wishes.write_stop(GlobalStop(by="arn:bob", at=NOW))
    with pytest.raises(Refused, match="cancelled by arn:ann"):
        ISOLATE.isolate(request, NOW, world)
