"""CloudWatch alarms through the adapter, against the rehearsal's region.

Covered: by name and by tag; ringing, quiet, without data; one that rang between two looks; what does not exist, and a
tag that nothing bears.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuops.adapters.alarms import Alarms
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Canary
from gpuops.domain.rotation.bake import Alarm


@pytest.fixture
def alarms(world: Any) -> Alarms:
    """The adapter over a region with two alarms, one of them with a tag."""
    cloudwatch = world.client("cloudwatch")
    for name, tags in (("errors", []), ("p99", [{"Key": "team", "Value": "gpu"}])):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="app",
            MetricName=name,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            Tags=tags,
        )
    return Alarms(cloudwatch, world.client("resourcegroupstaggingapi"))


def now(world: Any) -> datetime:
    """The region's time, as AWS stamps it."""
    return datetime.fromtimestamp(world.clock.now(), UTC)


def turn(world: Any, name: str, state: str) -> None:
    """The alarm changes its state, a minute later."""
    world.clock.sleep(60, "test")
    world.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="tested")


def test_alarms_are_found_by_name_and_by_tag_each_once(world: Any, alarms: Alarms) -> None:
    """Whoever gives both means all of them; whoever gives neither, none."""
    both = Canary(alarms=("errors", "p99"), alarm_tag="team=gpu")

    assert [alarm.name for alarm in alarms.look(both, now(world))] == ["errors", "p99"]
    assert [alarm.name for alarm in alarms.look(Canary(alarm_tag="team=gpu"), now(world))] == ["p99"]
    assert alarms.look(Canary(), now(world)) == []


def test_states_are_told_as_they_are(world: Any, alarms: Alarms) -> None:
    """An alarm that rings, and one without data, which is neither good nor bad."""
    turn(world, "errors", "ALARM")
    turn(world, "p99", "INSUFFICIENT_DATA")

    assert alarms.states(["errors", "p99"], now(world)) == [Alarm("errors", "ALARM"), Alarm("p99", "INSUFFICIENT_DATA")]


def test_an_alarm_that_rang_between_two_looks_is_found_in_its_history(world: Any, alarms: Alarms) -> None:
    """Only since the change began; and a change to anything but ALARM is no ringing."""
    turn(world, "errors", "INSUFFICIENT_DATA")
    began = now(world)
    turn(world, "p99", "INSUFFICIENT_DATA")
    turn(world, "p99", "OK")
    turn(world, "errors", "ALARM")
    turn(world, "errors", "OK")

    assert alarms.states(["errors", "p99"], began) == [Alarm("errors", "OK", rang=True), Alarm("p99", "OK")]
    assert alarms.states(["errors"], now(world) + timedelta(seconds=1)) == [Alarm("errors", "OK")]


def test_an_alarm_that_does_not_exist_is_bad_input(world: Any, alarms: Alarms) -> None:
    """To watch nothing, and to take that for quiet, would be a promise broken in silence."""
    with pytest.raises(Invalid, match="CloudWatch alarms do not exist: p50"):
        alarms.states(["errors", "p50"], now(world))
    with pytest.raises(Invalid, match="0 CloudWatch alarms have the tag team=cpu"):
        alarms.look(Canary(alarm_tag="team=cpu"), now(world))
