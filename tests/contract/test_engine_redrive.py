"""RedriveExecution: on from the state that was not left, with its input, under the same ARN.

Aspects: a failed, a stopped, a succeeded and a running execution; the items of a Map; children and their names; a
function that outlives the stop; history, and what the listener hears.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.engine_world import CHILD, World, call, chain, give, wait, world


@pytest.fixture
def here() -> Iterator[World]:
    """A fresh world."""
    with world() as made:
        yield made


class Once:
    """A function that fails the first time it is given one of these, and counts what it is given."""

    def __init__(self, *failing: Any) -> None:
        self.calls, self._failing = Counter[Any](), set(failing)

    def __call__(self, given: Any) -> Any:
        """Raises: RuntimeError the first time."""
        self.calls[given] += 1
        if given in self._failing and self.calls[given] == 1:
            raise RuntimeError("not yet")
        return given


def ended(here: World, arn: str) -> dict[str, Any]:
    """Let simulated time pass until the execution has ended, and say how."""
    found: dict[str, Any] = here.sfn.describe_execution(executionArn=arn)
    while found["status"] == "RUNNING":
        here.clock.sleep(1.0, "test")
        found = here.sfn.describe_execution(executionArn=arn)
    return found


def redriven(here: World, arn: str) -> dict[str, Any]:
    """Redrive it as an operator would, and see how it ends."""
    with here.clock.lease("redrive"):
        here.sfn.redrive_execution(executionArn=arn)
    return ended(here, arn)


def entered(here: World, arn: str) -> list[str]:
    """The states that it entered, in all its attempts."""
    return [progress.state for progress in here.story if progress.arn == arn and progress.state]


def test_a_failed_one_goes_on_with_the_state_that_failed_and_its_input(here: World) -> None:
    """What came before is not done again, and the history goes on."""
    first, second = Once(), Once("x")
    here.functions = {"first": first, "second": second}
    arn = here.start(here.machine("m", chain({"A": call("first"), "B": call("second"), "C": give("done")})), "x")

    assert here.result(arn).status == "FAILED"
    found = redriven(here, arn)

    assert (found["status"], found["output"], found.get("error")) == ("SUCCEEDED", '"done"', None)
    assert entered(here, arn) == ["A", "B", "B", "C"]
    assert (first.calls["x"], second.calls["x"]) == (1, 2)
    types = [event["type"] for event in here.sfn.get_execution_history(executionArn=arn)["events"]]
    assert types.index("ExecutionFailed") < types.index("ExecutionRedriven") < types.index("ExecutionSucceeded")
    told = [progress.status for progress in here.story if progress.arn == arn and not progress.state]
    assert told == ["RUNNING", "FAILED", "RUNNING", "SUCCEEDED"]


def test_a_stopped_one_waits_anew(here: World) -> None:
    """A Wait that was interrupted takes its whole time."""
    arn = here.start(here.machine("m", chain({"A": give(1), "W": wait(600), "B": give("done")})))
    here.clock.call_later(500, "stop", lambda: here.sfn.stop_execution(executionArn=arn, cause="by hand"))
    here.clock.call_later(560, "redrive", lambda: here.sfn.redrive_execution(executionArn=arn))
    assert here.result(arn).seconds == 500
    here.clock.sleep(100, "test")

    found = ended(here, arn)

    assert (found["status"], found.get("cause")) == ("SUCCEEDED", None)
    assert [p.at - here.story[0].at for p in here.story if p.state in {"W", "B"}] == [0, 560, 1160]


def test_only_the_items_that_did_not_end_well_are_done_again(here: World) -> None:
    """Each from its own state on; the Map's answer holds them all, in order."""
    good, bad = Once(), Once(2)
    here.functions = {"good": good, "bad": bad}
    item = chain({"Good": call("good"), "Bad": call("bad")})
    state = {"Type": "Map", "Items": "{% $states.input %}", "MaxConcurrency": 1, "ItemProcessor": item}
    arn = here.start(here.machine("m", chain({"M": state})), [1, 2, 3])

    assert here.result(arn).status == "FAILED"
    found = redriven(here, arn)

    assert (found["status"], found["output"]) == ("SUCCEEDED", "[1,2,3]")
    assert good.calls == {1: 1, 2: 1, 3: 1}
    assert bad.calls == {1: 1, 2: 2, 3: 1}


def test_a_map_that_is_entered_once_more_is_done_from_its_beginning(here: World) -> None:
    """What it did the first time round belongs to that round."""
    here.functions = {"f": Once(), "again": Once("m")}
    state = {
        "Type": "Map",
        "Items": "{% [1, 2] %}",
        "ItemProcessor": chain({"F": call("f")}),
        "Output": "{% $states.input + 1 %}",
    }
    more = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input < 2 %}", "Next": "M"}], "Default": "Last"}
    arn = here.start(here.machine("m", chain({"M": state, "More?": more, "Last": call("again", "m")})), 0)

    assert here.result(arn).status == "FAILED"
    assert redriven(here, arn)["status"] == "SUCCEEDED"

    assert here.functions["f"].calls == {1: 2, 2: 2}  # type: ignore[attr-defined]


def test_a_child_is_started_anew_and_its_name_is_taken(here: World) -> None:
    """Whoever names children must be ready for that."""
    here.functions = {"f": Once("x")}
    child = here.machine("child", chain({"F": call("f", "x")}))
    plain = {"Type": "Task", "Resource": CHILD, "Arguments": {"StateMachineArn": child, "Input": {}}}
    named = {**plain, "Arguments": {**plain["Arguments"], "Name": "mine"}}  # type: ignore[dict-item]
    here.functions["g"] = Once("x")
    for state, status in ((plain, "SUCCEEDED"), (named, "FAILED")):
        here.functions["f"] = Once("x")
        arn = here.start(here.machine(f"parent-{status}", chain({"C": state})))
        assert here.result(arn).status == "FAILED"
        found = redriven(here, arn)
        assert found["status"] == status
    assert "ExecutionAlreadyExists" in found["error"]


def test_a_function_that_outlives_the_stop_does_not_end_the_next_attempt(here: World) -> None:
    """Its answer is heard by nobody."""
    calls = []

    def slow(given: Any) -> Any:
        calls.append(given)
        here.clock.sleep(60, "slow")
        return given

    here.functions = {"slow": slow}
    arn = here.start(here.machine("m", chain({"S": call("slow"), "W": wait(300)})), "x")
    here.clock.call_later(30, "stop", lambda: here.sfn.stop_execution(executionArn=arn))
    here.clock.call_later(40, "redrive", lambda: here.sfn.redrive_execution(executionArn=arn))
    assert here.result(arn).seconds == 30
    here.clock.sleep(100, "test")

    found = ended(here, arn)

    assert (found["status"], calls) == ("SUCCEEDED", ["x", "x"])
    assert entered(here, arn) == ["S", "S", "W"]


def test_what_runs_or_succeeded_is_not_redriven(here: World) -> None:
    """The API says so."""
    arn = here.start(here.machine("m", chain({"W": wait(60)})))
    for _ in range(2):
        with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
            here.sfn.redrive_execution(executionArn=arn)
        assert here.result(arn).status == "SUCCEEDED"
