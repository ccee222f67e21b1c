"""The plan of a rotation: its status and reason, the order of the nodes, and who gives back the surge.

Covered: current (and when it is not), each gate, modes, the order by load and zone, decrements, the list of changes.
"""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.gates import gate_size
from gpuops.domain.rotation.order import NodeLoad, order_nodes
from gpuops.domain.rotation.plan import decide_rotation
from gpuops.domain.rotation.situation import Situation
from tests.fakes.rotation import NEW, NOW, OLD, POLICY, TARGET, group, instance

OLD_ONES = tuple(instance(number) for number in range(4))
SITUATION = Situation(
    group=group(OLD_ONES),
    policy=parse_policy(POLICY, "v1").groups[0],
    target=TARGET,
    template_amis=frozenset({OLD}),
    loads=[NodeLoad(instance=old.id, zone=old.zone) for old in OLD_ONES],
    adds_startup_taint=True,
    seen=NOW,
)


def test_a_group_off_the_target_rolls_and_says_what_changes() -> None:
    """Every node once; the surge is given back by the last."""
    decision = decide_rotation(SITUATION, NOW)

    assert (decision.status, decision.surge) == ("roll", 1)
    assert decision.reason == f"4 of 4 instances do not run 1.36.3-20261101 ({NEW})"
    assert {node.instance for node in decision.nodes} == {old.id for old in OLD_ONES}
    assert [node.decrement for node in decision.nodes] == [False, False, False, True]
    assert "maximum size 4 to 5, while it rolls" in decision.changes
    assert "new launch template version registers the startup taint" in decision.changes
    assert "nobody knows its driver: the first new node tells it" in decision.changes


def test_a_group_on_the_target_is_current_whatever_the_gates_say() -> None:
    """Nothing is asked for, so nothing can hold it."""
    done = replace(SITUATION, loads=[], template_amis=frozenset({NEW}), unrestored="run-0")

    assert decide_rotation(done, NOW).status == "current"


def test_a_template_off_the_target_rolls_without_nodes() -> None:
    """All instances are right, but the next one would not be."""
    decision = decide_rotation(replace(SITUATION, loads=[]), NOW)

    assert (decision.status, decision.nodes, decision.surge) == ("roll", (), 0)


def test_a_group_that_launches_nothing_holds() -> None:
    """Its roll would grow the group, wait for a newcomer in vain, and put everything back."""
    suspended = replace(SITUATION, group=group(OLD_ONES, suspended=frozenset({"Launch"})))
    decision = decide_rotation(suspended, NOW)

    assert (decision.status, decision.reason) == (
        "hold",
        "the Launch process of gpu is suspended: no new instance would come",
    )
    assert decide_rotation(replace(suspended, loads=[]), NOW).status == "roll"


def test_a_held_release_holds_until_its_days_are_over() -> None:
    """The hold ends exactly when it says."""
    held = replace(SITUATION, policy=SITUATION.policy.model_copy(update={"hold_days": 2}))

    assert decide_rotation(held, NOW).reason == "held for 2 days, until 2026-11-25T10:00:00+00:00"
    assert decide_rotation(held, NOW + timedelta(days=2, seconds=-1)).status == "wait"
    assert decide_rotation(held, NOW + timedelta(days=2)).status == "roll"


def test_only_who_may_act_waits_for_what_time_opens() -> None:
    """An observer's run is told at once: there is nothing that it could begin later."""
    policy = SITUATION.policy.model_copy(update={"hold_days": 2, "mode": "observe"})

    assert decide_rotation(replace(SITUATION, policy=policy), NOW).status == "hold"


@pytest.mark.parametrize(
    ("against", "reason"),
    [
        ({"withdrawn": "r0 is recommended again"}, "1.36.3-20261101 is withdrawn: r0 is recommended again ("),
        ({"older": "its driver 1.2 is older than 1.3 of r0"}, "1.36.3-20261101 goes backwards: its driver 1.2"),
    ],
)
def test_what_is_withdrawn_or_goes_backwards_is_rejected_unless_the_policy_allows_it(
    against: dict[str, str], reason: str
) -> None:
    """No time makes it right."""
    bad = replace(SITUATION, **against)  # type: ignore[arg-type]
    decision = decide_rotation(bad, NOW)

    assert (decision.status, decision.until) == ("reject", None)
    assert decision.reason.startswith(reason)
    allowed = replace(bad, policy=SITUATION.policy.model_copy(update={"allow_downgrade": True}))
    assert decide_rotation(allowed, NOW).status == "roll"


def test_an_image_that_is_gone_is_rejected_whatever_the_policy_allows() -> None:
    """Nothing could be launched from it."""
    policy = SITUATION.policy.model_copy(update={"allow_downgrade": True})
    decision = decide_rotation(replace(SITUATION, gone="its AMI is gone", policy=policy), NOW)

    assert (decision.status, decision.reason) == ("reject", "1.36.3-20261101 cannot be launched: its AMI is gone")


def test_a_change_that_is_not_put_back_holds() -> None:
    """Its originals would be lost under ours."""
    decision = decide_rotation(replace(SITUATION, unrestored="run-0"), NOW)

    assert (decision.status, decision.reason) == ("hold", "run run-0 has the group: its change is not put back yet")


def test_observe_and_recommend_only_plan() -> None:
    """The plan is the same; the mode is in its reason."""
    for mode in ("observe", "recommend"):
        decision = decide_rotation(replace(SITUATION, policy=SITUATION.policy.model_copy(update={"mode": mode})), NOW)

        assert (decision.status, len(decision.nodes)) == ("planned", 4)
        assert decision.reason.startswith(f"mode {mode}: ")


def test_idle_nodes_go_first_then_the_longest_running_jobs() -> None:
    """Idle, then pods that can move, then Jobs, oldest first; one of unknown start is last."""
    loads = [
        NodeLoad("i-young", "a", pods=1, jobs=1, jobs_since="2026-11-23T09:00:00Z"),
        NodeLoad("i-unknown", "a", pods=1, jobs=1),
        NodeLoad("i-old", "a", pods=1, jobs=1, jobs_since="2026-11-20T09:00:00Z"),
        NodeLoad("i-serving", "a", pods=3),
        NodeLoad("i-idle", "a"),
    ]

    ordered = [load.instance for load in order_nodes(loads)]

    assert ordered == ["i-idle", "i-serving", "i-old", "i-young", "i-unknown"]


def test_zones_take_turns() -> None:
    """No zone is emptied of its warm nodes first."""
    loads = [NodeLoad(f"i-{number}", zone) for number, zone in enumerate("aaabbb")]

    assert [load.zone for load in order_nodes(loads)] == ["a", "b", "a", "b", "a", "b"]


def test_a_group_too_large_for_one_runs_state_is_refused_before_anything_changes() -> None:
    """Five hundred nodes fit, each with a Job of a gang; what says more of more nodes than a state carries does not."""
    loads = [NodeLoad(f"i-{n:017}", "a", pods=1, jobs=1, gang=f"default/{n % 100:040}") for n in range(1000)]

    assert decide_rotation(replace(SITUATION, loads=loads[:500]), NOW).status == "roll"
    refused = decide_rotation(replace(SITUATION, loads=loads), NOW)
    assert (refused.status, refused.nodes) == ("reject", ())
    assert "1000 nodes need" in refused.reason


def test_the_state_of_the_largest_group_fits_what_a_state_may_carry() -> None:
    """Plan and results as they really are written, at the edge of what the gate lets through."""
    loads = [NodeLoad(f"i-{n:017}", "a", pods=1, jobs=1, gang=f"default/{n % 100:040}") for n in range(1000)]
    largest = next(n for n in range(1000, 0, -1) if not gate_size(replace(SITUATION, loads=loads[:n]), NOW))
    decision = decide_rotation(replace(SITUATION, loads=loads[:largest]), NOW)
    results = [{"slot": n.instance, "instance": n.instance, "status": "replaced"} for n in decision.nodes]

    state = {"plan": decision.model_dump(mode="json"), "nodes": results}
    assert 190 * 1024 < len(json.dumps(state)) < 256 * 1024
