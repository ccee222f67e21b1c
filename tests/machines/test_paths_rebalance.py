"""rebalance_slicing by every way: nothing to do, a pool that grows node by node, a canary that fails, a plan that does.

Covered: only a plan that is applied touches nodes, pods are not waited for, a failure takes the rung back and brings
changed nodes back before the execution fails by the child's error, a breaker refuses.
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


def test_a_pool_grows_one_node_after_the_other() -> None:
    """The canary first, since it is selected first; nobody waits for pods of the others."""
    lambdas = {
        "SelectNode": answers(PICKED, {**PICKED, "turn": 2, "instance": "i-2"}, "waiting"),
        "ShareNodeMachine": answers("kept"),
    }
    result = run("rebalance_slicing", CONFIG, lambdas)
    one = ["SelectNode", "Selected?", "ShareNode", "Shared?"]
    assert result.path == [
        *["KeepEvent", "PlanSlicing", "Marks?", "Planned?"],
        *[*one, *one],
        *["SelectNode", "Selected?", *REPORTED, "Rebalanced"],
    ]
    assert result.output["pools"][0]["status"] == "grow"


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
        *["ShareNode", "PlanSlicingBack", "SelectNodeBack", "SelectedBack?"],
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
