"""Auto Scaling through boto3: what it refuses and in which words, and what it shows to those who look."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.fleet_world import EPOCH, OLD, FleetWorld, fleet_world


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """A region with two zones and no limits."""
    with fleet_world() as made:
        yield made


REFUSALS = [
    ("set_desired_capacity", {"DesiredCapacity": 9}, "New SetDesiredCapacity value 9 is above max value 4"),
    ("set_desired_capacity", {"DesiredCapacity": 0}, "New SetDesiredCapacity value 0 is below min value 1"),
    ("update_auto_scaling_group", {"MinSize": 5}, "Max bound, 4, must be greater than or equal to min bound, 5"),
    ("update_auto_scaling_group", {"DesiredCapacity": 9}, "Desired capacity:9 must be between"),
    ("update_auto_scaling_group", {"LaunchTemplate": {"LaunchTemplateName": "none"}}, "does not exist"),
    ("suspend_processes", {"ScalingProcesses": ["Lunch"]}, "Lunch is not a valid process type"),
    (
        "set_instance_protection",
        {"InstanceIds": ["i-0"], "ProtectedFromScaleIn": True},
        "not part of Auto Scaling group",
    ),
]


@pytest.mark.parametrize(("call", "arguments", "message"), REFUSALS)
def test_what_aws_refuses_is_refused_in_its_words(
    world: FleetWorld, call: str, arguments: dict[str, Any], message: str
) -> None:
    """And nothing has changed."""
    world.stage(size=1, min=1)
    before = world.group()
    error = refused(lambda: getattr(world.client("autoscaling"), call)(AutoScalingGroupName="gpu", **arguments))
    assert error["Code"] == "ValidationError"
    assert message in error["Message"]
    assert world.group() == before


def test_an_instance_or_group_that_is_not_there_is_refused(world: FleetWorld) -> None:
    """Also an instance terminated long ago."""
    world.stage(size=1, min=1)
    error = refused(lambda: terminate(world, "i-0123456789abcdef0", shrink=True))
    assert error["Message"].startswith("Instance Id not found")
    error = refused(lambda: resize(world, 1, "other"))
    assert error["Message"].startswith("AutoScalingGroup name not found")
    error = refused(lambda: terminate(world, next(iter(world.states())), shrink=True))
    assert "will violate group's min size constraint" in error["Message"]


def test_operations_that_are_not_rehearsed_say_so(world: FleetWorld) -> None:
    """Rather than answer from a model that knows no group."""
    world.stage()
    client = world.client("autoscaling")
    error = refused(lambda: client.detach_instances(AutoScalingGroupName="gpu", ShouldDecrementDesiredCapacity=True))
    assert error["Code"] == "UnsupportedOperation"


def test_groups_are_found_by_tag_and_paged(world: FleetWorld) -> None:
    """As discovery uses them."""
    for name in ("one", "two", "three"):
        world.stage(name, size=1)
    client = world.client("autoscaling")
    pages = list(client.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(each["AutoScalingGroups"]) for each in pages] == [2, 1]
    by_tag = client.describe_auto_scaling_groups(Filters=[{"Name": "tag:gpuops:group", "Values": ["two"]}])
    assert [each["AutoScalingGroupName"] for each in by_tag["AutoScalingGroups"]] == ["two"]
    rows = client.describe_auto_scaling_instances()["AutoScalingInstances"]
    assert sorted(each["AutoScalingGroupName"] for each in rows) == ["one", "three", "two"]


def test_instances_carry_what_ec2_shows_of_a_groups_instance(world: FleetWorld) -> None:
    """Name, image, time of the clock, tags of the group and of its launch template."""
    world.stage(size=1)
    (instance_id,) = world.states()
    found = world.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    assert (found["PrivateDnsName"], found["ImageId"]) == (world.near.booted[0].private_dns, OLD.ami)
    assert found["LaunchTime"].timestamp() == EPOCH
    assert found["State"]["Name"] == "running"
    assert tags["aws:autoscaling:groupName"] == tags["gpuops:group"] == "gpu"
    assert tags["aws:ec2launchtemplate:version"] == "1"


def resize(world: FleetWorld, desired: int, name: str = "gpu") -> None:
    """Ask for another size."""
    world.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=desired)


def terminate(world: FleetWorld, instance_id: str, *, shrink: bool) -> None:
    """Terminate through the group."""
    world.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance_id, ShouldDecrementDesiredCapacity=shrink
    )


def refused(call: Any) -> dict[str, str]:
    """The error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call()
    error: Any = caught.value.response["Error"]
    return dict(error)
