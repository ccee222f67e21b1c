"""What `bench load` counts, which goals it holds, and that its stories are the loads that it names."""

import os

import pytest

from bench.load import Load, _measured
from bench.loading import figures
from bench.loading.story import ALARMS_A_NODE, alarming, polled, rolling
from bench.loading.witness import peak_mib
from rehearsal.report import ExecutionResult, Result


def call(function: str, at: float = 0.0, *keys: str) -> dict[str, object]:
    """One line of the wire's record."""
    return {"at": at, "caller": f"gpuops-{function}Function-1A2B", "keys": list(keys)}


def test_calls_are_counted_by_function() -> None:
    """Those of machines, people and the rehearsal are nobody's."""
    calls = [call("DrainNode"), call("DrainNode"), call("ClaimNode"), {"at": 0, "caller": "outside"}]

    assert figures.calls_by_function(calls) == {"DrainNode": 2, "ClaimNode": 1}


def test_a_key_is_as_hot_as_its_worst_second() -> None:
    """Many calls over an hour harm nobody; a transaction touches each of its items."""
    slow = [call("A", float(second), "lock#g") for second in range(10)]
    quick = [call("B", 7.5, "budget#fleet", "claim#g"), call("B", 7.9, "budget#fleet")]

    hot = figures.hot_keys([*slow, *quick])

    assert hot[0] == {"key": "budget#fleet", "peak_calls_a_second": 2, "calls": 2}
    assert {one["key"]: (one["peak_calls_a_second"], one["calls"]) for one in hot[1:]} == {
        "lock#g": (1, 10),
        "claim#g": (1, 1),
    }


@pytest.mark.parametrize(("hottest", "met"), [(1000, True), (1001, False)])
def test_a_partition_takes_so_many_calls_a_second(hottest: int, met: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """In any of the loads."""
    found = figures.keys([[call("A", 1.0, "k")], [call("A", 1.0, "k") for _ in range(hottest)]])

    assert (found["met"], found["hottest"][0]["peak_calls_a_second"]) == (met, hottest)


@pytest.mark.parametrize(("mib", "met"), [(256.0, True), (256.1, False)])
def test_the_greediest_process_decides(mib: float, met: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """Of each function the worst of all loads is told."""
    found = figures.memory([{"gpuops-DrainNodeFunction-1": 90.0}, {"gpuops-DrainNodeFunction-2": mib}])

    assert (found["peak_mib"], found["met"]) == ({"DrainNode": round(mib)}, met)


@pytest.mark.parametrize(("events", "met"), [(15_000, True), (15_001, False)])
def test_the_longest_history_decides(events: int, met: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """And its machine is named."""
    arn = "arn:aws:states:us-east-1:123456789012:execution:gpuops-rotate-ami:gpuops-rotate-ami-1"

    found = figures.history([{arn: events}, {"arn:aws:states:us-east-1:1:execution:gpuops-reconcile:x": 9}])

    assert (found["longest_events"], found["machine"], found["met"]) == (events, "gpuops-rotate-ami", met)


def test_nothing_measured_meets_no_goal() -> None:
    """A witness that saw nothing proves nothing."""
    assert not any(part["met"] for part in (figures.memory([]), figures.history([]), figures.keys([])))


def load_of(executions: int, calls: int) -> Load:
    """One whose figures keep their goals."""
    ran = tuple(
        ExecutionResult("remediate_gpu", f"e{n}", "SUCCEEDED", 0.0, 1.0, None, None, ()) for n in range(executions)
    )
    result = Result("s", "passed", ran, {}, (), 60.0, 100.0, "r", {})
    made = [call("DetectRelease", float(n), "release#g") for n in range(calls)]
    return Load(result, made, {"gpuops-DetectReleaseFunction-1": 100.0}, {"a:b:c:d:e:f:gpuops-x:y": 20})


@pytest.mark.parametrize(("executions", "met"), [(2, True), (3, False)])
def test_the_object_says_whether_all_goals_are_met(executions: int, met: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """One execution a node, however many alarms."""
    asked = {"nodes": 10, "pods": 50, "groups": 4, "alarms": 40}
    loads = {"roll": load_of(0, 30), "polls": load_of(0, 8), "alarms": load_of(executions, 80)}
    found = _measured(asked, loads)

    assert found["roll"] == {"nodes": 10, "pods": 50, "calls_per_node": 3.0, "wall_seconds": 60.0}
    assert found["polls"] == {"groups": 4, "polls": 2, "calls_per_poll": 4.0}
    assert found["alarms"] == {
        "alarms": 40, "nodes": 2, "executions": executions, "calls_per_alarm": 2.0, "met": executions == 2,
    }  # fmt: skip
    assert found["met"] == met
    assert _measured(asked, {"polls": load_of(0, 8)}).keys() == {"polls", "memory", "history", "keys", "met"}


def test_the_stories_are_the_loads() -> None:
    """As many nodes, pods, groups and alarms as were asked for, the alarms within a minute."""
    roll, polls, rung = rolling(30, 1000), polled(100), alarming(1000)

    assert [(group.name, group.size) for group in roll.groups] == [("gpu-fleet", 30), ("others", 5)]
    assert next(workload.replicas for workload in roll.workloads if workload.name == "others") == 1000
    assert len(rolling(30, 0).groups) == 1
    assert len(polls.groups) == 100
    times = [moment.at for moment in rung.timeline]
    assert (len(times), max(times) - min(times) < 60, rung.groups[0].size) == (1000, True, 1000 // ALARMS_A_NODE)


def test_linux_says_how_much_a_process_had() -> None:
    """This one has some; one that is gone had nothing to tell."""
    assert 10 < peak_mib(os.getpid()) < 10_000
    assert peak_mib(2**30) == 0.0
