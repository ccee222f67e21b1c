"""rebalance_slicing by every way: nothing to do, a pool that grows, a canary that fails, or a later node, or a plan.

Covered: only a plan that is applied touches nodes, several change at a time after the canary and free their group once,
pods are not waited for, a failure takes the rung back and brings changed nodes back before the execution fails by the
child's error, a breaker refuses.
"""

from typing import Any

import pytest

from gpuops.domain.errors import Refused, Unhealthy
from tests.machines.happy import CONFIG, RUN
from tests.machines.machine_world import answers, fails, run

PICKED = {"status": "selected", "run": RUN, "node": "node-1", "instance": "i-1", "key": "r2", "turn": 1}
REPORTED = ["WriteReport", "Done?"]
BACK = {"status": "restored", "cluster": "demo", "policy": "v1", "pools": []}


def pools(*modes: str, status: str = "keep") -> dict[str, Any]:
    """A plan for a pool in each of these modes."""
    more = {"status": status, "now": 1, "replicas": 2, "reason": "because"}
    found = [{"group": mode, "mode": mode, **more} for mode in modes]
    return {"status": "kept", "cluster": "demo", "policy": "v1", "pools": found}


BESIDE = [{"node": f"node-{n}", "instance": f"i-{n}"} for n in (3, 4)]
ONE = ["SelectNode", "Selected?", "ShareNodes", "ShareNode", "Together?", "Shared?"]
THREE = ["SelectNode", "Selected?", "ShareNodes", *["ShareNode"] * 3, "Together?", "SettleNodes", "Shared?"]


def test_a_pool_grows_one_node_after_the_other() -> None:
    """The canary first, since it is selected first; nobody waits for pods of the others."""
    lambdas = {
        "SelectNode": answers(PICKED, {**PICKED, "turn": 2, "instance": "i-2"}, "waiting"),
        "ShareNodeMachine": answers("kept"),
    }
    result = run("rebalance_slicing", CONFIG, lambdas)
    assert result.path == [
        *["KeepEvent", "PlanSlicing", "Marks?", "Planned?"],
        *[*ONE, *ONE],
        *["SelectNode", "Selected?", *REPORTED, "Rebalanced"],
    ]
    assert result.output["pools"][0]["status"] == "grow"
    assert [call["together"] for call in result.called("ShareNodeMachine")] == [False, False]


def test_after_the_canary_several_nodes_change_at_a_time() -> None:
    """They leave the group to one another, and a call without a node frees it; one that went back is no harm."""
    several = {**PICKED, "turn": 2, "instance": "i-2", "beside": BESIDE}
    lambdas = {
        "SelectNode": answers(PICKED, several, "done"),
        "ShareNodeMachine": answers("kept", "kept", "returned", "kept"),
        "SettleNode": answers("freed"),
    }
    result = run("rebalance_slicing", CONFIG, lambdas)
    assert result.path[4:] == [*ONE, *THREE, "SelectNode", "Selected?", *REPORTED, "Rebalanced"]
    shared = result.called("ShareNodeMachine")
    assert [call["together"] for call in shared] == [False, True, True, True]
    assert sorted(call["instance"] for call in shared[1:]) == ["i-2", "i-3", "i-4"]
    assert [(call["turn"], "node" in call) for call in result.called("SettleNode")] == [(2, False)]


def test_one_of_several_that_fails_takes_the_plan_back() -> None:
    """The others are settled first, and the group is free before anything goes back."""
    several = {**PICKED, "beside": BESIDE}
    lambdas = {
        "PlanSlicing": answers(pools("apply"), BACK),
        "SelectNode": answers(several, "done"),
        "ShareNodeMachine": fails(Unhealthy("no CUDA"), times=1),
        "SettleNode": answers("freed"),
    }
    result = run("rebalance_slicing", CONFIG, lambdas)
    assert (result.path.count("ShareNode"), result.path.count("KeepFailure")) == (3, 1)
    back = ["SelectNodeBack", "SelectedBack?", *REPORTED, "RebalanceFailed"]
    assert result.path[-9:] == ["Together?", "SettleNodes", "Shared?", "PlanSlicingBack", *back]
    assert (result.error, result.cause) == ("Unhealthy", "no CUDA")
    assert result.called("SelectNode")[1]["error"]["name"] == "Unhealthy", "so that it takes them back one by one"


@pytest.mark.parametrize("plan", [pools("recommend", "observe"), pools("apply", status="hold")])
def test_a_plan_that_is_not_applied_changes_nothing(plan: dict[str, Any]) -> None:
    """It is reported."""
    result = run("rebalance_slicing", CONFIG, {"PlanSlicing": answers(plan)})
    assert result.path == ["KeepEvent", "PlanSlicing", "Marks?", "Planned?", *REPORTED, "Rebalanced"]


def test_a_fleet_without_pools_costs_one_call() -> None:
    """Nothing is reported, either."""
    result = run("rebalance_slicing", CONFIG, {"PlanSlicing": answers(pools())})
    assert result.path == ["KeepEvent", "PlanSlicing", "Marks?", "Planned?", "Rebalanced"]


def test_soft_taints_are_set_before_any_node_changes() -> None:
    """And lifted where no pool is left; when that fails, nothing else is done."""
    marks = {"marks": {"node-1": 1}}
    result = run("rebalance_slicing", CONFIG, {"PlanSlicing": answers(pools("apply") | marks)})
    assert result.path[1:6] == ["PlanSlicing", "Marks?", "MarkNodes", "Planned?", "SelectNode"]
    assert result.called("MarkNodes")[0]["slicing"]["marks"] == {"node-1": 1}
    result = run("rebalance_slicing", CONFIG, {"PlanSlicing": answers(pools() | marks)})
    assert result.path[1:] == ["PlanSlicing", "Marks?", "MarkNodes", "Planned?", "Rebalanced"]
    failing = {"PlanSlicing": answers(pools("apply") | marks), "MarkNodes": fails(Refused("no rights"))}
    assert run("rebalance_slicing", CONFIG, failing).path[3:] == ["MarkNodes", *REPORTED, "RebalanceFailed"]


def test_a_canary_that_fails_takes_the_plan_back() -> None:
    """Nodes that changed before it follow, and the execution fails by the child's error."""
    lambdas = {
        "PlanSlicing": answers(pools("apply"), BACK),
        "SelectNode": answers(PICKED, {**PICKED, "key": "exclusive", "turn": 2, "instance": "i-2"}, "done"),
        "ShareNodeMachine": fails(Unhealthy("no CUDA"), times=1),
    }
    result = run("rebalance_slicing", CONFIG, lambdas)
    assert result.path[6:] == [
        *["ShareNodes", "ShareNode", "KeepFailure", "Together?", "Shared?"],
        *["PlanSlicingBack", "SelectNodeBack", "SelectedBack?"],
        *["ShareNodeBack", "SelectNodeBack", "SelectedBack?", *REPORTED, "RebalanceFailed"],
    ]
    assert result.error == "Unhealthy"
    assert result.called("PlanSlicing")[1]["error"]["name"] == "Unhealthy"


def test_a_breaker_refuses() -> None:
    """Two failures in a row: a person looks first."""
    result = run("rebalance_slicing", CONFIG, {"SelectNode": answers({"status": "held", "reason": "2 failures"})})
    assert (result.error, result.path[-4:]) == ("Refused", ["KeepRefusal", *REPORTED, "RebalanceFailed"])


def test_a_plan_that_fails_is_reported() -> None:
    """No rung moved, so nothing is taken back."""
    result = run("rebalance_slicing", CONFIG, {"PlanSlicing": fails(Refused("no rights"))})
    assert result.path == ["KeepEvent", "PlanSlicing", *REPORTED, "RebalanceFailed"]
