"""Which nodes of a plan are canaries, and what a release that proved to be bad does to it.

Covered: the idlest first; who may stand in for them; fewer nodes than canaries; fixed capacity, where nothing grows;
the verdict of before, and the person who orders the image nevertheless.
"""

from dataclasses import replace

import pytest

from gpuops.domain.policy import Canary, parse_policy
from gpuops.domain.rotation.messages import Order
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.plan import Decision, decide_rotation
from gpuops.domain.rotation.situation import Situation
from tests.fakes.rotation import CANARY, NEW, NOW, OLD, TARGET, group, instance

IDLE, BUSY = NodeLoad("i-idle", "a"), NodeLoad("i-busy", "b", pods=1)
JOBS = [NodeLoad(f"i-job-{n}", "c", pods=1, jobs=1, jobs_since=f"2026-11-2{n}T00:00:00Z") for n in range(3)]


def situation(*loads: NodeLoad, canaries: int = 1, surge: int = 1, strategy: str = "surge") -> Situation:
    """A group of these nodes."""
    policy = parse_policy(CANARY, "v1").groups[0]
    policy = policy.model_copy(update={"canary": Canary(nodes=canaries), "surge": surge, "strategy": strategy})
    members = group([instance(number) for number in range(len(loads))])
    return Situation(members, policy, TARGET, frozenset({OLD}), loads, adds_startup_taint=False, seen=NOW)


def plan(*loads: NodeLoad, canaries: int = 1, surge: int = 1, strategy: str = "surge") -> Decision:
    """What is decided for them."""
    return decide_rotation(situation(*loads, canaries=canaries, surge=surge, strategy=strategy), NOW)


def test_the_idlest_nodes_are_canaries_and_each_gives_its_own_surge_back() -> None:
    """The surge of the policy counts for the others alone."""
    decision = plan(JOBS[0], BUSY, IDLE, JOBS[1], canaries=2, surge=1)

    told = [(node.instance, node.canary, node.decrement) for node in decision.nodes]
    assert told == [("i-idle", True, True), ("i-busy", True, True), ("i-job-0", False, False), ("i-job-1", False, True)]
    assert (decision.surge, decision.candidates) == (1, 2)
    assert "2 canaries first, watched for 10 minutes" in decision.changes
    assert "desired capacity 4 to 6, while it rolls" in decision.changes


@pytest.mark.parametrize(
    ("loads", "canaries", "candidates"),
    [([IDLE, replace(IDLE, instance="i-2"), BUSY], 1, 2), ([IDLE, BUSY, JOBS[0]], 2, 2), (JOBS, 1, 1), (JOBS, 0, 0)],
    ids=["equally idle", "less idle", "with Jobs", "no canary"],
)
def test_whoever_is_as_idle_may_be_the_canary_instead(loads: list[NodeLoad], canaries: int, candidates: int) -> None:
    """The zones decide among them; a node with Jobs is like no other, for each has another end."""
    assert plan(*loads, canaries=canaries).candidates == candidates


def test_a_group_with_fewer_nodes_than_canaries_is_all_canary() -> None:
    """Nothing follows them, and so no surge."""
    decision = plan(IDLE, BUSY, canaries=5)

    assert [node.canary for node in decision.nodes] == [True, True]
    assert decision.surge == 0


def test_where_old_nodes_go_first_canaries_grow_the_group_no_more_than_others() -> None:
    """Its capacity is fixed."""
    decision = plan(IDLE, BUSY, JOBS[0], strategy="terminate_first")

    assert [(node.canary, node.decrement) for node in decision.nodes] == [(True, False), (False, False), (False, False)]
    assert not any("desired capacity" in change for change in decision.changes)


def test_a_release_that_proved_to_be_bad_is_held_and_says_how_to_try_it_again() -> None:
    """Being there already needs no permission."""
    bad = replace(situation(IDLE), condemned="1.36.3 proved to be bad in run r: alarm p99 rings")

    decision = decide_rotation(bad, NOW)

    assert (decision.status, decision.until) == ("hold", None)
    assert decision.reason.endswith(f"to try it again: an order for gpu that names {NEW}")
    there = replace(bad, loads=[], template_amis=frozenset({NEW}))
    assert decide_rotation(there, NOW).status == "current"


def test_an_alarm_that_rings_before_anything_has_begun_holds_the_roll() -> None:
    """It would be taken for the release's doing."""
    decision = decide_rotation(replace(situation(IDLE), ringing="alarm p99 rings"), NOW)

    assert (decision.status, decision.reason) == ("hold", "alarm p99 rings, before anything has begun")


def test_only_a_persons_order_with_an_image_insists() -> None:
    """Our own event names the image as well, each time."""
    told = {"detail-type": "GPU AMI Release Detected", "detail": {"cluster": "c", "group": "g", "ami": NEW}}

    assert Order(cluster="c", group="g", ami=NEW).insists
    assert not Order(cluster="c", group="g").insists
    assert not Order.model_validate(told).insists
