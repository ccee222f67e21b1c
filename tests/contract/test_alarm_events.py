"""What the region's bus hears of CloudWatch alarms: a metric's, a composite's, many series', a muted one.

Covered: the shapes that AWS documents; no event without a change; contributors before their alarm, and as CloudWatch
lists them; the product's own adapter over what DescribeAlarms answers.
"""

import json
from typing import Any

import pytest

from gpuops.adapters.alarms import Alarms
from gpuops.signals.asked import asked_faults
from gpuops.signals.read import read_signal
from gpuops.signals.signal import Signal

METRIC = {"Namespace": "gpus", "MetricName": "DCGM_FI_DEV_XID_ERRORS", "Statistic": "Maximum", "Period": 60}
LIMIT = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
INSTANCE = "i-0123456789abcdef0"
QUERY = 'SELECT MAX(DCGM_FI_DEV_GPU_TEMP) FROM "gpus" GROUP BY NodeName'


@pytest.fixture
def alarms(world: Any) -> Any:
    """Three alarms of three kinds, and a queue that hears of them."""
    cloudwatch, sqs = world.client("cloudwatch"), world.client("sqs")
    cloudwatch.put_metric_alarm(
        AlarmName="xid", Dimensions=[{"Name": "InstanceId", "Value": INSTANCE}], **METRIC, **LIMIT
    )
    metrics = [{"Id": "q1", "Expression": QUERY, "ReturnData": True, "Period": 60}]
    cloudwatch.put_metric_alarm(AlarmName="hot", Metrics=metrics, **LIMIT)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("xid") OR ALARM("hot")')
    world.queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    world.client("events").put_rule(Name="alarms", EventPattern=json.dumps({"source": ["aws.cloudwatch"]}))
    arn = "arn:aws:sqs:us-east-1:123456789012:heard"
    world.client("events").put_targets(Rule="alarms", Targets=[{"Id": "heard", "Arn": arn}])
    return cloudwatch


def turn(world: Any, name: str, state: str, value: float = 79) -> None:
    """Somebody sets an alarm."""
    data = json.dumps({"recentDatapoints": [value]})
    told = {"StateReason": "tested", "StateReasonData": data}
    world.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, **told)


def heard(world: Any) -> list[Signal]:
    """What the bus carried since the last look, as the product reads it."""
    world.clock.sleep(2, "test")
    found = []
    while messages := world.client("sqs").receive_message(QueueUrl=world.queue).get("Messages", ()):
        for message in messages:
            found.append(read_signal(json.loads(message["Body"])))
            world.client("sqs").delete_message(QueueUrl=world.queue, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.mark.usefixtures("alarms")
def test_a_metric_alarm_tells_of_each_change_once(world: Any) -> None:
    """With its dimensions, and the newest value as the Xid."""
    turn(world, "xid", "ALARM")
    turn(world, "xid", "ALARM")
    (rang,) = heard(world)
    turn(world, "xid", "OK")
    (quiet,) = heard(world)

    assert (rang.state, rang.faults[0].instance, rang.faults[0].xid) == ("fault", INSTANCE, 79)
    assert (quiet.state, quiet.alarm) == ("recovered", "xid")


@pytest.mark.usefixtures("alarms")
def test_a_muted_alarm_says_so(world: Any) -> None:
    """The event goes out all the same."""
    world.region.alarms.muted.add("xid")
    turn(world, "xid", "ALARM")

    assert [signal.state for signal in heard(world)] == ["muted"]


def test_many_series_speak_one_by_one_and_their_alarm_for_all(world: Any, alarms: Any) -> None:
    """And the adapter finds the same through DescribeAlarmContributors."""
    series = [{"NodeName": f"node-{number}"} for number in range(6)]
    world.region.alarms.change_series("hot", series, "ALARM", "hot")
    signals = heard(world)
    adapter = Alarms(alarms, world.client("resourcegroupstaggingapi"))
    ((raw, contributors),) = adapter.ringing(["hot", "xid", "nothing"])

    assert sorted(signal.state for signal in signals) == ["ask"] + ["fault"] * 6
    assert {fault.node for signal in signals for fault in signal.faults} == {one["NodeName"] for one in series}
    assert {fault.node for fault in asked_faults(raw, contributors, signals[0].at)} == {
        one["NodeName"] for one in series
    }
    world.region.alarms.change_series("hot", series, "OK", "cool")
    assert [signal.state for signal in heard(world)] == ["recovered"] * 7


def test_a_composite_alarm_names_what_rings_below_it(world: Any, alarms: Any) -> None:
    """Whoever looks it up finds the instance."""
    turn(world, "xid", "ALARM")
    turn(world, "any", "ALARM")
    signal = heard(world)[-1]
    adapter = Alarms(alarms, world.client("resourcegroupstaggingapi"))
    ((raw, contributors),) = adapter.ringing(signal.ask)

    assert (signal.state, signal.ask) == ("ask", ("xid",))
    assert [(fault.instance, fault.xid) for fault in asked_faults(raw, contributors, signal.at)] == [(INSTANCE, 79)]
