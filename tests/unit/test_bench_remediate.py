"""The bench of a cordon: its story is one that can be played, and its times are from the alarm to the closed Node."""

from types import SimpleNamespace
from typing import Any

import pytest

import bench.remediate
from bench.remediate import NotClosedError, Witness, remediate, story_of


def event(instance: str, value: str = "ALARM") -> dict[str, Any]:
    """What the bus carries of an alarm over one instance."""
    metric = {"metricStat": {"metric": {"dimensions": {"InstanceId": instance}}}}
    detail = {"state": {"value": value}, "configuration": {"metrics": [metric]}}
    return {"source": "aws.cloudwatch", "detail": detail}


def node(instance: str, *, closed: bool) -> Any:
    """A Node as the watch shows it."""
    spec = {"providerID": f"aws:///us-east-1a/{instance}", "unschedulable": closed}
    return SimpleNamespace(kind="node", after={"spec": spec})


def play(witness: Witness, monkeypatch: pytest.MonkeyPatch, *moments: tuple[float, Any]) -> None:
    """Let the witness see this, each at its second."""
    for at, what in moments:
        monkeypatch.setattr("bench.remediate.time.perf_counter", lambda at=at: at)
        (witness._heard if isinstance(what, dict) else witness._seen)(what)


def test_each_round_has_an_alarm_over_a_node_of_its_own() -> None:
    """One minute apart."""
    story = story_of(3)

    assert [alarm.watches.index for alarm in story.alarms if alarm.watches] == [0, 1, 2]
    assert [moment.at for moment in story.timeline] == [60, 120, 180]
    assert story.groups[0].size == 3


def test_the_times_are_from_the_alarm_to_the_closed_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time that it is seen closed counts; quiet alarms and open Nodes do not."""

    def rehearse(_story: Any, *, out: Any, view: Witness, beside: Any) -> None:
        del out, beside
        moments: list[tuple[float, Any]] = []
        for number in range(20):
            start = number * 10.0
            took = 3.0 if number == 7 else 1.0
            name = f"i-{number}"
            moments += [(start, event(name)), (start + 0.1, node(name, closed=False))]
            moments += [(start + took, node(name, closed=True)), (start + 5, node(name, closed=True))]
        play(view, monkeypatch, *moments, (999.0, event("i-0", "OK")))

    monkeypatch.setattr(bench.remediate, "rehearse", rehearse)

    assert remediate(20) == {
        "rounds": 20,
        "p50_seconds": 1.0,
        "p95_seconds": 1.0,
        "slowest_seconds": 3.0,
        "limit_seconds": 2.0,
        "met": True,
    }


def test_a_node_that_is_not_closed_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, it would make the bench better."""
    monkeypatch.setattr(
        bench.remediate, "rehearse", lambda *_, view, **__: play(view, monkeypatch, (0.0, event("i-1")))
    )

    with pytest.raises(NotClosedError, match="i-1"):
        remediate(1)
