"""EventBridge and schedules of the region, on the clock.

Covered: from PutEvents, a service or an object in S3 to a state machine and a queue; inputs; times; what does not
match; throttled and broken targets; ticks of schedules before and after an update; executions that end.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from rehearsal.region.events import DELIVERY_SECONDS, iso

QUIET = {"Ticking": "DISABLED"}


def arrive(world: Any, name: str, **more: Any) -> None:
    """Somebody tells the tiny bus that a person came."""
    entry = {"Source": "tiny", "DetailType": "Person Arrived", "Detail": json.dumps({"name": name}), **more}
    answer = world.client("events").put_events(Entries=[{"EventBusName": "tiny", **entry}])
    assert answer["FailedEntryCount"] == 0


def seen(world: Any) -> dict[str, str]:
    """The queue of the stack, as a target of a rule."""
    name = world.physical("Seen").rsplit("/", 1)[-1]
    return {"Id": "seen", "Arn": f"arn:aws:sqs:us-east-1:123456789012:{name}"}


def throttle(world: Any, times: int) -> list[float]:
    """Let so many StartExecution calls fail; returns when each was tried."""
    original, tried = StepFunctionsParserBackend.start_execution, []

    def start(*args: Any, **given: Any) -> Any:
        tried.append(world.clock.now())
        if len(tried) <= times:
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        return original(*args, **given)

    world.region.patches.set(StepFunctionsParserBackend, "start_execution", start)
    return tried


def test_an_event_starts_a_machine_that_calls_a_function(world: Any) -> None:
    """The whole way: bus, rule, role, machine, function process, answer."""
    machine = world.deploy(**QUIET)["Machine"]
    arrive(world, "Ann", Detail=json.dumps({"name": "Ann"}))
    world.clock.sleep(30, "test")
    (execution,) = world.executions(machine)
    event = json.loads(execution["input"])
    assert (event["source"], event["detail"], event["time"]) == ("tiny", {"name": "Ann"}, iso(1_900_000_000))
    assert execution["startDate"].timestamp() == pytest.approx(1_900_000_000 + DELIVERY_SECONDS)
    role = world.client("iam").get_role(RoleName=world.physical("GreetOnArrivalRole"))["Role"]["Arn"]
    assert (role, "eventbridge") in world.wire.issued


def test_what_the_pattern_does_not_match_starts_nothing(world: Any) -> None:
    """A prefix, a detail type and a bus that do not fit."""
    machine = world.deploy(**QUIET)["Machine"]
    arrive(world, "Bob")
    arrive(world, "Ann", DetailType="Person Left")
    arrive(world, "Ann", EventBusName="default")
    world.clock.sleep(30, "test")
    assert world.executions(machine) == []


def test_a_disabled_rule_delivers_nothing(world: Any) -> None:
    """Until it is enabled again."""
    machine = world.deploy(**QUIET)["Machine"]
    rule = {"Name": world.physical("GreetOnArrival"), "EventBusName": "tiny"}
    world.client("events").disable_rule(**rule)
    arrive(world, "Ann")
    world.clock.sleep(30, "test")
    assert world.executions(machine) == []
    world.client("events").enable_rule(**rule)
    arrive(world, "Ann")
    world.clock.sleep(30, "test")
    assert len(world.executions(machine)) == 1


def test_a_queue_receives_what_the_transformer_makes(world: Any) -> None:
    """Valid JSON with the name inside a text and the detail as an object."""
    world.deploy(**QUIET)
    arrive(world, "Bob")
    world.clock.sleep(30, "test")
    (message,) = world.messages("Seen")
    assert json.loads(message["Body"]) == {"who": "Bob", "text": "Bob came", "detail": {"name": "Bob"}}


def test_an_object_in_a_bucket_wakes_a_machine(world: Any) -> None:
    """Through the default bus, with the detail alone as the rule asks."""
    machine = world.deploy(**QUIET)["Machine"]
    world.client("s3").put_object(Bucket=world.physical("Policies"), Key="fleet.yaml", Body=b"groups: {}")
    world.client("s3").create_bucket(Bucket="another-bucket")
    world.client("s3").put_object(Bucket="another-bucket", Key="fleet.yaml", Body=b"")
    world.clock.sleep(30, "test")
    (execution,) = world.executions(machine)
    detail = json.loads(execution["input"])
    assert (detail["object"]["key"], detail["object"]["size"], detail["reason"]) == ("fleet.yaml", 10, "PutObject")


def test_a_service_speaks_on_the_default_bus(world: Any) -> None:
    """`emit` returns the event that the rules saw."""
    world.deploy(**QUIET)
    world.client("events").put_rule(Name="launches", EventPattern=json.dumps({"source": ["aws.autoscaling"]}))
    world.client("events").put_targets(Rule="launches", Targets=[seen(world)])
    sent = world.region.emit(
        "aws.autoscaling", "EC2 Instance-launch Lifecycle Action", {"EC2InstanceId": "i-1"}, ["arn"]
    )
    world.clock.sleep(1, "test")
    assert [json.loads(message["Body"]) for message in world.messages("Seen")] == [sent]


def test_a_throttled_target_is_tried_again(world: Any) -> None:
    """With growing pauses, and once it succeeded no more."""
    machine = world.deploy(**QUIET)["Machine"]
    tried = throttle(world, 2)
    arrive(world, "Ann")
    world.clock.sleep(3600, "test")
    assert [moment - tried[0] for moment in tried] == [0, 10, 30]
    assert len(world.executions(machine)) == 1


def test_after_the_last_retry_the_event_is_a_dead_letter(world: Any) -> None:
    """With what it was and why nobody took it."""
    machine = world.deploy(**QUIET)["Machine"]
    tried = throttle(world, 99)
    arrive(world, "Ann")
    world.clock.sleep(3600, "test")
    assert len(tried) == 3  # the first attempt and the rule's two retries
    (message,) = world.messages("Lost")
    assert json.loads(message["Body"])["detail"] == {"name": "Ann"}
    assert "Rate exceeded" in message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]
    assert message["MessageAttributes"]["TARGET_ARN"]["StringValue"] == machine


def test_what_cannot_ever_be_delivered_is_given_up_at_once_and_remembered(world: Any) -> None:
    """Without a dead-letter queue the rehearsal's report has to tell."""
    world.deploy(**QUIET)
    world.client("sqs").delete_queue(QueueUrl=world.physical("Seen"))
    arrive(world, "Bob")
    world.clock.sleep(30, "test")
    (failed,) = world.region.targets.failed
    assert (failed.attempts, failed.origin.split("/")[0]) == (1, "tiny")


def test_a_schedule_ticks_on_the_clock_until_it_is_gone(world: Any, tmp_path: Any) -> None:
    """Three times in sixteen minutes, whatever the fraction of a second; not at all once the stack is deleted."""
    world.clock.sleep(0.1234567891, "test")
    world.deploy()
    log = tmp_path / "logs" / f"{world.physical('GreetPerson')}.log"
    world.clock.sleep(16 * 60, "test")
    assert log.read_text().count("greeting tick") == 3
    assert f"greeting tick of {iso(1_900_000_000 + 5 * 60)}" in log.read_text()
    world.client("cloudformation").delete_stack(StackName="tiny")
    world.clock.sleep(3600, "test")
    assert log.read_text().count("greeting tick") == 3


def test_an_updated_schedule_keeps_its_new_pace(world: Any, tmp_path: Any) -> None:
    """The second deploy replaces the timer."""
    world.deploy()
    log = tmp_path / "logs" / f"{world.physical('GreetPerson')}.log"
    world.clock.sleep(60, "test")
    world.deploy(Minutes="60")
    world.clock.sleep(3 * 3600, "test")
    assert log.read_text().count("greeting tick") == 3


def test_a_schedule_rule_sends_its_event(world: Any) -> None:
    """The older way to tick, which carries an event."""
    world.deploy(**QUIET)
    world.client("events").put_rule(Name="often", ScheduleExpression="rate(10 minutes)")
    world.client("events").put_targets(Rule="often", Targets=[seen(world)])
    world.clock.sleep(25 * 60, "test")
    events = [json.loads(message["Body"]) for message in world.messages("Seen")]
    assert [event["detail-type"] for event in events] == ["Scheduled Event"] * 2
    assert {event["resources"][0] for event in events} == {"arn:aws:events:us-east-1:123456789012:rule/often"}


def test_an_execution_that_ends_is_an_event(world: Any) -> None:
    """Step Functions tells the default bus, so that a rule can look after what failed."""
    machine = world.deploy(**QUIET)["Machine"]
    pattern = {"source": ["aws.states"], "detail": {"status": ["FAILED"]}}
    world.client("events").put_rule(Name="failures", EventPattern=json.dumps(pattern))
    world.client("events").put_targets(Rule="failures", Targets=[seen(world)])
    for text in ('{"name": "Ann"}', '{"nobody": true}'):
        world.client("stepfunctions").start_execution(stateMachineArn=machine, input=text)
    world.clock.sleep(60, "test")
    assert [execution["status"] for execution in world.executions(machine)] == ["SUCCEEDED", "FAILED"]
    (message,) = world.messages("Seen")
    detail = json.loads(message["Body"])["detail"]
    assert (detail["status"], detail["error"], detail["stateMachineArn"]) == ("FAILED", "KeyError", machine)
