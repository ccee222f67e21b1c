"""rotate_ami by every way: planned, opened, rolled node by node, verified, closed, reported.

Aspects: the plan's five answers, the window of the surge, a node that fails among others, verification, the change
closed on every way out, the outcome whatever the report does. Canaries and the way back: test_paths_canary.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, Unhealthy
from tests.contract.engine_world import client
from tests.machines.happy import LATER, ORDER, RUN
from tests.machines.machine_world import Answer, Child, Slow, answers, fails, run

PLANNED = ["KeepEvent", "PlanRotation", "Roll?"]
BEGUN = [*PLANNED, "BeginRotation", "Begun?"]
ROLLED = [*BEGUN, "OpenChange", "Opened?", "RollNodes"]
REPORTED = ["WriteReport", "Done?"]
CLOSED = ["CloseChange", *REPORTED]
FAILED = [*CLOSED, "RotationFailed"]
STAYED = ["OpenRollback", "RollBack?", "KeepRollback", *FAILED]
GONE = ["RetireNodes", "Gone?"]
VERIFIED = [*GONE, "JudgeCanaryAgain", "JudgedAgain?", "PlanRotationAgain"]
CHILD = "ReplaceNodeMachine"


def plans(count: int, surge: int = 1, again: Any = None) -> Answer:
    """Plan a roll of so many nodes at first; afterwards verify with `again`."""
    nodes = [{"instance": f"i-{n}", "decrement": n == 0, "reason": "idle"} for n in range(count)]
    roll = {"status": "roll", "nodes": nodes, "surge": surge}
    return lambda payload: (again(payload) if again else {}) if "plan" in payload else roll


def later(again: Answer | None = None) -> Answer:
    """Plan for later, then as `again` says, or a roll without nodes; verify happily."""

    def answer(payload: Any) -> Any:
        if "change" in payload:
            return {}
        if "begin" not in payload:
            return {"status": "wait", "until": LATER}
        return again(payload) if again else {"status": "roll", "nodes": [], "surge": 1}

    return answer


def outer(path: list[str]) -> list[str]:
    """The way without the states inside the Map."""
    inner = {"Replace(Node|Canary|NodeAgain)", "Keep(|Canary|Back)Failure"}
    return [state for state in path if not any(re.fullmatch(pattern, state) for pattern in inner)]


def peak(children: list[Child]) -> int:
    """How many child executions ran at once."""
    return max(sum(c.started <= child.started < (c.ended or 0) for c in children) for child in children)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_node_of_the_plan_is_replaced_and_the_group_verified(count: int) -> None:
    """JSONata likes to make one of a list of one, and nothing of an empty list."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(count), CHILD: answers({"instance": "i-9"})})

    assert result.status == "SUCCEEDED"
    assert outer(result.path) == [*ROLLED, "AllReplaced?", *VERIFIED, "Verified?", *CLOSED, "Rotated"]
    assert [payload["instance"] for payload in result.called(CHILD)] == [f"i-{n}" for n in range(count)]
    assert [payload["decrement"] for payload in result.called(CHILD)] == [n == 0 for n in range(count)]
    replaced = [{"slot": f"i-{n}", "instance": "i-9", "status": "replaced"} for n in range(count)]
    assert result.called("WriteReport")[0]["nodes"] == replaced
    assert result.output["run"] == RUN["id"]
    assert result.output["report"]["html"] == "reports/roll-1.html"


def test_the_whole_of_it_with_its_real_child() -> None:
    """The child gets what its functions need, and is named after run and instance."""
    lambdas = {"PlanRotation": plans(1), "DrainNode": answers("draining", "drained")}

    result = run("rotate_ami", ORDER, lambdas)

    assert result.status == "SUCCEEDED"
    assert [child.name for child in result.children] == ["roll-1-i-0"]
    assert result.called("ClaimNode")[0]["change"]["fence"] == 1
    assert result.seconds == 20


@pytest.mark.parametrize(("surge", "seconds"), [(1, 300), (2, 180), (5, 60)])
def test_no_more_nodes_are_replaced_at_once_than_the_surge_allows(surge: int, seconds: int) -> None:
    """Each of them waits for a new node of the surge."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(5, surge), CHILD: Slow(60)})

    assert result.status == "SUCCEEDED"
    assert peak(result.children) == surge
    assert result.seconds == seconds


@pytest.mark.parametrize("status", ["current", "planned"])
def test_a_plan_with_nothing_to_do_is_reported_and_done(status: str) -> None:
    """No lock is taken for it, and so nothing has to be closed."""
    result = run("rotate_ami", ORDER, {"PlanRotation": answers(status)})

    assert result.path == [*PLANNED, "HoldsGroup?", *REPORTED, "Rotated"]
    assert (result.output["status"], result.output["reason"]) == (status, f"because {status}")


@pytest.mark.parametrize("status", ["hold", "reject"])
def test_a_plan_that_says_no_is_reported_and_refused(status: str) -> None:
    """Whoever asked for it has to see that it did not happen."""
    result = run("rotate_ami", ORDER, {"PlanRotation": answers(status)})

    assert result.path == [*PLANNED, "HoldsGroup?", *REPORTED, "RotationFailed"]
    assert (result.error, result.cause) == ("Refused", f"because {status}")


@pytest.mark.parametrize("error", [Invalid("group: unknown"), Unavailable("throttled")], ids=["bad", "throttled"])
def test_a_plan_that_fails_leaves_nothing_to_close(error: Exception) -> None:
    """It is reported, with the name of the execution for want of a run."""
    result = run("rotate_ami", ORDER, {"PlanRotation": fails(error)})

    assert result.path == ["KeepEvent", "PlanRotation", "HoldsGroup?", *REPORTED, "RotationFailed"]
    assert (result.error, result.cause) == (type(error).__name__, str(error))
    assert len(result.called("PlanRotation")) == (11 if isinstance(error, Unavailable) else 1)
    assert result.called("WriteReport")[0]["execution"]["name"] == "rotate_ami-1"


def test_a_plan_for_later_rests_and_is_made_again() -> None:
    """The group is taken before the first rest, and what has been waited travels along."""
    rests = {"status": "wait", "wait_seconds": 3600}
    begins = answers(rests, rests, "go")

    result = run("rotate_ami", ORDER, {"PlanRotation": later(), "BeginRotation": begins, CHILD: answers({})})

    assert result.status == "SUCCEEDED"
    rest = [*BEGUN, "WaitForGate"][1:]
    assert outer(result.path)[:17] == ["KeepEvent", *rest, *rest, *BEGUN[1:], "OpenChange", "Opened?"]
    assert result.seconds == 7200
    assert result.called("PlanRotation")[1]["run"] == RUN


@pytest.mark.parametrize(
    ("again", "error"),
    [(answers("hold"), "Refused"), (fails(Invalid("no policy")), "Invalid"), (answers("current"), None)],
    ids=["held", "bad", "current"],
)
def test_a_run_that_rested_lets_the_group_go_whatever_the_next_plan_says(again: Answer, error: str | None) -> None:
    """It holds the group from its first rest on."""
    rests = answers({"status": "wait", "wait_seconds": 60})

    result = run("rotate_ami", ORDER, {"PlanRotation": later(again), "BeginRotation": rests})

    assert [state for state in result.path[-6:] if state != "Roll?"][-5:-1] == ["HoldsGroup?", *CLOSED]
    assert result.error == error


def asks(wish: Callable[[str], None] | None = None) -> dict[str, Answer]:
    """begin_rotation asks once for a day, then goes; whoever is asked does this with the token, if anything."""
    ask = {"status": "ask", "expires": LATER, "expires_seconds": 86400}

    def request(payload: Any) -> Any:
        if wish:
            wish(payload["token"])
        return {}

    roll = {"status": "roll", "nodes": [], "surge": 1}
    plan = {"PlanRotation": lambda payload: {} if "change" in payload else roll}
    return {**plan, "BeginRotation": answers(ask, "go"), "RequestApproval": request, CHILD: answers({})}


def approve(token: str) -> None:
    """As steer_run does it."""
    answer = {"status": "approved", "by": "arn:ann", "at": LATER, "reason": ""}
    client("stepfunctions").send_task_success(taskToken=token, output=json.dumps(answer))


def test_an_approved_run_plans_again_and_keeps_who_approved_it() -> None:
    """The function gets the token, and nobody else does."""
    result = run("rotate_ami", ORDER, asks(approve))

    assert result.status == "SUCCEEDED"
    assert outer(result.path)[:9] == [*BEGUN, "RequestApproval", *BEGUN[1:], "OpenChange"][:9]
    (asked,) = result.called("RequestApproval")
    assert set(asked) == {"run", "plan", "begin", "token", "now", "attempt"}
    for function in ("PlanRotation", "BeginRotation", "CloseChange", "WriteReport"):
        assert all(asked["token"] not in json.dumps(payload) for payload in result.called(function))
    assert result.called("BeginRotation")[1]["approval"]["by"] == "arn:ann"
    assert result.called("WriteReport")[0]["approval"]["by"] == "arn:ann"


def test_a_rejected_run_ends_as_refused_with_who_and_why() -> None:
    """It holds the group, so it is closed."""

    def reject(token: str) -> None:
        sfn = client("stepfunctions")
        sfn.send_task_failure(taskToken=token, error="Refused", cause="rejected by arn:ann: not this week")

    result = run("rotate_ami", ORDER, asks(reject))

    assert result.path == [*BEGUN, "RequestApproval", *FAILED]
    assert (result.error, result.cause) == ("Refused", "rejected by arn:ann: not this week")


def test_a_request_that_nobody_answers_expires() -> None:
    """Silence is no approval; the run ends when it said that it would."""
    result = run("rotate_ami", ORDER, asks())

    assert result.path == [*BEGUN, "RequestApproval", *FAILED]
    assert (result.error, result.cause) == ("Refused", f"nobody approved it until {LATER}")
    assert result.seconds == 86400


def test_a_request_that_cannot_be_made_ends_the_run() -> None:
    """Without a topic there is nobody to ask, and nothing happens unasked."""
    lambdas = asks() | {"RequestApproval": fails(Refused("the stack has no topic"))}

    result = run("rotate_ami", ORDER, lambdas)

    assert result.path == [*BEGUN, "RequestApproval", *FAILED]
    assert (result.error, result.cause) == ("Refused", "the stack has no topic")


def test_a_run_that_may_not_begin_is_closed_and_named() -> None:
    """Another has the group: what it holds stays, since closing touches only the run's own."""
    begins = fails(Conflict("rotation of gpu is held by roll-0"))

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), "BeginRotation": begins})

    assert result.path == [*PLANNED, "BeginRotation", *FAILED]
    assert (result.error, result.cause) == ("Conflict", "rotation of gpu is held by roll-0")


def test_a_roll_waits_for_the_node_whose_sharing_changes() -> None:
    """It has the group already, so that no other node is begun; then it opens."""
    opens = answers({"status": "waiting", "since": LATER, "wait_seconds": 20}, {})

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), "OpenChange": opens, CHILD: answers({})})

    assert result.status == "SUCCEEDED"
    assert outer(result.path)[5:11] == ["OpenChange", "Opened?", "WaitForSharing", "OpenChange", "Opened?", "RollNodes"]
    assert result.called("OpenChange")[1]["change"]["status"] == "waiting"


@pytest.mark.parametrize("error", [Conflict("run roll-0 holds gpu"), Unavailable("slow")], ids=["held", "throttled"])
def test_a_change_that_cannot_be_opened_is_closed(error: Exception) -> None:
    """It may have got half-way; closing touches only what the run wrote down."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), "OpenChange": fails(error)})

    assert result.path == [*BEGUN, "OpenChange", *FAILED]
    assert (result.error, result.cause) == (type(error).__name__, str(error))
    assert result.called("CloseChange")[0]["run"] == RUN


def test_a_node_that_fails_stops_none_of_the_others() -> None:
    """Each iteration keeps its failure to itself; the first one is the outcome, and the change is closed."""

    def replace(payload: Any) -> Any:
        if payload["instance"] in {"i-1", "i-2"}:
            raise Unhealthy(f"{payload['instance']} is lost")
        return {}

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(4, surge=2), CHILD: Slow(60, replace)})

    assert outer(result.path) == [*ROLLED, "AllReplaced?", "KeepFirstFailure", *STAYED]
    assert (result.error, result.cause) == ("Unhealthy", "i-1 is lost")
    nodes = result.called("WriteReport")[0]["nodes"]
    assert [node["status"] for node in nodes] == ["replaced", "failed", "failed", "replaced"]
    assert [node["slot"] for node in nodes] == [f"i-{n}" for n in range(4)]
    assert nodes[2]["error"] == {"name": "Unhealthy", "reason": "i-2 is lost"}


def test_the_report_gets_the_instance_that_was_replaced_and_none_for_an_empty_slot() -> None:
    """A slot bears an instance's name and may replace another; one without work has replaced nothing."""
    claims: list[dict[str, Any]] = [{"status": "claimed", "instance": "i-1"}, {"status": "gone", "instance": None}]

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(2), "ClaimNode": answers(*claims)})

    nodes = result.called("WriteReport")[0]["nodes"]
    assert nodes == [{"slot": "i-0", "status": "replaced", "instance": "i-1"}, {"slot": "i-1", "status": "gone"}]


def test_a_single_node_that_fails_fails_the_rotation() -> None:
    """With its real child: the reason comes through two machines unharmed."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), "DrainNode": answers("overdue")})

    assert outer(result.path) == [*ROLLED, "AllReplaced?", "KeepFirstFailure", *STAYED]
    assert (result.error, result.cause) == ("Refused", "because overdue")


def test_a_difference_found_by_verification_fails() -> None:
    """Every node said it was replaced, yet the group is not what the plan wanted."""
    lambdas = {"PlanRotation": plans(1, again=answers("roll")), CHILD: answers({})}

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path)[-7:] == ["PlanRotationAgain", "Verified?", "KeepDifference", *FAILED]
    assert (result.error, result.cause) == ("Unhealthy", "verification: because roll")


def test_a_verification_that_fails_closes_the_change() -> None:
    """Not knowing is not being current."""
    lambdas = {"PlanRotation": plans(1, again=fails(Invalid("no such policy"))), CHILD: answers({})}

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path)[-5:] == ["PlanRotationAgain", *FAILED]
    assert (result.error, result.cause) == ("Invalid", "no such policy")


def test_a_change_that_cannot_be_closed_fails_a_rotation_that_went_well() -> None:
    """Something of ours is left in the group: reconcile has to know, and so has the operator."""
    closing = {"CloseChange": fails(Unavailable("throttled"))}

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), CHILD: answers({}), **closing})

    assert result.path[-4:] == FAILED
    assert len(result.called("CloseChange")) == 11
    assert (result.error, result.cause) == ("Unavailable", "throttled")


def test_a_change_that_cannot_be_closed_does_not_hide_why_it_had_to_be() -> None:
    """Both are told, the first one first."""
    lambdas = {CHILD: fails(Unhealthy("i-0 is lost")), "CloseChange": fails(Conflict("held by roll-2"))}

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), **lambdas})

    assert result.path[-4:] == FAILED
    assert (result.error, result.cause) == ("Unhealthy", "i-0 is lost; then CloseChange: held by roll-2")


@pytest.mark.parametrize(("child", "error"), [(answers({}), None), (fails(Unhealthy("lost")), "Unhealthy")])
def test_a_report_that_fails_does_not_change_the_outcome(child: Answer, error: str | None) -> None:
    """The group is as it is, whoever wrote it down."""
    lambdas = {"PlanRotation": plans(1), CHILD: child, "WriteReport": fails(Conflict("no bucket"))}

    result = run("rotate_ami", ORDER, lambdas)

    assert result.path[-4:] == [*CLOSED, "RotationFailed" if error else "Rotated"]
    assert result.error == error
    assert error or result.output["report"] == {"status": "failed", "reason": "no bucket"}


def test_a_machine_that_is_not_there_fails_every_node_and_closes_the_change() -> None:
    """An API's error has no JSON in its cause."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(2), CHILD: None})

    assert outer(result.path) == [*ROLLED, "AllReplaced?", "KeepFirstFailure", *STAYED]
    assert result.error == "StepFunctions.StateMachineDoesNotExistException"
