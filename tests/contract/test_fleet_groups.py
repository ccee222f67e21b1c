"""Auto Scaling through boto3: sizes, zones, capacity, protection, processes, termination."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.fleet_world import ZONES, FleetWorld, fleet_world

PLAIN = {"kind": "regular"}


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """A region with two zones and no limits."""
    with fleet_world() as made:
        yield made


def test_a_staged_group_is_full_and_in_service_before_anything_happens(world: FleetWorld) -> None:
    """Its kubelets boot, its hook stands, and no event but the hook's test notification went out."""
    world.stage(size=3)
    group = world.group()
    assert [each["LifecycleState"] for each in group["Instances"]] == ["InService"] * 3
    assert Counter(each["AvailabilityZone"] for each in group["Instances"]) == {"us-east-1a": 2, "us-east-1b": 1}
    assert [each.instance_id for each in world.near.booted] == [each["InstanceId"] for each in group["Instances"]]
    assert [kind for kind, _, _ in world.near.events] == ["EC2 Instance-launch Lifecycle Action"]
    assert world.near.events[0][1]["Event"] == "autoscaling:TEST_NOTIFICATION"


def test_the_same_seed_gives_the_same_instances(world: FleetWorld) -> None:
    """Ids and addresses are part of what two runs must share."""
    world.stage()
    with fleet_world() as again:
        again.stage()
        assert again.near.booted == world.near.booted


def test_raising_the_desired_capacity_launches_in_the_emptiest_zone(world: FleetWorld) -> None:
    """Launches take their time: pending first, then in service, then the event with its misleading status."""
    world.stage(size=3, **PLAIN)
    resize(world, 4)
    world.clock.advance(6)
    new = newest(world)
    assert (new["LifecycleState"], new["AvailabilityZone"]) == ("Pending", "us-east-1b")
    world.clock.advance(60)
    assert newest(world)["LifecycleState"] == "InService"
    (event,) = world.near.heard("EC2 Instance Launch Successful")
    assert (event["EC2InstanceId"], event["StatusCode"]) == (new["InstanceId"], "InProgress")
    assert event["EndTime"] > event["StartTime"]


def test_lowering_the_desired_capacity_takes_an_unprotected_instance(world: FleetWorld) -> None:
    """The protected one stays although its zone is the fuller one; the machine, its kubelet and its node go."""
    world.stage(size=2, **PLAIN)
    keep, go = list(world.states())
    protect(world, keep)
    resize(world, 1)
    world.clock.advance(120)
    assert world.states() == {keep: "InService"}
    assert world.near.stopped == [go]
    assert world.near.forgotten == [each.private_dns for each in world.near.booted if each.instance_id == go]


def test_a_group_whose_instances_are_all_protected_does_not_shrink(world: FleetWorld) -> None:
    """It says so in one activity."""
    world.stage(size=2, **PLAIN)
    protect(world, *world.states())
    resize(world, 1)
    world.clock.advance(3600)
    assert len(world.states()) == 2
    assert "protected from scale-in" in activities(world)[0]["StatusMessage"]


def test_terminating_with_decrement_shrinks_and_without_it_replaces(world: FleetWorld) -> None:
    """Desired capacity follows the flag at once; a second call changes nothing."""
    world.stage(size=2, **PLAIN)
    first, second = list(world.states())
    for _ in range(2):
        terminate(world, first, shrink=True)
    assert world.group()["DesiredCapacity"] == 1
    terminate(world, second, shrink=False)
    world.clock.advance(120)
    assert world.group()["DesiredCapacity"] == 1
    assert list(world.states().values()) == ["InService"]
    assert not {first, second} & set(world.states())


def test_an_instance_terminated_through_ec2_is_replaced_after_a_health_check(world: FleetWorld) -> None:
    """Somebody pulls the plug behind the group's back."""
    world.stage(size=2, **PLAIN)
    lost = next(iter(world.states()))
    world.clock.advance(60)
    answer = world.client("ec2").terminate_instances(InstanceIds=[lost])
    assert answer["TerminatingInstances"][0]["CurrentState"]["Name"] == "shutting-down"
    world.clock.advance(30)
    assert world.states()[lost] == "InService"
    world.clock.advance(200)
    assert lost not in world.states()
    assert list(world.states().values()) == ["InService"] * 2


@pytest.mark.parametrize("process", ["Launch", "Terminate"])
def test_a_suspended_process_does_nothing_until_it_is_resumed(world: FleetWorld, process: str) -> None:
    """Suspended processes are listed, and what was missed is made up for."""
    world.stage(size=2, **PLAIN)
    client, target = world.client("autoscaling"), 3 if process == "Launch" else 1
    client.suspend_processes(AutoScalingGroupName="gpu", ScalingProcesses=[process])
    resize(world, target)
    world.clock.advance(600)
    assert len(world.states()) == 2
    assert [each["ProcessName"] for each in world.group()["SuspendedProcesses"]] == [process]
    client.resume_processes(AutoScalingGroupName="gpu", ScalingProcesses=[process])
    world.clock.advance(600)
    assert len(world.states()) == target
    assert world.group()["SuspendedProcesses"] == []


@pytest.mark.parametrize(
    ("suspended", "zones"), [(["AZRebalance"], {"us-east-1a": 2}), ([], {"us-east-1a": 1, "us-east-1b": 1})]
)
def test_a_lopsided_group_is_rebalanced_unless_that_is_suspended(
    world: FleetWorld, suspended: list[str], zones: dict[str, int]
) -> None:
    """Rebalancing launches and terminates by itself: that is how a forgotten suspension shows."""
    world.stage(size=2, **PLAIN, zones=["us-east-1a"])
    client, subnets = world.client("autoscaling"), world.fleet.compute.subnets
    if suspended:
        client.suspend_processes(AutoScalingGroupName="gpu", ScalingProcesses=suspended)
    client.update_auto_scaling_group(AutoScalingGroupName="gpu", VPCZoneIdentifier=",".join(subnets.values()))
    world.clock.advance(600)
    assert Counter(each["AvailabilityZone"] for each in world.group()["Instances"]) == zones


def test_a_zone_without_capacity_fails_and_the_other_zone_is_taken() -> None:
    """The failure stays visible as an activity and an event, in AWS's words."""
    with fleet_world({"us-east-1a": "unlimited", "us-east-1b": {"g4dn.xlarge": 0}}) as world:
        world.stage(size=1, **PLAIN)
        resize(world, 2)
        world.clock.advance(60)
        assert Counter(each["AvailabilityZone"] for each in world.group()["Instances"]) == {"us-east-1a": 2}
        failed = [each for each in activities(world) if each["StatusCode"] == "Failed"]
        assert "do not have sufficient g4dn.xlarge capacity" in failed[0]["StatusMessage"]
        (event,) = world.near.heard("EC2 Instance Launch Unsuccessful")
        assert event["StatusCode"] == "Failed"


def test_without_capacity_anywhere_the_group_backs_off_and_tries_again() -> None:
    """Capacity that comes back, by itself or by an instance that ended, is found later."""
    empty: dict[str, Any] = {zone: {"g4dn.xlarge": 0} for zone in ZONES}
    with fleet_world(empty) as world:
        world.stage(size=2, **PLAIN)
        resize(world, 3)
        world.clock.advance(3600)
        assert len(world.states()) == 2
        assert 10 <= len(activities(world)) <= 40
        terminate(world, next(iter(world.states())), shrink=False)
        world.clock.advance(900)
        assert len(world.states()) == 2
        world.fleet.set_capacity({"us-east-1b": {"g4dn.xlarge": 1}})
        world.clock.advance(900)
        assert list(world.states().values()) == ["InService"] * 3


def resize(world: FleetWorld, desired: int, name: str = "gpu") -> None:
    """Ask for another size."""
    world.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=desired)


def protect(world: FleetWorld, *instance_ids: str) -> None:
    """Protect from scale-in."""
    world.client("autoscaling").set_instance_protection(
        AutoScalingGroupName="gpu", InstanceIds=list(instance_ids), ProtectedFromScaleIn=True
    )


def terminate(world: FleetWorld, instance_id: str, *, shrink: bool) -> None:
    """Terminate through the group."""
    world.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance_id, ShouldDecrementDesiredCapacity=shrink
    )


def newest(world: FleetWorld) -> dict[str, Any]:
    """The member that came last."""
    found: dict[str, Any] = world.group()["Instances"][-1]
    return found


def activities(world: FleetWorld) -> list[dict[str, Any]]:
    """Newest first."""
    found: list[dict[str, Any]] = world.client("autoscaling").describe_scaling_activities(AutoScalingGroupName="gpu")[
        "Activities"
    ]
    return found
