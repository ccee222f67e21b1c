"""What a scenario expected against what became of it, without a rehearsal.

Covered: when a story is over; executions by status, error, cause, output and count; numbers of the observer; Jobs.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rehearsal.observer import Observed
from rehearsal.scenario import Expect
from rehearsal.stage.outcome import has_ended, out_of_order, too_fast, unheard, unmet, unsaid
from rehearsal.stage.records import Record

SEEN = Observed(
    violations=(), nodes_replaced=1, min_ready_gpus=1, evictions=2, evictions_refused=3, pods_on_unadmitted_nodes=0
)
GOOD = Record("arn:1", "rotate_ami", "one", 0.0, status="SUCCEEDED", ended=9.0, output='{"reason": "all nodes run it"}')
BAD = replace(
    GOOD, arn="arn:2", name="two", status="FAILED", error="Refused", cause="no capacity in us-east-1a", output=None
)
RUNS = replace(GOOD, arn="arn:3", name="three", status="RUNNING", ended=None)


def rotations(*expected: dict[str, Any]) -> Expect:
    """Expectations of executions of one machine."""
    return Expect.model_validate({"executions": [{"machine": "rotate_ami", **each} for each in expected]})


@pytest.mark.parametrize(
    ("expected", "ended"),
    [
        ([{"status": "SUCCEEDED"}], True),
        ([{"status": "SUCCEEDED", "count": 1}, {"status": "FAILED", "count": 1}], True),
        ([{"status": "SUCCEEDED", "count": 2}, {"status": "FAILED", "count": 1}], False),
        ([], False),
    ],
)
def test_a_story_is_over_when_as_many_have_ended_as_are_expected(
    expected: list[dict[str, Any]], *, ended: bool
) -> None:
    """However they ended: waiting for the right end of a wrong one would last until the scenario's own end."""
    assert has_ended(rotations(*expected), [GOOD, BAD]) is ended
    assert not has_ended(rotations(*expected), [GOOD, BAD, RUNS])


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        ({"status": "SUCCEEDED", "count": 1}, None),
        ({"status": "FAILED", "error": "Refused", "cause": "no capacity"}, None),
        ({"status": "FAILED", "count": 0}, "0 rotate_ami FAILED; there were: SUCCEEDED, FAILED (Refused: no capacity"),
        ({"status": "FAILED", "error": "Invalid"}, "some rotate_ami FAILED (Invalid); there were"),
        ({"status": "FAILED", "cause": "no GPU"}, "some rotate_ami FAILED (because of 'no GPU'); there were"),
        ({"status": "SUCCEEDED", "output": "all nodes"}, None),
        ({"status": "SUCCEEDED", "output": "no node"}, "some rotate_ami SUCCEEDED (saying 'no node'); there were"),
        ({"status": "SUCCEEDED", "ended_after": 2, "ended_before": 5}, None),
        ({"status": "SUCCEEDED", "ended_after": 6}, "some rotate_ami SUCCEEDED (after 6 s); there were"),
        ({"status": "SUCCEEDED", "ended_before": 4}, "some rotate_ami SUCCEEDED (before 4 s); there were"),
        ({"status": "ABORTED"}, "some rotate_ami ABORTED; there were"),
    ],
)
def test_an_end_that_is_not_the_expected_one_is_told(expected: dict[str, Any], says: str | None) -> None:
    """With what there was instead."""
    told = list(unmet(rotations(expected), [GOOD, BAD], SEEN, (), start=4))

    assert [says in each for each in told if says] == ([True] if says else [])
    assert len(told) == bool(says)


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ({"nodes_replaced": 2}, "nodes replaced: 2; the observer saw 1"),
        ({"evictions": 0}, "evictions: 0; the observer saw 2"),
        ({"most_closed": 2}, "most closed: 2; the observer saw 0"),
        ({"asked_to_checkpoint": 1}, "asked to checkpoint: 1; the observer saw 0"),
        ({"evictions_refused": 4}, "at least 4 evictions refused; the observer saw 3"),
        ({"jobs_finished": ["training"]}, "job training finished on its own"),
        ({"nodes_replaced": 1, "evictions": 2, "evictions_refused": 3, "jobs_finished": ["other"]}, None),
    ],
)
def test_numbers_and_jobs_are_compared(expect: dict[str, Any], says: str | None) -> None:
    """A zero is an expectation too."""
    assert list(unmet(Expect.model_validate(expect), [], SEEN, {"other"})) == ([says] if says else [])


@pytest.mark.parametrize(
    ("wanted", "heard", "says"),
    [
        (1, [("gpuops", "GPU Escalation"), ("gpuops", "GPU AMI Release Detected")], []),
        (0, [("gpuops", "GPU Escalation")], ["escalations: 0; the bus carried 1"]),
        (2, [("other", "GPU Escalation")], ["escalations: 2; the bus carried 0"]),
        (None, [("gpuops", "GPU Escalation")], []),
    ],
)
def test_escalations_are_counted_on_the_bus(wanted: int | None, heard: list[tuple[str, str]], says: list[str]) -> None:
    """Of the product alone, and of that kind alone."""
    assert list(unheard(Expect(escalations=wanted), heard)) == says


def test_messages_to_people_are_counted_by_what_they_contain() -> None:
    """All of the texts in one message, and so many such messages."""
    said = ["approve run-1: plan", "approve run-2: plan"]
    wanted = [{"contains": ["approve", "plan"], "count": 2}, {"contains": ["run-1", "plan"]}]

    assert list(unsaid(Expect.model_validate({"messages": wanted}), said)) == []
    (told,) = unsaid(Expect.model_validate({"messages": [{"contains": ["run-1", "run-2"]}]}), said)
    assert told.startswith("1 messages with 'run-1', 'run-2'; there were 0, of: approve run-1: plan | ")


def test_calls_are_counted_within_each_simulated_second(tmp_path: Path) -> None:
    """Only the stack's own; a rate of a call that is never made is a slip of the scenario's."""
    call = {"service": "autoscaling", "action": "Describe", "caller": "gpuops-FindNode"}
    lines = [{**call, "at": at} for at in (1.0, 1.9, 2.0)] + [{**call, "at": 2.5, "caller": "outside"}]
    wire = tmp_path / "wire.jsonl"
    wire.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert list(too_fast(Expect(peak_calls={"autoscaling:Describe": 2}), wire)) == []
    assert list(too_fast(Expect(peak_calls={"autoscaling:Describe": 1}), wire)) == [
        "at most 1 autoscaling:Describe in a second; there were 2"
    ]
    assert "there was none" in next(too_fast(Expect(peak_calls={"autoscaling:Other": 1}), wire))


def test_evictions_are_expected_in_their_order(tmp_path: Path) -> None:
    """Of the calls that were granted; a pod is told by its controller's name and nothing shorter."""
    pods = [("web-6f9c4-x1", 201), ("web-db-6f9c4-x2", 201), ("web-6f9c4-x3", 429), ("train-x4", 201)]
    call = {"action": "create pods/eviction"}
    lines = [{**call, "status": s, "resource": f"/api/v1/namespaces/default/pods/{p}/eviction"} for p, s in pods]
    wire = tmp_path / "wire.jsonl"
    wire.write_text("".join(json.dumps(line) + "\n" for line in [{"action": "get nodes", "status": 200}, *lines]))

    assert list(out_of_order(Expect(), wire)) == []
    assert list(out_of_order(Expect(evicted=("web", "web-db", "train")), wire)) == []
    for wrong in (("web-db", "web", "train"), ("web", "web-db"), ("web", "web", "train"), ("we", "web-db", "train")):
        (told,) = out_of_order(Expect(evicted=wrong), wire)
        assert "there were: web-6f9c4-x1, web-db-6f9c4-x2, train-x4" in told


def test_what_the_observer_missed_is_unmet() -> None:
    """It reads nodes, pods, logs, series and objects itself."""
    assert list(unmet(Expect(), [], replace(SEEN, unmet=("nodes: …",)), ())) == ["nodes: …"]


def test_an_execution_that_ignored_its_event_is_not_counted() -> None:
    """A launch that the hook's own event has admitted is announced once more when it is over."""
    ignored = replace(GOOD, arn="arn:4", states=[(1.0, "FindNode"), (2.0, "Ignored")])
    expect = rotations({"status": "SUCCEEDED", "count": 1})

    assert not list(unmet(expect, [GOOD, ignored], SEEN, ()))
    assert not has_ended(expect, [ignored])
