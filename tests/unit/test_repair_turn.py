"""Whether a node in quarantine may leave service: rolls, EKS, storms, what fell quiet, and what comes of it.

Covers also what a roll makes of a node that is being repaired.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from gpuops.domain.faults.answers import Diagnosed
from gpuops.domain.faults.incident import Incident
from gpuops.domain.faults.prospect import Prospect, why_no_successor
from gpuops.domain.faults.turn import Sight, decide_turn
from gpuops.domain.keys import ADMITTED, NVSENTINEL_CORDONED, NVSENTINEL_STATE
from gpuops.domain.policy import Policy
from gpuops.domain.rotation.group import NODEGROUP_TAG
from gpuops.domain.rotation.strategy import Reservation
from gpuops.domain.rotation.wish import GlobalStop
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, POLICY, Groups, instance
from tests.fakes.rotation import run as roll_run
from tests.fakes.steps import claim, launch, leave, old_world, opened
from tests.fakes.world import World

OPEN, DRAIN, REPAIR, CLOSE = [load_app(name) for name in ("open_repair", "drain_node", "repair_gpu", "close_repair")]
VICTIM = instance(0)
NAME = f"node-{VICTIM.id}"
RUN = roll_run("fault-1", machine="remediate_gpu")
SEE = Sight(instance="i-1", there=True, quarantined=(), closed=(), fleet=10, limit=2)


class Unasked(Groups):
    """Whoever asks how its launches went has asked too much."""

    def last_failure(self, name: str, since: datetime) -> str | None:
        """See Groups."""
        raise AssertionError(f"{name} was asked since {since}")


@pytest.fixture
def world() -> Iterator[World]:
    """Three nodes, as many of which as they are may be out."""
    with mock_aws():
        made = old_world()
        made.policy = "breaker_percent: 100\n" + POLICY
        yield made


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({}, "clear", "may leave"),
        ({"there": False, "roll": "roll-1"}, "gone", "on its way out"),
        ({"roll": "roll-1"}, "waiting", "run roll-1"),
        ({"eks": "gpu"}, "waiting", "EKS repairs the nodes of gpu"),
        ({"quiet": True, "roll": "roll-1"}, "recovered", "quiet again"),
        ({"other": "NVSentinel (draining)"}, "waiting", "NVSentinel (draining) has the node in hand"),
        ({"given_back": True}, "recovered", "given it back"),
        ({"closed": ("i-2",)}, "clear", "may leave"),
        ({"closed": ("i-2", "i-3")}, "waiting", "3 of 10 nodes are out of service, 2 may be"),
        ({"quarantined": ("i-2",), "closed": ("i-2",)}, "clear", "may leave"),
    ],
)
def test_the_first_reason_that_holds_a_node_is_told(more: dict[str, Any], status: str, words: str) -> None:
    """Whoever owns it first; then how many others are out, each counted once."""
    turn = decide_turn(replace(SEE, **more))

    assert turn.status == status
    assert words in turn.reason


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.integers(1, 8))
def test_never_more_than_the_share_is_out_because_of_a_repair(quarantined: Any, closed: Any, limit: int) -> None:
    """And people are called for faults alone, not because a roll is under way."""
    turn = decide_turn(replace(SEE, quarantined=quarantined, closed=closed, limit=limit))

    assert (turn.status == "clear") == (len(quarantined | closed) < limit)
    assert turn.storm == (len(quarantined) >= limit)


@pytest.mark.parametrize(("fleet", "limit"), [(1, 1), (3, 1), (8, 2), (400, 100)])
def test_a_quarter_of_the_fleet_may_be_out_and_one_node_at_least(fleet: int, limit: int) -> None:
    """By default."""
    assert Policy(version="v1", groups=()).breaker(fleet) == limit


def state(name: str = VICTIM.id, run: Any = RUN, **more: Any) -> Any:
    """A node in quarantine that is to be replaced."""
    fault = {"node": f"node-{name}", "kind": "xid", "xid": 79, "first_seen": NOW, **more.pop("fault", {})}
    isolated = {"status": "closed", "reason": "r", "run": run, "node": f"node-{name}", "instance": name, "since": NOW}
    diagnose = {"action": "replace", "reason": "r"}
    given = {"run": run, "event": {"fault": fault}, "isolate": isolated, "diagnose": diagnose, **more}
    return OPEN.Repair.model_validate(given)


def isolate(world: World, number: int, run: str = "fault-1") -> None:
    """The node is closed because of a fault."""
    name = f"node-{instance(number).id}"
    found = world.connected.node(name)
    assert found is not None
    world.connected.isolate(found, run, "Xid 79", "xid-79")


def test_a_storm_holds_every_repair_and_people_hear_of_it_once(world: World) -> None:
    """Until fewer are out; then the next storm is told anew."""
    world.policy = POLICY
    for number in (0, 1):
        isolate(world, number, f"fault-{number + 1}")
    second = state(instance(1).id, roll_run("fault-2"))

    answers = [OPEN.open_repair(one, NOW, world) for one in (state(), second, state())]

    assert [answer.status for answer in answers] == ["waiting"] * 3
    assert len(world.escalated) == 1
    assert "2 of 3 nodes are out of service, 1 may be" in world.escalated[0]["reason"]
    assert world.budgets.slots() == ()
    leave(world, 1)
    launch(world, 8)
    assert OPEN.open_repair(state(open=answers[0]), NOW, world).status == "clear"
    isolate(world, 2, "fault-3")
    OPEN.open_repair(state(instance(2).id, roll_run("fault-3")), NOW, world)
    assert len(world.escalated) == 2


def test_whose_pod_was_on_the_gpu_is_remembered_for_the_next_step(world: World) -> None:
    """Once the node is empty nobody can say: without it what several jobs ran into would be an application's again."""
    isolate(world, 0)
    promoted = {"action": "reset", "reason": "2 different jobs ran into it", "job": "default/search"}

    OPEN.open_repair(state(diagnose=promoted), NOW, world)

    (attempt,) = world.attempts.of(VICTIM.id, "", NOW - timedelta(hours=1))
    assert (attempt.action, attempt.job) == ("reset", "default/search")


def test_a_successor_is_asked_for_only_where_nothing_else_decides(world: World) -> None:
    """It costs five calls, at each look of a wait that may last a day."""
    world.policy = POLICY
    for number in (0, 1):
        isolate(world, number, f"fault-{number + 1}")
    world.groups = Unasked(**vars(world.groups))

    assert OPEN.open_repair(state(), NOW, world).status == "waiting"


def test_a_roll_that_will_replace_the_node_does_it_next(world: World) -> None:
    """The repair waits for it to be gone."""
    change = opened(world)
    isolate(world, 1)
    faulty = state(instance(1).id)

    waiting = OPEN.open_repair(faulty, NOW, world)
    assert (waiting.status, "roll" in waiting.reason or "run-1" in waiting.reason) == ("waiting", True)
    launch(world, 7)
    assert claim(world, change, 0).instance == instance(1).id
    leave(world, 1)
    assert OPEN.open_repair(faulty.model_copy(update={"open": waiting}), NOW, world).status == "gone"


def test_a_faulty_newcomer_is_ours(world: World) -> None:
    """Nobody claims it."""
    change = opened(world)
    launch(world, 7)
    isolate(world, 7)

    assert claim(world, change, 0).status == "waiting"
    assert OPEN.open_repair(state(instance(7).id), NOW, world).status == "clear"


def test_a_roll_leaves_a_node_to_the_repair_that_has_it(world: World) -> None:
    """The slot of the budget says whose it is; a repair that only waits has none."""
    isolate(world, 0)
    held = OPEN.open_repair(state(), NOW, world)
    change = opened(world)
    request = DRAIN.Request(run=roll_run(), change=change, instance=VICTIM.id)

    waiting = DRAIN.drain(request, NOW, world)
    assert (held.status, waiting.status, waiting.held.kind) == ("clear", "draining", "repair")
    world.budgets.give_all_back(RUN.execution)
    assert DRAIN.drain(request, NOW, world).held is None


@pytest.mark.parametrize("ours", [True, False])
def test_a_node_that_a_person_gave_back_is_left_to_them(world: World, ours: bool) -> None:  # noqa: FBT001
    """Its repair waited for its turn; nothing on the node is disturbed any more, and no slot is taken.

    Of nodes from before gpuops, too, which no admission of ours ever saw.
    """
    first = world.connected.all_nodes[0]
    world.connected.all_nodes[0] = first if ours else replace(first, annotations={})
    isolate(world, 0)
    node = world.connected.node(NAME)
    assert node is not None
    world.connected.end_isolation(node)

    answer = OPEN.open_repair(state(), NOW, world)
    verdict = CLOSE.judge(CLOSE.Repair.model_validate(state(open=answer)), world.connected.node(NAME))

    assert (answer.status, verdict.status) == ("released", "released")
    assert world.budgets.slots() == ()


MANAGED = POLICY.replace("mode: apply", "mode: apply%s")


@pytest.mark.parametrize(
    ("owner", "on", "status"),
    [("", True, "waiting"), ("", False, "clear"), ("gpuops", True, "clear"), ("eks", False, "waiting")],
)
def test_eks_repairs_what_the_policy_leaves_to_it(world: World, owner: str, on: bool, status: str) -> None:  # noqa: FBT001
    """By default where its own auto-repair is on; it is given an hour, and never switched on or off."""
    world.policy = "breaker_percent: 100\n" + MANAGED % (f", remediation: {{owner: {owner}}}" if owner else "")
    world.nodegroups.repairing = on
    isolate(world, 0)
    world.groups.group = replace(world.groups.group, tags={NODEGROUP_TAG: "gpu"})

    first = OPEN.open_repair(state(), NOW, world)
    later = OPEN.open_repair(state(open=first), NOW + timedelta(hours=1), world)

    assert (first.status, later.status) == (status, "overdue" if status == "waiting" else "clear")


def incident(world: World, **more: Any) -> None:
    """What spoke of the node."""
    usual = {"instance": VICTIM.id, "execution": "fault-1", "opened": NOW, "sources": frozenset({"hot"})}
    world.incidents.open(Incident.model_validate({**usual, **more}), None)


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"kind": "thermal", "xid": None}, "recovered"), ({}, "clear"), ({"kind": "interruption", "xid": None}, "clear")],
)
def test_a_node_that_everything_is_quiet_about_is_proved_and_given_back(
    world: World, fault: dict[str, Any], status: str
) -> None:
    """Nothing on it is disturbed for that; but an Xid is never taken back, nor is an interruption."""
    incident(world, ringing=frozenset({"hot"}))
    isolate(world, 0)
    more = {"deadline": NOW} if fault.get("kind") == "interruption" else {}
    hot = state(fault={**fault, **more})
    world.incidents.quiet(VICTIM.id, "hot", NOW + timedelta(seconds=30))

    answer = OPEN.open_repair(hot, NOW + timedelta(seconds=60), world)

    assert answer.status == status


HOT = {"kind": "thermal", "xid": None}


@pytest.mark.parametrize("before", ["recovered", "clear"])
def test_a_node_whose_proof_failed_is_repaired_however_quiet_it_is(world: World, before: str) -> None:
    """After it had fallen quiet, or after a repair: the word of an alarm was taken once. It waits, if need be."""
    isolate(world, 0)
    incident(world, ringing=frozenset({"hot"}))
    world.incidents.quiet(VICTIM.id, "hot", NOW + timedelta(seconds=30))
    first = OPEN.Opened(status=before, reason="r", since=NOW)

    again = OPEN.open_repair(state(fault=HOT, open=first), NOW, world)
    later = OPEN.open_repair(state(fault=HOT, open=again.model_copy(update={"status": "waiting"})), NOW, world)

    assert (again.status, again.doubted, later.status) == ("clear", True, "clear")


def in_drain(world: World, status: str, crowded: bool = False, **fault: Any) -> Any:  # noqa: FBT001, FBT002
    """Asked again while its node is emptied, or when it is empty."""
    begun = OPEN.Opened(status="clear", reason="begun", since=NOW, crowded=crowded)
    given = state(fault={**HOT, **fault}, open=begun, drain={"status": status})
    return OPEN.open_repair(given, NOW + timedelta(seconds=60), world)


@pytest.mark.parametrize("status", ["draining", "drained"])
def test_what_was_begun_goes_on_until_everything_is_quiet(world: World, status: str) -> None:
    """Whatever else there is by then: a storm, a stop. drain_node heeds the stop itself."""
    incident(world, ringing=frozenset({"hot"}))
    world.wishes.write_stop(GlobalStop(by="me", at=NOW))
    loud = in_drain(world, status)
    world.incidents.quiet(VICTIM.id, "hot", NOW + timedelta(seconds=30))

    quiet = in_drain(world, status)

    assert (loud.status, loud.reason, quiet.status) == ("clear", "begun", "recovered")
    assert ("it is empty" if status == "drained" else "it was being emptied") in quiet.reason
    assert world.budgets.slots() == (), "nothing is taken twice"
    assert in_drain(world, status, kind="xid", xid=48).status == "clear"


def test_a_node_that_cannot_be_proved_under_its_pods_is_emptied_first(world: World) -> None:
    """Then quiet counts again, and nothing but the proof is left."""
    isolate(world, 0)
    incident(world, ringing=frozenset({"hot"}))
    world.incidents.quiet(VICTIM.id, "hot", NOW + timedelta(seconds=30))
    waits = OPEN.Opened(status="waiting", reason="r", since=NOW, crowded=True)

    turn = OPEN.open_repair(state(fault=HOT, open=waits), NOW, world)

    assert (turn.status, turn.crowded, turn.doubted) == ("clear", True, False)
    assert [in_drain(world, one, crowded=True).status for one in ("draining", "drained")] == ["clear", "recovered"]


def test_load_that_moved_away_is_all_that_relieves_a_node() -> None:
    """Its smoke then proves whether that helped."""
    relieved = state().model_copy(update={"diagnose": OPEN.Repair.model_validate(state().model_dump()).diagnose})
    diagnose = relieved.diagnose.model_copy(update={"action": "relieve"})

    class Calm:
        """Nothing is stopped."""

        wishes = property(lambda self: self)

        def stop(self) -> None:
            """See Wishes."""

        def wish(self, run: str) -> None:
            """See Wishes."""

    assert REPAIR.repair(relieved.model_copy(update={"diagnose": diagnose}), NOW, Calm()).status == "repaired"


def test_what_nvsentinel_took_too_is_waited_for_and_then_proved(world: World) -> None:
    """Both saw the same Xid. An hour is its time; what it gives back needs no repair of ours."""
    isolate(world, 0)
    ours = world.connected.all_nodes[0]
    world.connected.all_nodes[0] = replace(ours, labels={NVSENTINEL_STATE: "draining"})

    waiting = OPEN.open_repair(state(VICTIM.id), NOW, world)
    later = state(VICTIM.id).model_copy(update={"open": waiting})

    assert (waiting.status, "NVSentinel (draining)" in waiting.reason) == ("waiting", True)
    assert OPEN.open_repair(later, NOW + timedelta(hours=1), world).status == "overdue"
    world.connected.all_nodes[0] = ours
    assert OPEN.open_repair(later, NOW + timedelta(minutes=40), world).status == "recovered"


@pytest.mark.parametrize(
    "marks", [{"labels": {NVSENTINEL_STATE: "quarantined"}}, {"annotations": {NVSENTINEL_CORDONED: "True"}}]
)
def test_a_roll_leaves_a_node_to_nvsentinel(world: World, marks: dict[str, Any]) -> None:
    """Neither drained nor claimed: it is under repair."""
    change = opened(world)
    launch(world, 7)
    world.connected.all_nodes[0] = replace(world.connected.all_nodes[0], **marks)
    claim(world, change, 0)

    held = DRAIN.drain(DRAIN.Request(run=roll_run(), change=change, instance=VICTIM.id), NOW, world)

    assert (held.status, "NVSentinel" in held.reason, world.connected.all_nodes[0].unschedulable) == (
        "draining",
        True,
        False,
    )


def lacking(world: World, **more: Any) -> Any:
    """What a look says of a node that is to be replaced, by its desired, running and suspended."""
    isolate(world, 0)
    return OPEN.open_repair(state(VICTIM.id, **more), NOW, world)


def test_a_node_whose_successor_may_not_come_serves_on_and_people_hear_of_it_once(world: World) -> None:
    """Nothing was taken for it, and it goes once there is capacity again."""
    leave(world, 1)

    first = lacking(world)
    again = OPEN.open_repair(state(VICTIM.id, open=first), NOW + timedelta(minutes=1), world)

    assert (first.status, first.reason) == ("waiting", "no successor may come: 2 of 3 instances are there already")
    assert (again.status, len(world.escalated), world.budgets.slots()) == ("waiting", 1, ())
    launch(world, 8)
    assert OPEN.open_repair(state(VICTIM.id, open=again), NOW + timedelta(minutes=2), world).status == "clear"


def test_only_who_is_replaced_needs_a_successor(world: World) -> None:
    """A reset gives the node back; a dead one serves nobody."""
    leave(world, 1)
    isolate(world, 0)
    reset = {"diagnose": Diagnosed(action="reset", reason="Xid 48")}
    dead = {"isolate": state(VICTIM.id).isolate.model_copy(update={"silent": True})}

    for more in (reset, dead):
        request = state(VICTIM.id).model_copy(update=more)
        assert OPEN.open_repair(request, NOW, world).status == "clear"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"launches": False}, "Launch process is suspended"),
        ({"scarce": "EC2 has no instance of the type left"}, "failed within the hour: EC2 has no instance"),
        ({"present": 3}, "3 of 4 instances are there"),
        ({"serving": 2}, "only 2 other nodes serve, the policy's floor is 3"),
        ({"reservation": Reservation("cr-1", free=0)}, ""),
        ({"reservation": Reservation("cr-1", free=0, active=False)}, "reservation cr-1 is not active"),
    ],
)
def test_what_speaks_against_a_successor(more: dict[str, Any], words: str) -> None:
    """A full reservation does not: the node's own place becomes free with it."""
    see = Prospect(desired=4, present=4, launches=True, serving=3, floor=3)

    told = why_no_successor(replace(see, **more))

    assert (told is not None) == bool(words)
    assert told is None or (words in told.reason and told.passes == ("floor" in words))


def test_nodes_from_before_gpuops_serve_as_well(world: World) -> None:
    """No admission of ours ever saw them: they bear neither its taint nor its mark."""
    isolate(world, 0)
    world.connected.all_nodes = [
        replace(one, annotations={k: v for k, v in one.annotations.items() if k != ADMITTED})
        for one in world.connected.all_nodes
    ]

    assert OPEN.open_repair(state(VICTIM.id), NOW, world).status == "clear"
