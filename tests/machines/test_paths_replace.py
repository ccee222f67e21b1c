"""replace_node by every way: claim, drain, retire; whatever goes wrong, the node is given back and the run fails."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Unavailable, Unhealthy
from tests.contract.engine_world import client
from tests.machines.happy import NODE
from tests.machines.machine_world import Answer, Slow, answers, fails, run

CLAIM, DRAIN, RETIRE = ["ClaimNode", "Claimed?"], ["DrainNode", "Drained?"], ["RetireNode", "Retired?"]
GIVEN_BACK = ["ReturnNode", "ReplacementFailed"]
BEFORE = {"ClaimNode": [], "DrainNode": CLAIM, "RetireNode": CLAIM + DRAIN}
"""The way to each task."""
LIMITS = [2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
"""Longest delay before each retry, in seconds."""


@dataclass
class Table:
    """DynamoDB as the machine's own call sees it; tokens are answered at once if so wished, or the write refused."""

    answers: bool = False
    refusal: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)

    def put_item(self, **asked: Any) -> dict[str, Any]:
        """Keep the item."""
        if self.refusal:
            answer: Any = {
                "Error": {"Code": self.refusal, "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r-1"},
            }
            raise client("dynamodb").exceptions.ClientError(answer, "PutItem")
        self.items.append(asked["Item"])
        if self.answers:
            client("stepfunctions").send_task_success(taskToken=asked["Item"]["answer_to"]["S"], output="{}")
        return {}


def test_a_node_is_claimed_drained_and_retired() -> None:
    """The straight way takes no waiting."""
    result = run("replace_node", NODE)

    assert result.status == "SUCCEEDED"
    assert result.path == [*CLAIM, *DRAIN, *RETIRE, "Replaced"]
    assert result.output["instance"] == "i-1"
    assert result.seconds == 0


def test_every_loop_waits_and_hands_the_last_answer_back() -> None:
    """A deadline set by the first call must reach the second; only then can a loop end."""
    lambdas = {
        "ClaimNode": answers("waiting", "waiting", "claimed"),
        "DrainNode": answers("draining", "drained"),
        "RetireNode": answers("retiring", "retiring", "retired"),
    }

    result = run("replace_node", NODE, lambdas, {"dynamodb": Table()})

    claims = [*CLAIM, "WaitForClaim", *CLAIM, "WaitForClaim", *CLAIM]
    retires = [*RETIRE, "WaitForTermination", *RETIRE, "WaitForTermination", *RETIRE]
    assert result.path == [*claims, *DRAIN, "WaitForEvictions", *DRAIN, *retires, "Replaced"]
    assert result.seconds == 2 * 30 + 20 + 2 * 25, "as long as each answer says"
    for function, noun in [("ClaimNode", "claim"), ("DrainNode", "drain"), ("RetireNode", "retire")]:
        first, *later = result.called(function)
        assert noun not in first
        assert all("deadline" in payload[noun] for payload in later)


def test_the_claim_names_the_instance_that_is_replaced() -> None:
    """The input names a place in the plan; the new node's zone decides which old one goes first."""
    lambdas = {"ClaimNode": answers("waiting", {"instance": "i-9"})}

    result = run("replace_node", NODE, lambdas, {"dynamodb": Table()})

    assert [payload["instance"] for payload in result.called("ClaimNode")] == ["i-1", "i-1"]
    assert result.called("DrainNode")[0]["instance"] == result.called("RetireNode")[0]["instance"] == "i-9"
    assert result.output["instance"] == "i-9"


def test_a_node_that_goes_first_is_drained_and_retired_before_its_successor_is_claimed() -> None:
    """The place in the plan stays known; what the claim said of the decrement is what the retirement gets."""
    taken = {"status": "taken", "slot": "i-1", "instance": "i-9", "decrement": False, "node": None}
    lambdas = {"ClaimNode": answers(taken, "waiting", "filled"), "RetireNode": answers("retiring", "retired")}

    table = Table()

    result = run("replace_node", {**NODE, "decrement": True}, lambdas, {"dynamodb": table})

    retires = [*RETIRE, "WaitForTermination", *RETIRE]
    assert result.path == [*CLAIM, *DRAIN, *retires, *CLAIM, "WaitForClaim", *CLAIM, "Replaced"]
    assert {(call["instance"], call["decrement"]) for call in result.called("RetireNode")} == {("i-9", False)}
    assert [call.get("claim", {}).get("status") for call in result.called("ClaimNode")] == [None, "taken", "waiting"]
    assert result.output == {"instance": "i-9", "status": "filled"}
    assert [item["place"] for item in table.items] == [{"N": "0"}], "its old node is gone: it comes before all others"


@pytest.mark.parametrize(("last", "place"), [({}, "1"), ({"decrement": True}, "2")], ids=["any", "last"])
def test_a_slot_that_waits_is_woken_by_its_token(last: dict[str, bool], place: str) -> None:
    """Then nothing of the pause is waited for; the token stands where admit_instance looks for it."""
    table, lambdas = Table(answers=True), {"ClaimNode": answers("waiting", "claimed")}

    result = run("replace_node", {**NODE, **last}, lambdas, {"dynamodb": table})

    assert result.path == [*CLAIM, "WaitForClaim", *CLAIM, *DRAIN, *RETIRE, "Replaced"]
    assert result.seconds == 0
    (item,) = table.items
    assert (item["pk"], item["sk"], item["place"]) == ({"S": "wait#gpu"}, {"S": "i-1"}, {"N": place})


def test_a_slot_that_can_leave_no_token_fails_with_the_reason() -> None:
    """Without one it would look again at once, for ever."""
    lambdas = {"ClaimNode": answers("waiting")}

    result = run("replace_node", NODE, lambdas, {"dynamodb": Table(refusal="AccessDeniedException")})

    assert result.path == [*CLAIM, "WaitForClaim", *GIVEN_BACK]
    assert (result.status, result.error) == ("FAILED", "DynamoDb.DynamoDbException")


ROOT, ADMIT = ["ReplaceRoot", "RootReplaced?"], ["AdmitNode"]
STAYS = {"status": "in_place", "slot": "i-1", "instance": "i-9", "decrement": False, "node": None}


def test_a_node_that_stays_is_drained_swapped_and_admitted_before_its_slot_is_filled() -> None:
    """Its admission is one of its own, under a name that this stage of the run gives it once."""
    lambdas = {"ClaimNode": answers(STAYS, "filled"), "ReplaceRoot": answers("replacing", "replaced")}
    lambdas |= {"AdmitInstance": answers({"status": "admitted", "reason": "smoke passed"})}

    result = run("replace_node", NODE, lambdas)

    assert result.path == [*CLAIM, *DRAIN, *ROOT, "WaitForRoot", *ROOT, *ADMIT, *CLAIM, "Replaced"]
    first, second = result.called("ReplaceRoot")
    assert (first["instance"], "replace" in first, second["replace"]["status"]) == ("i-9", False, "replacing")
    assert first["drain"]["node"] == "old"
    assert result.called("ClaimNode")[1]["admit"] == {"reason": "smoke passed"}
    assert (result.output, result.seconds) == ({"instance": "i-9", "status": "filled"}, 20 + 10), "task, then smoke"
    assert result.called("FindNode")[0]["execution"]["name"] == "roll-1-forward-i-1"


def test_a_node_that_is_not_admitted_is_claimed_again_with_what_its_admission_said() -> None:
    """The claim knows whether that speaks against the release, and says so in its own words."""
    bad = {"status": "condemned", "reason": "a new node failed"}
    lambdas = {"ClaimNode": answers(STAYS, bad), "AdmitNodeMachine": fails(Unhealthy("no CUDA"))}

    result = run("replace_node", NODE, lambdas)

    assert result.path == [*CLAIM, *DRAIN, *ROOT, *ADMIT, *CLAIM, *GIVEN_BACK]
    assert result.called("ClaimNode")[1]["admit"] == {"reason": "no CUDA"}
    assert (result.error, result.cause) == ("Unhealthy", "a new node failed")
    assert "replace" in result.called("ReturnNode")[0]


@pytest.mark.parametrize("status", ["failed", "overdue", "gone"])
def test_a_root_volume_that_is_not_replaced_gives_the_node_back(status: str) -> None:
    """With the reason of the step that said so, not of the drain before it."""
    result = run("replace_node", NODE, {"ClaimNode": answers(STAYS), "ReplaceRoot": answers(status)})

    assert result.path == [*CLAIM, *DRAIN, *ROOT, *GIVEN_BACK]
    assert (result.error, result.cause) == ("Refused", f"because {status}")


def test_an_error_of_the_replacement_gives_the_node_back_and_names_itself() -> None:
    """EC2's refusal among them."""
    refused = fails(Conflict("run roll-2 holds gpu"))
    result = run("replace_node", NODE, {"ClaimNode": answers(STAYS), "ReplaceRoot": refused})

    assert result.path == [*CLAIM, *DRAIN, "ReplaceRoot", *GIVEN_BACK]
    assert (result.error, result.cause) == ("Conflict", "run roll-2 holds gpu")


def test_a_successor_that_does_not_come_fails_the_slot_with_its_own_reason() -> None:
    """What drained and retired well is not to blame."""
    result = run("replace_node", NODE, {"ClaimNode": answers("taken", "overdue")})

    assert result.path == [*CLAIM, *DRAIN, *RETIRE, *CLAIM, *GIVEN_BACK]
    assert (result.error, result.cause) == ("Refused", "because overdue")


def test_an_instance_that_left_by_itself_needs_nothing_more() -> None:
    """There is nothing to drain."""
    result = run("replace_node", NODE, {"ClaimNode": answers("gone")})

    assert result.status == "SUCCEEDED"
    assert result.path == [*CLAIM, "Replaced"]


@pytest.mark.parametrize(
    ("function", "status"),
    [("ClaimNode", "stopped"), ("ClaimNode", "overdue"), ("DrainNode", "overdue"), ("RetireNode", "overdue")],
)
def test_a_node_that_cannot_be_replaced_is_given_back(function: str, status: str) -> None:
    """No fault, hence Refused, with the reason of the step that said no."""
    result = run("replace_node", NODE, {function: answers(status)})

    assert result.status == "FAILED"
    assert result.path == [*BEFORE[function], *_asked(function), *GIVEN_BACK]
    assert (result.error, result.cause) == ("Refused", f"because {status}")


@pytest.mark.parametrize("function", BEFORE)
@pytest.mark.parametrize("error", [Conflict("run roll-2 holds gpu"), Unhealthy("node lost")], ids=["conflict", "sick"])
def test_an_error_gives_the_node_back_and_names_itself(function: str, error: Exception) -> None:
    """Lambda wraps the message in JSON: the operator gets the message."""
    result = run("replace_node", NODE, {function: fails(error)})

    assert result.status == "FAILED"
    assert result.path == [*BEFORE[function], function, *GIVEN_BACK]
    assert (result.error, result.cause) == (type(error).__name__, str(error))
    assert result.called("ReturnNode")[0]["error"] == {"name": type(error).__name__, "reason": str(error)}


@pytest.mark.parametrize("function", [*BEFORE, "ReturnNode"])
def test_no_answer_is_retried_with_back_off_before_anything_is_given_up(function: str) -> None:
    """Ten retries, each delay drawn from nothing up to its limit."""
    result = run("replace_node", NODE, {"RetireNode": answers("overdue"), function: fails(Unavailable("throttled"))})

    times = [call.at for call in result.calls if call.function == function]
    delays = [after - before for before, after in pairwise(times)]
    assert len(delays) == len(LIMITS)
    assert all(0 <= delay <= limit for delay, limit in zip(delays, LIMITS, strict=True))
    assert result.seconds == pytest.approx(sum(delays), abs=0.01)
    assert sum(delays) > LIMITS[0]
    assert result.path[-2:] == GIVEN_BACK


def test_an_answer_after_some_retries_is_an_answer() -> None:
    """A throttle must not cost a roll."""
    result = run("replace_node", NODE, {"DrainNode": fails(Unavailable("throttled"), times=3)})

    assert result.status == "SUCCEEDED"
    assert [payload["attempt"] for payload in result.called("DrainNode")] == [0, 1, 2, 3]


def test_a_function_that_hangs_is_named() -> None:
    """A time-out carries no cause of its own."""
    result = run("replace_node", NODE, {"DrainNode": Slow(500)})

    assert result.path == [*CLAIM, "DrainNode", *GIVEN_BACK]
    assert (result.error, result.cause) == ("States.Timeout", "DrainNode gave no answer in time")


@pytest.mark.parametrize("drain", [answers("overdue"), fails(Conflict("because overdue"))], ids=["refused", "failed"])
def test_a_clean_up_that_fails_does_not_hide_what_led_to_it(drain: Answer) -> None:
    """Both are told, the first one first."""
    result = run("replace_node", NODE, {"DrainNode": drain, "ReturnNode": fails(Conflict("cordoned by ann"))})

    assert result.path[-2:] == GIVEN_BACK
    assert result.error in {"Refused", "Conflict"}
    assert result.cause == "because overdue; then ReturnNode: cordoned by ann"


def _asked(function: str) -> list[str]:
    return {"ClaimNode": CLAIM, "DrainNode": DRAIN, "RetireNode": RETIRE}[function]
