"""share_node by every way, and the loop of apply_gpu_config around it: one node at a time, until none is left."""

import pytest

from gpuops.domain.errors import Conflict, Refused, Unhealthy
from tests.machines.happy import CONFIG, RUN, SHARE
from tests.machines.machine_world import answers, fails, run

RELABEL, CHECK, SETTLE = ["RelabelNode", "Relabelled?"], ["CheckNode", "Checked?"], ["SettleNode", "Settled?"]
PICKED = {"status": "selected", "reason": "n1", "run": RUN, "node": "n1", "instance": SHARE["instance"], "key": "r4"}
REPORTED = ["WriteReport", "Done?"]


def test_a_node_is_relabelled_counted_smoked_and_kept() -> None:
    """The plugin gets a moment first: what stands before that is the old."""
    result = run("share_node", SHARE, {"SmokeNodeMachine": answers("passed")})

    assert result.status == "SUCCEEDED"
    assert result.path == [*RELABEL, "WaitForPlugin", *CHECK, "SmokeNode", *SETTLE, "Shared"]
    (checked,) = result.called("CheckNode")
    assert checked["find"] == {
        "status": "found",
        "reason": "ok",
        "node": "node-1",
        "instance": SHARE["instance"],
        "deadline": "2026-11-23T12:00:00Z",
    }
    assert checked["configure"]["replicas"] == 4
    (smoked,) = result.called("SmokeNodeMachine")
    assert smoked["expected"] == {"gpus": 1, "replicas": 1, "resource": "nvidia.com/gpu"}
    assert smoked["node"] == "node-1"


def test_gpus_are_waited_for() -> None:
    """As long as check_node says."""
    result = run("share_node", SHARE, {"CheckNode": answers("waiting", "waiting", "ready")})

    assert result.status == "SUCCEEDED"
    assert result.path.count("WaitForGpus") == 2
    assert [("check" in payload) for payload in result.called("CheckNode")] == [False, True, True]


def test_a_node_without_a_free_share_has_nothing_to_smoke_on() -> None:
    """Its pods run on, and are the better proof."""
    full = {"status": "configured", "held": 1}

    result = run("share_node", SHARE, {"RelabelNode": answers(full)})

    assert result.path == [*RELABEL, "WaitForPlugin", *CHECK, *SETTLE, "Shared"]


def test_a_node_that_somebody_came_to_is_given_back() -> None:
    """No failure: it is selected again."""
    lambdas = {"RelabelNode": answers("waiting"), "SettleNode": answers("returned")}

    result = run("share_node", SHARE, lambdas)

    assert result.path == [*RELABEL, *SETTLE, "Returned"]
    assert result.output["status"] == "returned"


def test_gpus_that_do_not_come_put_the_old_configuration_back() -> None:
    """And fail the node, in settle_node's words."""
    lambdas = {"CheckNode": answers("overdue"), "SettleNode": answers("restored")}

    result = run("share_node", SHARE, lambdas)

    assert result.path[-3:] == [*SETTLE, "ShareFailed"]
    assert (result.error, result.cause) == ("Unhealthy", "because restored")
    assert result.called("SettleNode")[0]["check"]["status"] == "overdue"


@pytest.mark.parametrize("step", ["RelabelNode", "CheckNode", "SmokeNodeMachine"])
def test_whatever_fails_is_settled_and_named(step: str) -> None:
    """settle_node learns why."""
    lambdas = {step: fails(Unhealthy("two UUIDs instead of one")), "SettleNode": answers("restored")}

    result = run("share_node", SHARE, lambdas)

    assert result.path[-3:] == [*SETTLE, "ShareFailed"]
    assert (result.error, result.cause) == ("Unhealthy", "two UUIDs instead of one; then because restored")
    assert result.called("SettleNode")[0]["error"] == {"name": "Unhealthy", "reason": "two UUIDs instead of one"}


def test_a_settlement_that_fails_hides_nothing() -> None:
    """Both are told; reconcile puts the rest back."""
    lambdas = {"CheckNode": fails(Unhealthy("lost")), "SettleNode": fails(Conflict("label of kubectl"))}

    result = run("share_node", SHARE, lambdas)

    assert (result.error, result.cause) == ("Unhealthy", "lost; then label of kubectl")


def test_a_settlement_that_fails_after_a_good_change_is_no_success() -> None:
    """The node may still be closed."""
    result = run("share_node", SHARE, {"SettleNode": fails(Refused("forbidden"))})

    assert (result.status, result.error, result.cause) == ("FAILED", "Unavailable", "forbidden")


def test_nodes_are_changed_one_after_the_other_until_none_is_left() -> None:
    """Each in an execution of its own, by the turn it has."""
    turns = [{**PICKED, "turn": turn} for turn in (1, 2)]
    lambdas = {"SelectNode": answers(*turns, "done"), "ShareNodeMachine": answers("kept")}

    result = run("apply_gpu_config", CONFIG, lambdas)

    share = ["SelectNode", "Selected?", "ShareNode", "Shared?"]
    assert result.status == "SUCCEEDED"
    assert result.path == [
        *["KeepEvent", "ApplyConfig", "Applied?"],
        *share,
        *share,
        *["SelectNode", "Selected?", *REPORTED, "ConfigApplied"],
    ]
    assert [child.name[-21:] for child in result.children] == [f"{turn}-{SHARE['instance']}" for turn in (1, 2)]
    assert result.called("ShareNodeMachine")[0]["key"] == "r4"
    assert result.called("SelectNode")[1]["select"]["turn"] == 1
    assert result.output["sharing"] == "because done"


def test_pods_are_waited_for_and_a_node_that_is_given_back_is_tried_again() -> None:
    """Not at once: what came in between is still there."""
    lambdas = {
        "SelectNode": answers({"status": "waiting", "wait_seconds": 300}, PICKED, "done"),
        "ShareNodeMachine": answers("returned"),
    }

    result = run("apply_gpu_config", CONFIG, lambdas)

    assert result.status == "SUCCEEDED"
    assert result.path.count("WaitForPods") == 2
    assert result.seconds == 300 + 20


@pytest.mark.parametrize("status", ["held", "overdue"])
def test_whoever_may_not_go_on_is_refused(status: str) -> None:
    """The goal does not hold, and it is nobody's fault."""
    result = run("apply_gpu_config", CONFIG, {"SelectNode": answers(status)})

    assert result.path[-5:] == ["Selected?", "KeepRefusal", *REPORTED, "ApplyFailed"]
    assert (result.error, result.cause) == ("Refused", f"because {status}")


def test_the_first_node_that_fails_ends_the_run() -> None:
    """The canary did its work; no second node is tried with what may be to blame."""
    lambdas = {"SelectNode": answers(PICKED), "ShareNodeMachine": fails(Unhealthy("0 of 4 GPUs"))}

    result = run("apply_gpu_config", CONFIG, lambdas)

    assert result.path[-4:] == ["ShareNode", *REPORTED, "ApplyFailed"]
    assert (result.error, result.cause) == ("Unhealthy", "0 of 4 GPUs")


def test_what_apply_config_left_does_not_keep_nodes_from_the_policy() -> None:
    """A taint that somebody took off a node is reported; both failures are told, the first one gives the name."""
    left = {"status": "left", "reason": "node drift", "fault": "Refused"}
    lambdas = {"ApplyConfig": answers(left), "SelectNode": fails(Conflict("no policy"))}

    result = run("apply_gpu_config", CONFIG, lambdas)

    assert (result.error, result.cause) == ("Refused", "node drift; no policy")
