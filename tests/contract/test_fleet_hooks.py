"""Lifecycle hooks through boto3: who waits, who may go on, and what silence leads to."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.fleet_world import FleetWorld, fleet_world

LAUNCH = "EC2 Instance-launch Lifecycle Action"
HOOK = {"AutoScalingGroupName": "gpu", "LifecycleHookName": "gpuops-admit"}


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """One instance in service, and one that waits in the launch hook."""
    with fleet_world() as made:
        made.stage(size=1, hook_heartbeat_seconds=300)
        made.client("autoscaling").set_desired_capacity(AutoScalingGroupName="gpu", DesiredCapacity=2)
        made.clock.advance(40)
        yield made


def waiting(world: FleetWorld) -> str:
    """The instance that waits."""
    (found,) = [each for each, state in world.states().items() if state == "Pending:Wait"]
    return found


def complete(world: FleetWorld, result: str, **whom: str) -> None:
    """Answer the hook."""
    world.client("autoscaling").complete_lifecycle_action(**HOOK, LifecycleActionResult=result, **whom)


def test_the_event_names_the_action_and_its_token_completes_it(world: FleetWorld) -> None:
    """Continue, proceed, in service."""
    event = world.near.heard(LAUNCH)[-1]
    assert event["EC2InstanceId"] == waiting(world)
    assert (event["Origin"], event["Destination"]) == ("EC2", "AutoScalingGroup")
    complete(world, "CONTINUE", LifecycleActionToken=event["LifecycleActionToken"])
    assert world.states()[event["EC2InstanceId"]] == "Pending:Proceed"
    world.clock.advance(5)
    assert set(world.states().values()) == {"InService"}


def test_an_abandoned_launch_is_terminated_and_replaced(world: FleetWorld) -> None:
    """The activity says why, the event that it failed."""
    lost = waiting(world)
    complete(world, "ABANDON", InstanceId=lost)
    assert world.states()[lost] == "Terminating"
    world.clock.advance(120)
    assert lost not in world.states()
    assert world.near.stopped == [lost]
    assert waiting(world) != lost
    (event,) = world.near.heard("EC2 Instance Launch Unsuccessful")
    assert "Lifecycle Action Completed with ABANDON Result" in event["StatusMessage"]
    found = world.client("autoscaling").describe_scaling_activities(AutoScalingGroupName="gpu")["Activities"]
    assert "Cancelled" in [each["StatusCode"] for each in found]


def waiting_for_abandon(world: FleetWorld) -> str:
    """One more instance that waits, launched after the hook's default became ABANDON."""
    complete(world, "CONTINUE", InstanceId=waiting(world))
    launching = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "HeartbeatTimeout": 300}
    world.client("autoscaling").put_lifecycle_hook(**HOOK, **launching, DefaultResult="ABANDON")
    world.client("autoscaling").set_desired_capacity(AutoScalingGroupName="gpu", DesiredCapacity=3)
    world.clock.advance(40)
    return waiting(world)


def test_silence_lets_an_instance_in_behind_the_recommended_hook(world: FleetWorld) -> None:
    """The heartbeat timeout of 300 seconds, then CONTINUE: whoever fails to answer costs no instance."""
    kept = waiting(world)
    world.clock.advance(240)
    assert waiting(world) == kept
    world.clock.advance(60)
    assert world.states()[kept] == "InService"


def test_silence_ends_in_the_hooks_default(world: FleetWorld) -> None:
    """An operator's hook may say ABANDON."""
    lost = waiting_for_abandon(world)
    world.clock.advance(300)
    assert world.states()[lost] == "Terminating"
    assert "Heartbeat Timeout elapsed" in world.near.heard("EC2 Instance Launch Unsuccessful")[0]["StatusMessage"]


def test_a_heartbeat_starts_the_timeout_anew(world: FleetWorld) -> None:
    """As often as it comes."""
    kept = waiting(world)
    for _ in range(3):
        world.clock.advance(250)
        world.client("autoscaling").record_lifecycle_action_heartbeat(**HOOK, InstanceId=kept)
    assert waiting(world) == kept


def test_heartbeats_cannot_hold_an_instance_for_ever(world: FleetWorld) -> None:
    """A hundred timeouts are the end of any patience."""
    lost = waiting_for_abandon(world)
    for _ in range(100):
        world.client("autoscaling").record_lifecycle_action_heartbeat(**HOOK, InstanceId=lost)
        world.clock.advance(297)
    world.client("autoscaling").record_lifecycle_action_heartbeat(**HOOK, InstanceId=lost)
    world.clock.advance(290)
    assert world.states()[lost] == "Terminating"


def test_an_action_that_is_over_or_never_was_is_refused(world: FleetWorld) -> None:
    """Whoever answers twice, too late or for a stranger gets the same words."""
    instance = waiting(world)
    complete(world, "CONTINUE", InstanceId=instance)
    for whom in ({"InstanceId": instance}, {"LifecycleActionToken": "0" * 36}):
        for call in (complete, heartbeat):
            with pytest.raises(ClientError, match="No active Lifecycle Action found"):
                call(world, "CONTINUE", **whom)


def heartbeat(world: FleetWorld, _result: str, **whom: Any) -> None:
    """Ask for more time."""
    world.client("autoscaling").record_lifecycle_action_heartbeat(**HOOK, **whom)


def test_an_instance_that_waits_can_be_terminated_but_not_protected(world: FleetWorld) -> None:
    """Its hook is forgotten with it."""
    client, instance = world.client("autoscaling"), waiting(world)
    with pytest.raises(ClientError, match="is not in InService"):
        client.set_instance_protection(AutoScalingGroupName="gpu", InstanceIds=[instance], ProtectedFromScaleIn=True)
    client.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=True)
    world.clock.advance(600)
    assert list(world.states().values()) == ["InService"]


def test_new_instances_are_protected_when_the_group_says_so(world: FleetWorld) -> None:
    """From the launch on, hook or not; those that were there are not touched."""
    client = world.client("autoscaling")
    client.update_auto_scaling_group(
        AutoScalingGroupName="gpu", NewInstancesProtectedFromScaleIn=True, DesiredCapacity=3
    )
    world.clock.advance(40)
    assert [each["ProtectedFromScaleIn"] for each in world.group()["Instances"]] == [False, False, True]


def test_a_deleted_hook_lets_its_instances_go_on(world: FleetWorld) -> None:
    """And is no longer described."""
    client = world.client("autoscaling")
    assert client.describe_lifecycle_hooks(AutoScalingGroupName="gpu")["LifecycleHooks"][0]["HeartbeatTimeout"] == 300
    client.delete_lifecycle_hook(**HOOK)
    world.clock.advance(5)
    assert set(world.states().values()) == {"InService"}
    assert client.describe_lifecycle_hooks(AutoScalingGroupName="gpu")["LifecycleHooks"] == []


def test_a_termination_hook_holds_the_machine_until_it_is_answered(world: FleetWorld) -> None:
    """EC2 still runs it meanwhile."""
    client = world.client("autoscaling")
    hook = {**HOOK, "LifecycleHookName": "last-words"}
    client.put_lifecycle_hook(
        **hook, LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", NotificationMetadata="bye"
    )
    instance = next(iter(world.states()))
    client.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=True)
    world.clock.advance(600)
    assert world.states()[instance] == "Terminating:Wait"
    assert world.near.heard("EC2 Instance-terminate Lifecycle Action")[-1]["NotificationMetadata"] == "bye"
    assert instance not in world.near.stopped
    client.complete_lifecycle_action(**hook, InstanceId=instance, LifecycleActionResult="CONTINUE")
    world.clock.advance(90)
    assert instance not in world.states()


def test_a_new_root_volume_passes_the_hook_and_reboots_the_same_instance(world: FleetWorld) -> None:
    """The event says what is asked; the instance, its place in the group and its address stay; the image does not."""
    (serving,) = [each for each, state in world.states().items() if state == "InService"]
    image = "ami-0aa0aa0aa0aa0aa01"

    world.fleet.replace_root_volume("gpu", image)
    world.clock.advance(1)
    event = world.near.heard(LAUNCH)[-1]
    held = world.states()[serving]
    complete(world, "CONTINUE", LifecycleActionToken=event["LifecycleActionToken"])
    world.clock.advance(10)
    rebooted, under_way = list(world.near.rebooted), world.states()[serving]
    world.clock.advance(60)

    assert (event["EC2InstanceId"], event["Action"]) == (serving, "ReplaceRootVolume")
    assert (event["Origin"], event["Destination"]) == ("AutoScalingGroup", "AutoScalingGroup")
    assert (held, under_way, world.states()[serving]) == ("Pending:Wait", "Pending:Proceed", "InService")
    assert [(each.instance_id, each.ami) for each in rebooted] == [(serving, image)]
    assert world.group()["LaunchTemplate"]["Version"] == "2"
    reservations = world.client("ec2").describe_instances(InstanceIds=[serving])["Reservations"]
    assert [each["ImageId"] for found in reservations for each in found["Instances"]] == [image]


def test_a_suspended_launch_process_launches_nothing_until_it_is_resumed(world: FleetWorld) -> None:
    """What was abandoned meanwhile is made up for afterwards."""
    client, lost = world.client("autoscaling"), waiting(world)
    client.suspend_processes(AutoScalingGroupName="gpu", ScalingProcesses=["Launch"])
    complete(world, "ABANDON", InstanceId=lost)
    world.clock.advance(600)
    assert len(world.states()) == 1

    client.resume_processes(AutoScalingGroupName="gpu", ScalingProcesses=["Launch"])
    world.clock.advance(40)
    assert waiting(world) != lost
