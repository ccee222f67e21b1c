"""A batch of signals: one execution a node, whatever comes twice, late, muted, broken or from a foreign node."""

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from gpuops.domain.errors import Unavailable
from gpuops.domain.faults.place import Place
from gpuops.domain.rotation.lock import Execution
from tests.fakes.apps import load_app
from tests.fakes.events import INSTANCE, NODE, UUID, contributor_alarm, event, maintenance, metric_alarm, spot_warning
from tests.fakes.signals import MACHINE, REBALANCER, SENT, World, batch
from tests.fakes.world import table

RECEIVE = load_app("receive_signals")
NAME = f"{INSTANCE}-20261123T100005"
OTHER = Place("i-0000000000000beef", "ip-10-0-1-8.ec2.internal", "gpu")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One group with one instance, nothing under way."""
    monkeypatch.setenv("REMEDIATE_GPU_MACHINE_ARN", MACHINE)
    monkeypatch.setenv("REBALANCE_SLICING_MACHINE_ARN", REBALANCER)
    with mock_aws():
        yield World(table())


def receive(world: World, *events: Any, **more: Any) -> Any:
    """One invocation."""
    return RECEIVE.receive(RECEIVE.Batch.model_validate(batch(*events, **more)), world)


def ended(world: World, after: timedelta = timedelta(minutes=20)) -> None:
    """The execution that was started has ended by now."""
    world.executions_known[NAME] = Execution(running=False, ended=SENT + after)


def test_a_fault_starts_one_execution_named_after_the_instance(world: World) -> None:
    """With the fault, its place filled in: who repairs need not look for it again."""
    answer = receive(world, metric_alarm())

    ((name, input_),) = world.started
    assert (name, answer.reason, answer.failures) == (NAME, "1 started", ())
    assert {key: input_["fault"][key] for key in ("cluster", "node", "instance", "uuid", "xid")} == {
        "cluster": "demo",
        "node": NODE,
        "instance": INSTANCE,
        "uuid": UUID,
        "xid": 79,
    }


def test_the_same_alarm_five_times_is_one_execution(world: World) -> None:
    """At least once, says EventBridge; and another alarm of the same node joins it, too."""
    answer = receive(world, *[metric_alarm()] * 5)
    receive(world, metric_alarm(alarmName="gpu-hot"))

    incident = world.incidents.of(INSTANCE)
    assert answer.reason == "4 joined, 1 started"
    assert len(world.started) == 1
    assert incident is not None
    assert (incident.signals, incident.sources) == (6, frozenset({"alarm gpu-alarm", "alarm gpu-hot"}))


def test_alarms_about_a_pools_load_are_one_look_a_minute(world: World) -> None:
    """Of the whole cluster, whichever of its pools it was; one that is muted, over or nobody's starts nothing."""
    world.policy = (
        "groups:\n- {cluster: demo, group: gpu, mode: apply, rebalance: {}}\n- {cluster: demo, group: other}\n"
    )
    load = metric_alarm(metric="QueueDepth", namespace="app", alarmName="gpuops-rebalance-gpu")
    answer = receive(world, load, load, metric_alarm(alarmName="gpuops-rebalance-other"))
    assert answer.reason == "1 elsewhere, 1 joined, 1 started"
    receive(world, load, sent=SENT + timedelta(minutes=1))
    assert world.started == [(f"20261123T10{m:02}-demo", {"cluster": "demo"}) for m in (0, 1)]
    muted = metric_alarm(alarmName="gpuops-rebalance-gpu", muteDetail={"mutedByArn": "arn:mute"})
    quiet = metric_alarm(alarmName="gpuops-rebalance-gpu", value="OK")
    assert receive(world, muted, quiet, sent=SENT + timedelta(minutes=5)).reason == "1 ignored, 1 muted"


def test_hundreds_of_alarms_in_a_minute_are_one_execution_a_node(world: World) -> None:
    """Batch by batch, as they come; two nodes of one rack."""
    world.found.append(OTHER)
    for number in range(20):
        place = (INSTANCE, OTHER.instance)[number % 2]
        dimensions = {"InstanceId": place}
        one = metric_alarm()
        one["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["dimensions"] = dimensions
        receive(world, *[one] * 10, sent=SENT + timedelta(seconds=3 * number))

    told = [world.incidents.of(place) for place in (INSTANCE, OTHER.instance)]
    assert len(world.started) == 2
    assert [incident.signals for incident in told if incident] == [100, 100]


def test_what_was_seen_before_the_end_is_late_and_what_came_after_it_is_new(world: World) -> None:
    """The repair has answered the first; the second says that it did not help."""
    receive(world, metric_alarm())
    ended(world)
    late = receive(world, metric_alarm(), sent=SENT + timedelta(minutes=30))
    again = copy.deepcopy(metric_alarm())
    again["detail"]["state"]["timestamp"] = "2026-11-23T10:40:00.000+0000"
    new = receive(world, again, sent=SENT + timedelta(minutes=40))

    assert (late.reason, new.reason) == ("1 late", "1 started")
    assert [name for name, _ in world.started] == [NAME, f"{INSTANCE}-20261123T104005"]


def test_an_interruption_waits_for_no_execution_that_knows_of_no_deadline(world: World) -> None:
    """It has one of its own, once; what else is told joins that one."""
    receive(world, metric_alarm())
    world.executions_known[NAME] = Execution(running=True, ended=None)
    later = SENT + timedelta(minutes=1)

    first = receive(world, spot_warning(), sent=later)
    world.executions_known[world.started[-1][0]] = Execution(running=True, ended=None)
    again = receive(world, spot_warning(), metric_alarm(), sent=later)

    assert (first.reason, again.reason) == ("1 started", "2 joined")
    assert [input_["fault"]["kind"] for _, input_ in world.started] == ["xid", "interruption"]


def test_an_incident_whose_execution_never_began_is_begun(world: World) -> None:
    """Whoever opened it died in between: the same name, so that it cannot become two."""
    receive(world, metric_alarm())
    world.started.clear()
    world.executions_known.clear()

    assert receive(world, metric_alarm(), sent=SENT + timedelta(minutes=3)).reason == "1 started"
    assert [name for name, _ in world.started] == [NAME]


def test_whoever_is_overtaken_joins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two invocations at the same moment: the table lets one of them open the incident."""
    opened = world.incidents.open
    once = iter([False])

    def overtaken(incidents: Any, incident: Any, instead_of: Any) -> bool:
        del incidents
        if next(once, True):
            return bool(opened(incident, instead_of))
        receive(world, metric_alarm(alarmName="gpu-hot"))
        return False

    monkeypatch.setattr(type(world.incidents), "open", overtaken)

    assert receive(world, metric_alarm()).reason == "1 joined"
    assert len(world.started) == 1


def test_ok_in_the_middle_is_told_to_the_repair(world: World) -> None:
    """Only once nothing rings any more; and what rings again takes it back."""
    receive(world, metric_alarm(), metric_alarm(alarmName="gpu-hot"))
    first = receive(world, metric_alarm(value="OK"))
    one_left = world.incidents.of(INSTANCE)
    receive(world, metric_alarm(value="OK", alarmName="gpu-hot"))
    quiet = world.incidents.of(INSTANCE)
    receive(world, metric_alarm())
    again = world.incidents.of(INSTANCE)

    assert first.reason == "1 recovered"
    assert one_left is not None
    assert quiet is not None
    assert again is not None
    assert one_left.recovered_at is None
    assert quiet.recovered_at is not None
    assert again.recovered_at is None


def test_an_alarm_that_is_ok_without_having_rung_tells_nobody(world: World) -> None:
    """As each alarm does when it is made."""
    receive(world, metric_alarm())

    assert receive(world, metric_alarm(value="OK", alarmName="gpu-new")).reason == "1 ignored"
    incident = world.incidents.of(INSTANCE)
    assert incident is not None
    assert incident.recovered_at is None


@pytest.mark.parametrize(
    ("given_", "became"),
    [
        (metric_alarm(value="INSUFFICIENT_DATA"), "unclear"),
        (metric_alarm(muteDetail={"mutedByArn": "arn:aws:cloudwatch:::alarm-mute-rule:night"}), "muted"),
        (metric_alarm("RackTemperature", "facility", alarmName="rack"), "ignored"),
        (event("aws.ssm", "Parameter Store Change", {}), "ignored"),
    ],
)
def test_what_is_no_fault_is_recorded_and_starts_nothing(world: World, given_: Any, became: str) -> None:
    """No data is neither health nor fault; a mute rule holds back what an alarm would have done."""
    world.broken = Unavailable("nobody should read the policy for this")

    assert receive(world, given_).reason == f"1 {became}"
    assert (world.started, world.kept) == ([], [])


def test_a_node_that_is_not_in_the_policy_is_recorded_and_left_alone(world: World) -> None:
    """Another team's group; an instance that is gone; another cluster's name on our instance."""
    world.policy = world.policy.replace("gpu,", "other,")
    elsewhere = receive(world, metric_alarm())
    world.found = []
    nowhere = receive(world, metric_alarm())
    world.found, world.policy = [Place(INSTANCE, NODE, "gpu")], World(world.table).policy.replace("demo", "train")
    foreign = receive(world, metric_alarm())

    assert [one.reason for one in (elsewhere, nowhere, foreign)] == ["1 elsewhere", "1 nowhere", "1 foreign"]
    assert world.started == []


def test_a_gpu_of_a_known_instance_is_found_by_its_uuid(world: World) -> None:
    """Some exporters name nothing else; a GPU that nobody remembers is nowhere."""
    unknown = receive(world, contributor_alarm(UUID=UUID))
    world.memory.remember_gpu(UUID, "Xid 48", INSTANCE, NODE, SENT)

    assert (unknown.reason, receive(world, contributor_alarm(UUID=UUID)).reason) == ("1 nowhere", "1 started")


def test_six_series_are_six_nodes(world: World) -> None:
    """Each contributor by its node's name; their parent asks CloudWatch and finds the same six."""
    nodes = [Place(f"i-{number:017x}", f"ip-10-0-2-{number}.ec2.internal", "gpu") for number in range(6)]
    world.found = nodes
    series = [contributor_alarm(NodeName=place.node) for place in nodes]
    answer = receive(world, *series)
    parent = copy.deepcopy(series[0]) | {"detail-type": "CloudWatch Alarm State Change"}
    del parent["detail"]["alarmContributor"]
    alarm = {
        "AlarmName": "gpu-hot",
        "StateValue": "ALARM",
        "Metrics": [{"Id": "q1", "Expression": "SELECT MAX(DCGM_FI_DEV_GPU_TEMP) GROUP BY NodeName"}],
    }
    found = [{"ContributorId": place.node, "ContributorAttributes": {"NodeName": place.node}} for place in nodes]
    world.rings = [(alarm, found)]

    assert answer.reason == "6 started"
    assert receive(world, parent).reason == "6 joined"
    assert {input_["fault"]["instance"] for _, input_ in world.started} == {place.instance for place in nodes}


def test_a_composite_alarm_is_asked_for_what_triggered_it(world: World) -> None:
    """The alarm below it says what and where; one that PromQL watches says it by its contributors."""
    composite = metric_alarm(configuration={"alarmRule": "ALARM(hot) OR ALARM(slow)"})
    triggers = [{"arn": "arn:aws:cloudwatch:us-east-1:1:alarm:hot", "state": {"value": "ALARM"}}]
    composite["detail"]["state"]["reasonData"] = json.dumps({"triggeringAlarms": triggers})
    dimensions = [{"Name": "InstanceId", "Value": INSTANCE}]
    metric = {"MetricName": "DCGM_FI_DEV_GPU_TEMP", "Namespace": "gpus", "Dimensions": dimensions}
    world.rings = [({"AlarmName": "hot", "StateValue": "ALARM", **metric}, [])]

    assert receive(world, composite).reason == "1 started"
    assert world.started[0][1]["fault"]["kind"] == "thermal"


def test_spot_maintenance_and_the_end_of_a_block_come_with_their_times(world: World) -> None:
    """The block does not say which instances run in it: EC2 does."""
    kinds: list[tuple[str, str]] = []
    for one in (spot_warning(), maintenance()):
        world.executions_known.clear()
        receive(world, one, sent=SENT + timedelta(minutes=len(kinds)))
        kinds.append((world.started[-1][1]["fault"]["kind"], world.started[-1][1]["fault"]["deadline"]))
    world.found = [OTHER]
    detail = {"capacity-reservation-id": "cr-0123", "end-date": "2026-11-23T10:40:00Z"}
    receive(world, event("aws.ec2", "Capacity Block Expiration Warning", detail))
    fault = world.started[-1][1]["fault"]

    assert kinds == [("interruption", "2026-11-23T10:02:00Z"), ("maintenance", "2026-12-05T15:10:09Z")]
    assert (fault["instance"], fault["deadline"]) == (OTHER.instance, "2026-11-23T10:10:00Z")


@pytest.mark.parametrize(
    "poison", ["{", "[]", json.dumps(event("aws.cloudwatch", "CloudWatch Alarm State Change", {}))]
)
def test_what_is_no_event_goes_to_quarantine_with_its_reason(world: World, poison: str) -> None:
    """It is not tried again, and keeps no other message back."""
    answer = receive(world, poison, metric_alarm())

    ((body, reason),) = world.kept
    assert body == poison
    assert reason
    assert (answer.reason, answer.failures) == ("1 quarantined, 1 started", ())


def test_what_fails_otherwise_stays_in_the_queue_alone(world: World) -> None:
    """SQS hands it out again; what was ignored beside it is done."""
    world.broken = Unavailable("S3 is slow")

    answer = receive(world, metric_alarm(), metric_alarm("RackTemperature", "facility", alarmName="rack"))

    assert answer.failures == ({"itemIdentifier": "m-0"},)
    assert answer.model_dump(mode="json")["batchItemFailures"] == [{"itemIdentifier": "m-0"}]
    assert answer.reason == "1 failed, 1 ignored"


def test_the_message_of_an_alarm_that_cloudwatch_garbles_is_kept_aside(world: World) -> None:
    """What DescribeAlarms says is read as strictly as an event."""
    composite = metric_alarm(configuration={"alarmRule": "ALARM(hot)"})
    world.rings = [({"AlarmName": "gpu-alarm", "StateValue": 7, "MetricName": "gpu"}, [])]

    assert receive(world, composite).reason == "1 failed"
    assert world.started == []


@given(st.text(max_size=200) | st.dictionaries(st.text(max_size=8), st.integers(), max_size=3))
def test_whatever_lies_in_the_queue_nothing_crashes_and_nothing_is_started(given_: Any) -> None:
    """Nobody acts on half of an event."""
    nothing: Any = None  # whoever asked the table would act
    world = World(nothing)

    assert receive(world, given_).failures == ()
    assert len(world.kept) == 1
