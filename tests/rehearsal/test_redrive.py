"""What cannot be answered lies in quarantine with its alarm in breach, and `gpuops redrive` brings it back.

Covered: a message that is no event, which comes back to quarantine however often; a good one that nobody could answer
for an hour, which is answered once somebody can; a dry run, which moves neither.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cli.redrive import redrive
from rehearsal.scenario import Scenario
from rehearsal.world import World
from tests.rehearsal.rehearsed import Rehearsed, run

pytestmark = pytest.mark.cluster
STACK, ALARM = "gpuops", "QuarantinedSignalsAlarm"
LOOK, REDRIVE = 1100, 1300
"""Simulated seconds: by the first, SQS has handed the good one out five times, 180 s apart."""
STORY = """
name: redrive
description: A message that is no event, and a hot GPU's alarm at a time when the policy cannot be read.
cluster: demo
zones: [{name: us-east-1a}]
releases: [{release: 1.36.2-20260714, ami: ami-0a202607140000001, driver: 580.159.03, cuda: "13.0"}]
groups:
- name: gpu-inference
  instance_type: g4dn.xlarge
  zones: [us-east-1a]
  size: 1
  max: 1
  release: ami-0a202607140000001
  labels: {nvidia.com/gpu: "true"}
  taints: [nvidia.com/gpu=true:NoSchedule]
  startup_taint: true
  admitted: true
alarms: [{name: hot, watches: {group: gpu-inference, index: 0, metric: DCGM_FI_DEV_GPU_TEMP}}]
workloads:
- {kind: daemonset, name: nvidia-device-plugin, namespace: kube-system, preset: device_plugin}
policy:
  groups: [{group: gpu-inference, cluster: demo, mode: apply}]
timeline:
- at: 50
  fault: {kind: access_denied, caller: gpuops-ReceiveSignals*, service: s3, action: GetObject, nth: 1, times: 5}
- {at: 60, message: {queue: Signals, body: '{"source": "aws.cloudwatch", "detail-type": "no shape"}'}}
- {at: 70, alarm: {name: hot, value: 91}}
- {at: 1400, alarm: {name: hot, value: 91}}   # nothing changes: only so that the story lasts until then
until_seconds: 2400
expect:
  executions:
  - {machine: remediate_gpu, status: SUCCEEDED, count: 1, output: its load has moved away}
  queues: {Signals: 0, QuarantinedSignals: 1}
"""


class Operator:
    """Whoever looks into the queue, and brings back what lies there."""

    def __init__(self) -> None:
        self.alarm: dict[str, Any] = {}
        self.lay: list[int] = []
        """How many messages, by the metric's own source, at each look."""
        self.shown: list[dict[str, str]] = []
        self.moved: list[dict[str, str]] = []

    def meet(self, world: World) -> None:
        """The story begins."""
        world.clock.call_later(LOOK, "test/look", lambda: self._look(world))
        world.clock.call_later(REDRIVE, "test/redrive", lambda: self._redrive(world))

    def _look(self, world: World) -> None:
        client = world.region.account.client
        found = client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=ALARM)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        (self.alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        self.lay.append(self._count(client("sqs")))
        self.shown = list(redrive(STACK, dry_run=True, clients=client))

    def _redrive(self, world: World) -> None:
        client = world.region.account.client
        self.lay.append(self._count(client("sqs")))
        self.moved = list(redrive(STACK, dry_run=False, clients=client))

    def _count(self, sqs: Any) -> int:
        """What AWS/SQS publishes as the alarm's metric, for the queue that the alarm names."""
        (queue,) = (one["Value"] for one in self.alarm["Dimensions"] if one["Name"] == "QueueName")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        asked = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=[self.alarm["MetricName"].removesuffix("Visible")]
        )
        return int(next(iter(asked["Attributes"].values())))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Operator, Rehearsed]:
    """The whole story, once."""
    operator = Operator()
    story = Scenario.model_validate(yaml.safe_load(STORY))
    return operator, run(story, tmp_path_factory.mktemp("redrive") / "out", beside=operator.meet)


def test_what_could_not_be_answered_lies_there_with_its_reason_and_the_alarm_in_breach(
    told: tuple[Operator, Rehearsed],
) -> None:
    """The poisoned one at once, with our reason; the good one by SQS, after five attempts, with none."""
    operator, _ = told

    alarm = operator.alarm
    assert (alarm["ComparisonOperator"], alarm["Statistic"]) == ("GreaterThanOrEqualToThreshold", "Maximum")
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert operator.lay == [2, 2], "a dry run leaves them there"
    assert operator.lay[0] >= alarm["Threshold"]
    assert [one["status"] for one in operator.shown] == ["waiting"] * 2
    assert sorted(bool(one["reason"]) for one in operator.shown) == [False, True]


def test_redrive_has_the_good_one_acted_on_and_the_poisoned_one_put_aside_again(
    told: tuple[Operator, Rehearsed],
) -> None:
    """Under the observer, who finds nothing wrong; the node was not touched before."""
    operator, rehearsed = told

    assert [one["status"] for one in operator.moved] == ["sent"] * 2
    assert rehearsed.result.status == "passed", (rehearsed.result.observed["violations"], rehearsed.result.unmet)
    (repair,) = [one for one in rehearsed.result.executions if one.machine == "remediate_gpu"]
    assert repair.started >= REDRIVE
