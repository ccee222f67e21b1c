"""Slots that are told of their newcomer, and a roll that looks once, at its end, whether all old nodes are gone.

Covered: who is woken, and that a failure of that costs nobody anything; a newcomer on its way into service; old
instances that pile up behind a termination hook; who waits for a termination, and who does not; the last look.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.admission.answers import Admitted
from gpuops.domain.errors import Refused, Unavailable
from gpuops.domain.rotation.budget import Slot
from gpuops.waking import wake
from tests.fakes.rotation import NEW, NOW, instance, node, run
from tests.fakes.steps import RETIRE, claim, launch, leave, old_world, opened, retire
from tests.fakes.world import World

ADMITTED = Admitted(status="admitted", reason="it computes")


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes."""
    with mock_aws():
        yield old_world()


class Waiting:
    """Whoever waits; an exception is what the table says instead."""

    def __init__(self, slot: str | None = None, fault: Exception | None = None) -> None:
        self.slot, self.fault = slot, fault
        self.asked: list[str] = []

    def wake(self, group: str) -> str | None:
        """See Waiting."""
        self.asked.append(group)
        if self.fault:
            raise self.fault
        return self.slot


@pytest.mark.parametrize(
    ("waiting", "says"),
    [
        (Waiting("i-1"), "it computes; slot i-1 is told"),
        (Waiting(), "it computes"),
        (Waiting(fault=Unavailable("slow")), "it computes; no slot of a roll was told: slow"),
        (Waiting(fault=Refused("denied")), "it computes; no slot of a roll was told: denied"),
    ],
    ids=["one waits", "nobody waits", "no answer", "no right"],
)
def test_an_admission_wakes_a_slot_and_never_fails_for_it(waiting: Any, says: str) -> None:
    """The node is open already, and the slot looks by itself a minute later."""
    answer = wake(ADMITTED, run(), waiting)

    assert (answer.status, answer.reason, waiting.asked) == ("admitted", says, ["gpu"])


@pytest.mark.parametrize("status", ["abandoned", "held", "released"])
def test_what_is_no_newcomer_wakes_nobody(status: str) -> None:
    """Nothing is there to be claimed."""
    waiting: Any = Waiting("i-1")

    wake(ADMITTED.model_copy(update={"status": status}), run(), waiting)

    assert waiting.asked == []


@pytest.mark.parametrize(("lifecycle", "status"), [("Pending:Proceed", "claimed"), ("Pending:Wait", "waiting")])
def test_an_admitted_newcomer_is_claimed_once_its_hooks_are_answered(world: World, lifecycle: str, status: str) -> None:
    """The slot is woken seconds before Auto Scaling calls the instance in service."""
    change = opened(world)
    new = instance(9, NEW, version=str(len(world.templates.versions)), lifecycle=lifecycle)
    world.groups.group = replace(world.groups.group, instances=(*world.groups.group.instances, new))
    world.connected.all_nodes.append(node(new))

    assert claim(world, change, 0).status == status


def test_old_instances_that_do_not_leave_hold_the_next_claim(world: World) -> None:
    """Behind a termination hook they would pile up: each is a machine more than the surge allows."""
    change = opened(world)
    leaving = replace(instance(0), lifecycle="Terminating:Wait")
    world.groups.group = replace(world.groups.group, instances=(leaving, *world.groups.group.instances[1:]))
    launch(world, 9)

    held = claim(world, change, 2)
    leave(world, 0)

    assert (held.status, held.reason) == ("waiting", "1 old instances are still on their way out")
    assert claim(world, change, 2).status == "claimed"


def later(world: World, change: Any, status: str) -> Any:
    """Retire the first old instance in a run that looks at its end."""
    more: dict[str, Any] = {"confirm_later": True, "claim": {"status": status}}
    request = RETIRE.RetireNode(run=run(), change=change, instance=instance(0).id, **more)
    return RETIRE.retire(request, NOW, world)


@pytest.mark.parametrize(("status", "told"), [("claimed", "retired"), ("taken", "retiring")])
def test_only_a_node_without_a_successor_is_waited_for(world: World, status: str, told: str) -> None:
    """Whose newcomer serves already is terminated and left to the run's last look."""
    change = opened(world)

    assert later(world, change, status).status == told
    assert [call for call in world.groups.calls if call[0] == "terminate"] == [("terminate", (instance(0).id, False))]


def test_a_terminated_node_whose_newcomer_serves_gives_its_slot_of_the_budget_back(world: World) -> None:
    """It will never be opened again."""
    change = opened(world)
    slot = Slot(instance(0).id, run().execution)
    assert world.budgets.take({slot}, 1)

    later(world, change, "claimed")

    assert not world.budgets.slots()


def last_look(world: World, change: Any, now: Any = NOW, before: Any = None) -> Any:
    """Ask for all of them."""
    more = {"retire": {"deadline": before.deadline}} if before else {}
    return RETIRE.retire(RETIRE.RetireNode(run=run(), change=change, **more), now, world)


def test_the_last_look_waits_for_instances_and_then_for_their_nodes(world: World) -> None:
    """A Node that outlives its instance would be counted on by the scheduler."""
    change = opened(world)
    closed = node(instance(0))
    name = closed.name
    world.connected.cordon(closed, run().id)
    leaving = replace(instance(0), lifecycle="Terminating")
    world.groups.group = replace(world.groups.group, instances=(leaving, *world.groups.group.instances[1:]))

    first = last_look(world, change)
    world.groups.group = replace(world.groups.group, instances=world.groups.group.instances[1:])
    second = last_look(world, change, NOW + timedelta(seconds=90), first)

    assert (first.status, first.reason, first.wait_seconds) == ("retiring", f"still there: {leaving.id}", 90)
    assert (second.status, second.reason) == ("retiring", f"still there: {name}")
    with pytest.raises(Refused, match=f"{name} still there at"):
        last_look(world, change, first.deadline, second)
    leave(world, 0)
    assert last_look(world, change, first.deadline, second).status == "retired"


def test_without_the_word_of_the_run_a_termination_is_waited_for(world: World) -> None:
    """A single replacement has nobody who looks later."""
    assert retire(world, opened(world), 0).status == "retiring"
