"""The interpreter on the clock: every wait takes its simulated time, to the second, and no wall time.

Aspects: Wait (seconds, expression, timestamp), retry delays (back-off, limit, jitter), Map and Parallel, time-outs of
task and machine, task tokens with and without heartbeats, stopping, nested executions.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from rehearsal.clock import SimThread
from tests.contract.engine_world import CHILD, EPOCH, World, call, catch, chain, give, wait, world

AWAITED = "arn:aws:states:::lambda:invoke.waitForTaskToken"
DAY = 86_400


@pytest.fixture
def here() -> Iterator[World]:
    """A fresh world."""
    with world() as made:
        yield made


class Unavailable(Exception):  # noqa: N818 - named as the product names it
    """What a function raises."""


def failing(times: int) -> Any:
    """A function that fails so many times, then answers."""
    calls = []

    def function(_: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            raise Unavailable("not yet")
        return {"calls": len(calls)}

    return function


def token_task(**more: Any) -> dict[str, Any]:
    """A task that waits for somebody to answer with its token."""
    arguments = {"FunctionName": "ask", "Payload": {"token": "{% $states.context.Task.Token %}"}}
    return {"Type": "Task", "Resource": AWAITED, "Arguments": arguments, **more}


def history(here: World, arn: str) -> list[tuple[str, float]]:
    """The types of an execution's events, and when they came."""
    events = here.sfn.get_execution_history(executionArn=arn)["events"]
    return [(event["type"], event["timestamp"].timestamp() - EPOCH) for event in events]


def at(here: World, seconds: float, action: Any) -> None:
    """Does something later, as a person would."""
    here.clock.call_later(seconds, f"person/{seconds}", action)


def test_two_days_of_wait_take_no_time(here: World) -> None:
    """The clock jumps."""
    start = time.monotonic()
    result = here.run({"WaitForApproval": wait(2 * DAY)})
    assert (result.status, result.seconds) == ("SUCCEEDED", 2 * DAY)
    assert time.monotonic() - start < 2


def test_wait_takes_an_expression(here: World) -> None:
    """Numbers travel in the data."""
    assert here.run({"W": wait("{% $states.input.s * 2 %}")}, {"s": 45}).seconds == 90


def test_wait_until_a_timestamp_is_exact(here: World) -> None:
    """Fractions count, and a time gone by is no wait."""
    until = dt.datetime.fromtimestamp(EPOCH + 100.5, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    state = {"Type": "Wait", "Timestamp": "{% $states.input.t %}"}
    assert here.run({"W": state, "Again": state}, {"t": until}).seconds == 100.5


def test_retry_backs_off_up_to_its_limit(here: World) -> None:
    """10, 20, 40 and then 45 seconds."""
    here.functions["f"] = failing(4)
    policy = {"IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 5, "MaxDelaySeconds": 45}
    result = here.run({"F": call("f", Retry=[{"ErrorEquals": ["Unavailable"], **policy}])})
    assert (result.output, result.seconds) == ({"calls": 5}, 10 + 20 + 40 + 45)


def test_an_exhausted_retry_fails_with_the_functions_error(here: World) -> None:
    """The bare class name is the execution's error."""
    here.functions["f"] = failing(9)
    result = here.run({"F": call("f", Retry=[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}])})
    assert (result.status, result.error, result.seconds) == ("FAILED", "Unavailable", 1 + 2)


def test_jitter_is_drawn_from_the_seed() -> None:
    """Below the full delay, the same for the same seed, different for another."""

    def seconds(seed: str) -> float:
        with world(seed=seed) as here:
            here.functions["f"] = failing(1)
            policy = {"IntervalSeconds": 100, "MaxAttempts": 3, "JitterStrategy": "FULL"}
            return here.run({"F": call("f", Retry=[{"ErrorEquals": ["States.TaskFailed"], **policy}])}).seconds

    assert 0 < seconds("1") < 100
    assert seconds("1") == seconds("1") != seconds("2")


def test_map_runs_as_many_as_its_expression_allows(here: World) -> None:
    """Five items, two at a time, a minute each: three minutes; results in the items' order."""
    item = {"W": wait(60), "G": give("{% $states.input.v * 10 %}")}
    state = {
        "Type": "Map",
        "Items": "{% $states.input.items %}",
        "MaxConcurrency": "{% $states.input.surge %}",
        "ItemSelector": {"v": "{% $states.context.Map.Item.Value %}"},
        "ItemProcessor": chain(item),
    }
    result = here.run({"M": state}, {"items": [1, 2, 3, 4, 5], "surge": 2})
    assert (result.output, result.seconds) == ([10, 20, 30, 40, 50], 180)


def test_map_over_nothing_is_nothing(here: World) -> None:
    """An empty list ends at once."""
    state = {"Type": "Map", "Items": "{% $states.input.items %}", "ItemProcessor": chain({"W": wait(60)})}
    result = here.run({"M": state}, {"items": []})
    assert (result.output, result.seconds) == ([], 0)


def test_a_failing_item_ends_the_others(here: World) -> None:
    """The Map fails at once; the waits of the other items are not waited for, nor do they go on."""
    item = {
        "Bad?": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input = 2 %}", "Next": "Soon"}],
            "Default": "W",
        },
        "W": {**wait(500), "Next": "Late"},
        "Late": {**give("late"), "End": True},
        "Soon": {**wait(10), "Next": "Boom"},
        "Boom": {"Type": "Fail", "Error": "Boom", "Cause": "two"},
    }
    state = {"Type": "Map", "Items": [1, 2, 3], "ItemProcessor": chain(item), **catch("Boom", to="H")}
    arn = here.start(here.machine("m", chain({"M": state, "H": {**wait(1000), "End": True}})))
    result = here.result(arn)
    assert (result.status, result.seconds) == ("SUCCEEDED", 1010)
    assert "Late" not in result.path
    kinds = Counter(kind for kind, _ in history(here, arn))
    assert (kinds["MapIterationFailed"], kinds["MapIterationAborted"], kinds["MapIterationSucceeded"]) == (1, 2, 0)


def test_parallel_takes_as_long_as_its_longest_branch(here: World) -> None:
    """Results in the branches' order."""
    branches = [chain({"A": wait(300), "X": give("a")}), chain({"B": wait(100), "Y": give("b")})]
    result = here.run({"P": {"Type": "Parallel", "Branches": branches}})
    assert (result.output, result.seconds) == (["a", "b"], 300)


def test_a_failing_branch_ends_the_others(here: World) -> None:
    """The error is the branch's; the other branch's wait is cut short."""
    branches = [chain({"A": wait(300)}), chain({"B": wait(10), "F": {"Type": "Fail", "Error": "Boom"}})]
    result = here.run({"P": {"Type": "Parallel", "Branches": branches}})
    assert (result.status, result.error, result.seconds) == ("FAILED", "Boom", 10)


def test_a_task_times_out_by_what_it_was_charged(here: World) -> None:
    """A function charged 100 simulated seconds does not fit into 30."""
    here.functions["slow"] = lambda _: here.clock.sleep(100, "charge")
    result = here.run({"F": call("slow", TimeoutSeconds=30, **catch("States.Timeout", to="H")), "H": give(1)})
    assert (result.output, result.seconds) == (1, 30)


def test_a_machine_times_out(here: World) -> None:
    """Its status says so, its waits end, and the API tells when."""
    arn = here.start(here.machine("timed", chain({"W": wait(9999), "Late": give(1)}, TimeoutSeconds=3600)))
    result = here.result(arn)
    assert (result.status, result.seconds, result.path) == ("TIMED_OUT", 3600, ["W"])
    assert here.sfn.describe_execution(executionArn=arn)["stopDate"].timestamp() == EPOCH + 3600


def test_a_token_is_answered_after_five_hours(here: World) -> None:
    """The task's result is the answer."""
    here.functions["ask"] = lambda event: at(here, 18_000, lambda: answer(event["token"]))

    def answer(token: str) -> None:
        here.sfn.send_task_success(taskToken=token, output='{"approved": true}')

    result = here.run({"Ask": token_task(TimeoutSeconds=DAY)})
    assert (result.output, result.seconds) == ({"approved": True}, 18_000)


def test_a_token_may_be_refused(here: World) -> None:
    """With an error and a cause that a Catch sees."""

    def refuse(token: str) -> None:
        here.sfn.send_task_failure(taskToken=token, error="Denied", cause="not today")

    here.functions["ask"] = lambda event: at(here, 60, lambda: refuse(event["token"]))
    result = here.run(
        {"Ask": token_task(TimeoutSeconds=DAY, **catch("Denied", to="H")), "H": give("{% $states.input %}")}
    )
    assert (result.output, result.seconds) == ({"error": "Denied", "cause": "not today"}, 60)


def test_nobody_answers_a_token(here: World) -> None:
    """The task times out."""
    here.functions["ask"] = lambda _: None
    state = token_task(TimeoutSeconds=2 * DAY, **catch("States.Timeout", to="H"))
    assert here.run({"Ask": state, "H": give(1)}).seconds == 2 * DAY


@pytest.mark.parametrize("name", ["States.HeartbeatTimeout", "States.Timeout"])
def test_a_missed_heartbeat_has_a_name(here: World, name: str) -> None:
    """Its own, and that of any time-out. A heartbeat in time keeps the task alive."""

    def ask(event: Any) -> None:
        at(here, 500, lambda: here.sfn.send_task_heartbeat(taskToken=event["token"]))

    here.functions["ask"] = ask
    state = token_task(TimeoutSeconds=DAY, HeartbeatSeconds=600, **catch(name, to="H"))
    result = here.run({"Ask": state, "H": give("{% $states.input.error %}")})
    assert (result.output, result.seconds) == ("States.HeartbeatTimeout", 1100)


@pytest.mark.parametrize(
    "state",
    [
        wait(9999),
        token_task(TimeoutSeconds=9999),
        call("down", Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 9999}]),
        {"Type": "Parallel", "Branches": [chain({"A": wait(9999)}), chain({"B": wait(9999)})]},
        {"Type": "Map", "Items": [1, 2], "ItemProcessor": chain({"A": wait(9999)})},
    ],
    ids=["wait", "token", "retry", "parallel", "map"],
)
def test_stopping_ends_whatever_is_waited_for(here: World, state: dict[str, Any]) -> None:
    """ABORTED at that instant, with the caller's error and cause; nothing is caught, nothing goes on."""
    here.functions.update(ask=lambda _: None, down=failing(9))
    caught = {} if state["Type"] == "Wait" else catch("States.ALL", to="Late")
    arn = here.start(here.machine("long", chain({"S": {**state, **caught}, "Late": give(1)})))
    at(here, 500, lambda: here.sfn.stop_execution(executionArn=arn, error="Cancelled", cause="by hand"))
    result = here.result(arn)
    assert (result.status, result.error, result.cause) == ("ABORTED", "Cancelled", "by hand")
    assert result.seconds == 500
    here.clock.sleep(20_000, "test")
    assert ("ExecutionAborted", 500) in history(here, arn)
    assert {moment for _, moment in history(here, arn)} == {0, 500}
    assert "Late" not in [progress.state for progress in here.story]


@pytest.mark.parametrize("number", range(8))
def test_stopping_as_a_state_is_entered_is_no_error_of_the_state(
    here: World, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """Whichever of the two comes first: what is stopped fails no more, and of what it cannot do nothing is logged."""
    here.functions["slow"] = lambda _: here.clock.sleep(60, "slow")
    arn = here.start(here.machine("m", chain({"S": call("slow", **catch("States.ALL", to="Late")), "Late": give(1)})))
    stop = partial(here.sfn.stop_execution, executionArn=arn, cause="by hand")
    here.upon["S"] = lambda: here.clock.call_later(0, f"person/{number}", stop)

    result = here.result(arn)
    here.clock.sleep(100, "test")

    assert (result.status, result.cause, result.path) == ("ABORTED", "by hand", ["S"])
    assert "ExecutionFailed" not in [kind for kind, _ in history(here, arn)]
    assert caplog.messages == []


def nested(arn: str, **more: Any) -> dict[str, Any]:
    """A task that starts a child and waits for it."""
    return {"Type": "Task", "Resource": CHILD, "Arguments": {"StateMachineArn": arn, "Input": {"a": 1}}, **more}


def test_a_parent_waits_for_its_child(here: World) -> None:
    """To the instant, without polling; the child's output is JSON."""
    child = here.machine("child", chain({"W": wait(7200), "G": give("{% {'b': $states.input.a + 1} %}")}))
    result = here.run({"S": nested(child, Output="{% $states.result.Output %}")})
    assert (result.output, result.seconds) == ({"b": 2}, 7200)
    assert here.clock.stats()["fired"] < 30


def test_a_childs_failure_is_the_tasks(here: World) -> None:
    """As States.TaskFailed, with the child's description as its cause."""
    child = here.machine("child", chain({"F": {"Type": "Fail", "Error": "Boom", "Cause": "inside"}}))
    states = {"S": nested(child, **catch("States.TaskFailed", to="H")), "H": give("{% $parse($states.input.cause) %}")}
    output = here.run(states).output
    assert (output["Status"], output["Error"], output["Cause"]) == ("FAILED", "Boom", "inside")


@pytest.mark.parametrize("how", ["stop", "timeout"])
def test_a_parent_that_ends_stops_its_child(here: World, how: str) -> None:
    """Stopped or timed out itself."""
    child = here.machine("child", chain({"W": wait(9999)}))
    limit = {"TimeoutSeconds": 300} if how == "timeout" else {}
    arn = here.start(here.machine("parent", chain({"S": nested(child)}, **limit)))
    if how == "stop":
        at(here, 300, lambda: here.sfn.stop_execution(executionArn=arn))
    assert here.result(arn).seconds == 300
    ended = here.result(arn.replace(":parent:parent-1", ":child:child-1"))
    assert (ended.status, ended.seconds) == ("ABORTED", 300)


def test_unnamed_executions_are_numbered(here: World) -> None:
    """Names are the same in each run."""
    machine = here.machine("rotate", chain({"G": give(1)}))
    names = [here.start(machine).rsplit(":", 1)[1] for _ in range(3)]
    assert names == ["rotate-1", "rotate-2", "rotate-3"]


def test_a_simulated_thread_may_start_and_await_an_execution(here: World) -> None:
    """As an event rule does."""
    machine, seen = here.machine("m", chain({"W": wait(60)})), []

    def rule() -> None:
        here.clock.sleep(5, "delivery")
        seen.append(here.sfn.start_execution(stateMachineArn=machine)["executionArn"])

    thread = SimThread(here.clock, rule, key="rule")
    thread.start()
    thread.join()
    assert here.result(seen[0]).seconds == 60
    assert here.clock.now() == EPOCH + 65
