"""Launch templates and what groups launch from them, through boto3: every field comes back, and versions behave."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.contract.fleet_world import NEW, OLD, FleetWorld, fleet_world

RESPONSE_ONLY = {"State", "Managed", "HiddenByDefault", "IsPrimaryIpv6"}


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """One instance of a group without hooks, whose launch template has one version."""
    with fleet_world() as made:
        made.stage(size=1, kind="regular", labels={"nvidia.com/gpu": "true"}, startup_taint=True)
        yield made


def template(world: FleetWorld) -> dict[str, str]:
    """The group's template."""
    return {"LaunchTemplateId": world.group()["LaunchTemplate"]["LaunchTemplateId"]}


def test_every_field_that_can_be_sent_comes_back_as_it_was(world: FleetWorld) -> None:
    """All of botocore's RequestLaunchTemplateData, so that a copy of a version can be checked against this."""
    client = world.client("ec2")
    data = sample(client.meta.service_model.shape_for("RequestLaunchTemplateData"))
    client.create_launch_template(LaunchTemplateName="full", LaunchTemplateData=data)
    found = client.describe_launch_template_versions(LaunchTemplateName="full")["LaunchTemplateVersions"][0]
    assert without(found["LaunchTemplateData"], RESPONSE_ONLY) == data
    assert found["LaunchTemplateData"]["MetadataOptions"]["State"] == "pending"


def sample(shape: Any) -> Any:
    """A value that fills every member of a shape."""
    if shape.type_name == "structure":
        filled = {name: sample(member) for name, member in shape.members.items()}
        return {**filled, **({"UserData": "aGVsbG8="} if "UserData" in shape.members else {})}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "string":
        return (shape.enum or ["text"])[0]
    return {"boolean": True, "double": 1.5, "timestamp": datetime(2026, 12, 1, tzinfo=UTC)}.get(shape.type_name, 1)


def without(value: Any, names: set[str]) -> Any:
    """The value without these keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(each, names) for key, each in value.items() if key not in names}
    return [without(each, names) for each in value] if isinstance(value, list) else value


def test_a_version_takes_what_is_not_sent_from_its_source_only_if_it_names_one(world: FleetWorld) -> None:
    """Without a source nothing is inherited, which is how fields get lost."""
    client, data = world.client("ec2"), {"ImageId": NEW.ami}
    copied = client.create_launch_template_version(**template(world), SourceVersion="1", LaunchTemplateData=data)
    bare = client.create_launch_template_version(**template(world), LaunchTemplateData=data)
    made = copied["LaunchTemplateVersion"]
    assert (made["VersionNumber"], made["DefaultVersion"]) == (2, False)
    assert made["LaunchTemplateData"]["ImageId"] == NEW.ami
    assert made["LaunchTemplateData"]["InstanceType"] == "g4dn.xlarge"
    assert bare["LaunchTemplateVersion"]["LaunchTemplateData"] == data


def test_a_version_is_made_once_for_each_client_token(world: FleetWorld) -> None:
    """Whoever lost the answer asks again; the same token for something else is refused."""
    call = {**template(world), "ClientToken": "t", "SourceVersion": "1"}
    client = world.client("ec2")
    asked = [client.create_launch_template_version(**call, LaunchTemplateData={"ImageId": NEW.ami}) for _ in range(2)]
    assert [each["LaunchTemplateVersion"]["VersionNumber"] for each in asked] == [2, 2]
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        client.create_launch_template_version(**call, LaunchTemplateData={"ImageId": OLD.ami})


def test_a_deleted_number_is_never_used_again_and_the_default_cannot_go(world: FleetWorld) -> None:
    """Versions are what groups point at."""
    client, whose = world.client("ec2"), template(world)
    for _ in range(2):
        client.create_launch_template_version(**whose, SourceVersion="1", LaunchTemplateData={"ImageId": NEW.ami})
    answer = client.delete_launch_template_versions(**whose, Versions=["1", "3", "9"])
    assert [each["VersionNumber"] for each in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [3]
    assert [each["VersionNumber"] for each in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [1, 9]
    made = client.create_launch_template_version(**whose, SourceVersion="$Latest", LaunchTemplateData={})
    assert made["LaunchTemplateVersion"]["VersionNumber"] == 4
    numbers = [each["VersionNumber"] for each in versions(world)]
    assert numbers == [4, 2, 1]
    with pytest.raises(ClientError, match="VersionNotFound"):
        client.describe_launch_template_versions(**whose, Versions=["3"])


def versions(world: FleetWorld) -> list[dict[str, Any]]:
    """All versions of the group's template."""
    answer = world.client("ec2").describe_launch_template_versions(**template(world))
    found: list[dict[str, Any]] = answer["LaunchTemplateVersions"]
    return found


@pytest.mark.parametrize(("pointer", "expected"), [("$Latest", "3"), ("$Default", "2"), ("1", "1")])
def test_a_pointer_is_resolved_at_each_launch(world: FleetWorld, pointer: str, expected: str) -> None:
    """The group keeps the pointer, the instance shows the number."""
    world.clock.advance(3600)
    ec2, whose = world.client("ec2"), template(world)
    for _ in range(2):
        ec2.create_launch_template_version(**whose, SourceVersion="1", LaunchTemplateData={"ImageId": NEW.ami})
    ec2.modify_launch_template(**whose, DefaultVersion="2")
    change(world, LaunchTemplate={**whose, "Version": pointer}, DesiredCapacity=2)
    world.clock.advance(60)
    assert world.group()["LaunchTemplate"]["Version"] == pointer
    assert world.group()["Instances"][1]["LaunchTemplate"]["Version"] == expected
    assert world.near.booted[1].ami == (OLD.ami if expected == "1" else NEW.ami)


def test_a_template_with_an_image_that_does_not_exist_is_refused_when_a_group_takes_it(world: FleetWorld) -> None:
    """Not before: creating the version works, as on AWS."""
    client = world.client("ec2")
    wrong = {"ImageId": "ami-0123456789abcdef0"}
    client.create_launch_template_version(**template(world), SourceVersion="1", LaunchTemplateData=wrong)
    with pytest.raises(ClientError, match=r"The image id '\[ami-0123456789abcdef0\]' does not exist"):
        change(world, LaunchTemplate={**template(world), "Version": "2"})
    assert world.group()["LaunchTemplate"]["Version"] == "1"


def test_a_mixed_policy_tries_its_overrides_in_order_and_gives_way_to_a_template(world: FleetWorld) -> None:
    """Each override may bring its own type and template; AWS adds the distribution."""
    base = {**template(world), "Version": "1"}
    world.fleet.set_capacity({zone: {"g5.xlarge": 0} for zone in world.fleet.compute.subnets})
    overrides = [{"InstanceType": "g5.xlarge"}, {"InstanceType": "g6.xlarge", "LaunchTemplateSpecification": base}]
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": base, "Overrides": overrides}}
    change(world, MixedInstancesPolicy=policy, DesiredCapacity=2)
    world.clock.advance(60)
    group = world.group()
    assert group["Instances"][1]["InstanceType"] == "g6.xlarge"
    assert "LaunchTemplate" not in group
    assert group["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert [each["InstanceType"] for each in group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]] == [
        "g5.xlarge",
        "g6.xlarge",
    ]
    change(world, LaunchTemplate=base)
    assert "MixedInstancesPolicy" not in world.group()


def test_scale_in_prefers_the_oldest_version(world: FleetWorld) -> None:
    """Which is why old nodes must be picked by name, not by lowering the size."""
    whose, old = template(world), next(iter(world.states()))
    world.client("ec2").create_launch_template_version(
        **whose, SourceVersion="1", LaunchTemplateData={"EbsOptimized": True}
    )
    change(world, LaunchTemplate={**whose, "Version": "2"}, DesiredCapacity=2)
    world.clock.advance(60)
    change(world, DesiredCapacity=1)
    world.clock.advance(120)
    assert old not in world.states()


def test_the_staged_template_carries_a_node_config(world: FleetWorld) -> None:
    """Labels and taints as kubelet flags, the cluster's address, and the kubelet boots with the same text."""
    data = versions(world)[0]["LaunchTemplateData"]["UserData"]
    config = yaml.safe_load(base64.b64decode(data))
    assert config["kind"] == "NodeConfig"
    assert config["spec"]["cluster"]["name"] == "train"
    assert config["spec"]["kubelet"]["flags"] == [
        "--node-labels=nvidia.com/gpu=true",
        "--register-with-taints=startup-taint.cluster-autoscaler.kubernetes.io/gpuops=pending:NoSchedule",
    ]
    assert world.near.booted[0].user_data == data


def change(world: FleetWorld, **settings: Any) -> None:
    """Update the group."""
    world.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="gpu", **settings)
