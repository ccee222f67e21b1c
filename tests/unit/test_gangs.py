"""The nodes of a gang are one unit: closed together, or waited for; and what else keeps a node from being closed.

Covered: held until each node has its claim, closed at once then; a gang that ended; one that is too large for the surge
or for the fleet's budget; how long each hold lasts; protected nodes; claims that a gang waits for come first; the plan.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.pods import Pod
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.gangs import Unit
from gpuops.domain.rotation.hold import Hold, decide_hold
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, POLICY, instance, job_pod, run
from tests.fakes.steps import claim, launch, old_world, opened, plan
from tests.fakes.world import World

DRAIN = load_app("drain_node")
DAY = timedelta(days=1)
GANG = "JobSet default/train"
TWO = POLICY.replace("mode: apply", "mode: apply, surge: 2")


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, a gang over the last two; two may be replaced at a time."""
    with mock_aws():
        made = old_world()
        made.policy = TWO
        made.connected.pods = {f"node-{instance(n).id}": [member(n)] for n in (1, 2)}
        yield made


def member(number: int) -> Pod:
    """One pod of the gang."""
    return replace(job_pod(), name=f"train-{number}", uid=f"u{number}", gang=GANG)


def drain(world: World, change: Any, number: int, before: Any = None, later: timedelta = timedelta(0)) -> Any:
    """One pass over an old node."""
    given = {"run": run(), "change": change.model_dump(mode="json"), "instance": instance(number).id}
    given["drain"] = before and before.model_dump(mode="json")
    return DRAIN.drain(DRAIN.Request.model_validate(given), NOW + later, world)


def closed(world: World) -> list[bool]:
    """Which of the three old nodes are cordoned."""
    return [node.unschedulable for node in world.connected.all_nodes[:3]]


def test_a_gang_is_closed_when_each_of_its_nodes_has_a_claim(world: World) -> None:
    """Its missing claims come next, before the idle node that the order has first; then both close at one moment."""
    change = opened(world)
    launch(world, 10)
    launch(world, 11)
    world.store.claim_next(run(), [instance(1).id])
    assert claim(world, change, 1).instance == instance(1).id

    held = drain(world, change, 1)
    assert (held.status, held.held.kind, closed(world)) == ("draining", "gang", [False, False, False])
    assert f"{GANG} runs on 2 nodes, and 1 of them have no replacement claimed yet" in held.reason

    assert claim(world, change, 0, decrement=True).instance == instance(2).id
    both = drain(world, change, 1, held, timedelta(minutes=1))
    assert (both.status, both.held, closed(world)) == ("draining", None, [False, True, True])
    assert both.started == NOW + timedelta(minutes=1)
    assert drain(world, change, 2, None, timedelta(minutes=2)).held is None


def test_a_gang_that_ended_holds_nobody(world: World) -> None:
    """Its node is closed like any other."""
    change = opened(world)
    held = drain(world, change, 1)
    world.connected.pods = {}

    assert drain(world, change, 1, held, timedelta(hours=9)).status == "drained"


def test_a_node_that_is_on_its_way_out_is_closed_alone(world: World) -> None:
    """Somebody else terminates it: its pods go, whatever its gang has elsewhere."""
    change = opened(world)
    leaving = [
        replace(i, lifecycle="Terminating") if i.id == instance(1).id else i for i in world.groups.group.instances
    ]
    world.groups.group = replace(world.groups.group, instances=tuple(leaving))

    assert (drain(world, change, 1).held, closed(world)) == (None, [False, True, False])


def test_a_gang_larger_than_the_surge_is_waited_for_and_named(world: World) -> None:
    """For the grace of training and the deadline; then the run ends with the gang's name, and nothing was touched."""
    world.policy = POLICY
    change = opened(world)

    held = drain(world, change, 1)
    assert f"{GANG} runs on 2 nodes, more than the 1 that are replaced at a time" in held.reason
    late = drain(world, change, 1, held, DAY + timedelta(hours=1))

    assert (late.status, closed(world)) == ("overdue", [False, False, False])
    undo = world.store.undo("gpu")
    assert undo is not None
    assert GANG in str(undo.stopped)
    assert undo.together == frozenset()


def test_the_slots_of_a_gang_are_taken_together(world: World) -> None:
    """A budget of one closes neither of its two nodes, however many are free."""
    world.policy = TWO + "budget: {nodes: 1}\n"
    change = opened(world)
    for number in (10, 11):
        launch(world, number)
    world.store.claim_next(run(), [instance(1).id, instance(2).id])
    for slot, decrement in ((0, False), (1, True)):
        claim(world, change, slot, decrement=decrement)

    held = drain(world, change, 1)

    assert (held.held.kind, closed(world), world.budgets.slots()) == ("budget", [False, False, False], ())
    assert "2 nodes together are more than the fleet's budget of 1" in held.reason


def test_a_protected_node_is_not_closed(world: World) -> None:
    """Karpenter's annotation on the node itself is heeded, also where nothing runs."""
    change = opened(world)
    first, *rest = world.connected.all_nodes
    world.connected.all_nodes = [replace(first, keep="karpenter.sh/do-not-disrupt: true"), *rest]

    held = drain(world, change, 0)

    assert (held.held.kind, closed(world)) == ("protected", [False, False, False])
    assert "its annotation karpenter.sh/do-not-disrupt: true forbids to disturb it" in held.reason


@pytest.mark.parametrize(
    ("kind", "drained", "days"),
    [
        ("budget", {}, 7),
        ("gang", {}, 1),
        ("protected", {}, 1),
        ("gang", {"on_deadline": "wait"}, 15),
        ("gang", {"after_grace": "wait"}, 30),
    ],
)
def test_each_hold_has_its_patience(kind: Any, drained: dict[str, Any], days: int) -> None:
    """A gang gets what training gets; what holds the node anew begins anew."""
    policy = GroupPolicy.model_validate({"cluster": "c", "group": "g", "drain": {"deadline_minutes": 1, **drained}})
    more = timedelta(minutes=0 if kind == "budget" else 1)
    hold = Hold(kind, "why")
    first = decide_hold(hold, None, policy, NOW)

    end = NOW + days * DAY + more
    assert not decide_hold(hold, first.held, policy, end - timedelta(seconds=1)).overdue
    assert decide_hold(hold, first.held, policy, end).overdue
    other = decide_hold(Hold("gang" if kind == "budget" else "budget", "why"), first.held, policy, end)
    assert (other.overdue, other.held.since, other.held.first) == (False, end, NOW)
    assert decide_hold(hold, first.held.model_copy(update={"since": NOW + 60 * DAY}), policy, NOW + 60 * DAY).overdue


def test_the_plan_says_which_nodes_go_together(world: World) -> None:
    """Side by side, last, each with its gang; the originals keep it for the claims."""
    planned = plan(world)

    assert [node.gang for node in planned.nodes] == ["", GANG, GANG]
    assert f"1 training pods, the youngest since 2026-11-23T09:00:00Z ({GANG})" in planned.nodes[1].reason
    assert "one of 2 nodes that go together" in planned.nodes[1].reason
    opened(world)
    undo = world.store.undo("gpu")
    assert undo is not None
    assert undo.gangs == {instance(n).id: GANG for n in (1, 2)}


def test_many_gangs_are_not_all_named() -> None:
    """A reason is read by people."""
    assert Unit(frozenset("ab"), ("a", "b", "c", "d", "e")).title == "a, b, c and 2 more"


@pytest.mark.parametrize(("surge", "canaries"), [(1, 1), (2, 2), (40, 2)])
def test_a_gang_that_goes_first_is_a_canary_as_a_whole(world: World, surge: int, canaries: int) -> None:
    """One of its nodes alone would wait for the others, which only follow once it is good."""
    world.policy = POLICY.replace("mode: apply", f"mode: apply, surge: {surge}").replace("nodes: 0", "nodes: 1")
    world.connected.pods[f"node-{instance(0).id}"] = [replace(job_pod(started="2026-11-23T09:30:00Z"), uid="u0")]

    planned = plan(world)

    assert [node.canary for node in planned.nodes] == [place < canaries for place in range(3)]
    assert [node.gang for node in planned.nodes] == [GANG, GANG, ""]
