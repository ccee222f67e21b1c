"""Managed node groups as EKS updates them: what is refused, and what an update does to the group, step by step.

Aspects: description, both strategies, percentages, the token, custom images, evictions that fail or are forced,
newcomers that never become Ready, and the configuration as an update of its own.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gpuops.adapters.nodegroups import Nodegroups
from gpuops.domain.errors import Conflict, Invalid
from gpuops.domain.rotation.group import Home
from gpuops.domain.rotation.move import Move, request_of
from tests.contract.fleet_world import NEW, OLD, FleetWorld, fleet_world

ASG = "eks-gpu-0a1b2c3d"
NAMED = {"clusterName": "train", "nodegroupName": "gpu"}
TARGET = {"version": "1.36", "releaseVersion": NEW.release}


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """A fleet whose newer release is out."""
    with fleet_world() as made:
        made.clock.advance(NEW.at)
        yield made


def stage(world: FleetWorld, **changes: Any) -> None:
    """A managed group of two nodes in two zones."""
    world.stage(ASG, kind="managed", **changes)


def begin(world: FleetWorld, **params: Any) -> str:
    """Start an update; return its id."""
    answer = world.client("eks").update_nodegroup_version(**NAMED, **params)["update"]
    return str(answer["id"])


def update(world: FleetWorld, update_id: str) -> dict[str, Any]:
    """How the update stands."""
    found: dict[str, Any] = world.client("eks").describe_update(name="train", nodegroupName="gpu", updateId=update_id)
    return dict(found["update"])


def nodegroup(world: FleetWorld) -> dict[str, Any]:
    """The node group as EKS describes it."""
    return dict(world.client("eks").describe_nodegroup(**NAMED)["nodegroup"])


def images(world: FleetWorld) -> list[str]:
    """The images of the group's instances that are not on their way out."""
    staying = [name for name, state in world.states(ASG).items() if not state.startswith("Terminating")]
    found = world.client("ec2").describe_instances(InstanceIds=staying)["Reservations"]
    return [instance["ImageId"] for reservation in found for instance in reservation["Instances"]]


def test_a_node_group_tells_its_release_and_its_auto_scaling_group(world: FleetWorld) -> None:
    """EKS names the Auto Scaling group, and spells effects in its own way."""
    stage(world, taints=["nvidia.com/gpu=true:NoSchedule"], labels={"team": "a"})
    found = nodegroup(world)
    assert found["resources"]["autoScalingGroups"] == [{"name": ASG}]
    assert (found["amiType"], found["releaseVersion"], found["version"]) == (
        "AL2023_x86_64_NVIDIA",
        OLD.release,
        "1.36",
    )
    assert found["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}]
    assert (found["labels"], found["scalingConfig"]["desiredSize"]) == ({"team": "a"}, 2)
    tags = {tag["Key"]: tag["Value"] for tag in world.group(ASG)["Tags"]}
    assert (tags["eks:nodegroup-name"], tags["eks:cluster-name"]) == ("gpu", "train")


def test_default_adds_twice_the_zones_and_ends_at_the_old_size(world: FleetWorld) -> None:
    """Two zones, so four nodes more; in the end every node has the new image and the sizes are what they were."""
    stage(world)
    started = begin(world, **TARGET)
    world.clock.advance(40)
    assert (world.group(ASG)["DesiredCapacity"], world.group(ASG)["MaxSize"]) == (6, 8)
    assert nodegroup(world)["status"] == "UPDATING"
    world.clock.advance(3600)
    assert update(world, started)["status"] == "Successful"
    assert (nodegroup(world)["releaseVersion"], nodegroup(world)["status"]) == (NEW.release, "ACTIVE")
    assert set(images(world)) == {NEW.ami}
    assert world.group(ASG)["MaxSize"] == 4


def test_minimal_never_has_more_nodes_than_before(world: FleetWorld) -> None:
    """Auto Scaling launches a successor for each that was terminated."""
    stage(world, update_config={"maxUnavailable": 1, "updateStrategy": "MINIMAL"})
    started, sizes = begin(world, **TARGET), set()
    for _ in range(120):
        world.clock.advance(20)
        sizes.add(len(images(world)))
    assert update(world, started)["status"] == "Successful"
    assert max(sizes) == 2
    assert set(images(world)) == {NEW.ami}


def test_a_percentage_is_rounded_down_to_one_at_least(world: FleetWorld) -> None:
    """Of four nodes, half go at a time."""
    stage(world, size=4, update_config={"maxUnavailablePercentage": 50, "updateStrategy": "MINIMAL"})
    begin(world, **TARGET)
    world.clock.advance(125)
    assert images(world).count(OLD.ami) == 2


def test_a_repeated_token_begins_nothing_new(world: FleetWorld) -> None:
    """The caller whose answer was lost asks again, even after the end."""
    stage(world)
    first = begin(world, **TARGET, clientRequestToken="run-1")
    assert begin(world, **TARGET, clientRequestToken="run-1") == first
    world.clock.advance(3600)
    assert begin(world, **TARGET, clientRequestToken="run-1") == first


def test_an_updating_group_refuses_another_update(world: FleetWorld) -> None:
    """One thing at a time."""
    stage(world)
    begin(world, **TARGET)
    with pytest.raises(ClientError, match="ResourceInUseException"):
        begin(world, **TARGET)


@pytest.mark.parametrize("wrong", [{"version": "1.35"}, {"version": "1.36", "releaseVersion": "1.36.9-20300101"}])
def test_an_unknown_version_is_refused(world: FleetWorld, wrong: dict[str, str]) -> None:
    """And nothing begins."""
    stage(world)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        begin(world, **wrong)
    assert nodegroup(world)["status"] == "ACTIVE"


def test_without_a_release_the_latest_is_taken(world: FleetWorld) -> None:
    """Which is why a caller that means one always names it."""
    stage(world)
    asked = update(world, begin(world))["params"]
    assert {"type": "ReleaseVersion", "value": NEW.release} in asked


def test_a_custom_image_takes_a_launch_template_and_no_version(world: FleetWorld) -> None:
    """The new version must be one of the template that the node group was made with."""
    stage(world, custom_ami=True)
    template = nodegroup(world)["launchTemplate"]
    with pytest.raises(ClientError, match="InvalidParameterException"):
        begin(world, **TARGET)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        begin(world, launchTemplate={"id": "lt-00000000000000000", "version": "1"})
    made = world.client("ec2").create_launch_template_version(
        LaunchTemplateId=template["id"], SourceVersion="1", LaunchTemplateData={"ImageId": NEW.ami}
    )
    number = str(made["LaunchTemplateVersion"]["VersionNumber"])
    started = begin(world, launchTemplate={"id": template["id"], "version": number})
    world.clock.advance(3600)
    assert update(world, started)["status"] == "Successful"
    assert (set(images(world)), nodegroup(world)["launchTemplate"]["version"]) == ({NEW.ami}, number)


def test_pods_that_stay_fail_the_update_after_fifteen_minutes(world: FleetWorld) -> None:
    """The error names the nodes, and old nodes are open again."""
    stage(world)
    world.nodes.stubborn = True
    started = begin(world, **TARGET)
    world.clock.advance(3600)
    found = update(world, started)
    assert (found["status"], found["errors"][0]["errorCode"]) == ("Failed", "PodEvictionFailure")
    assert found["errors"][0]["resourceIds"][0].endswith(".ec2.internal")
    assert world.nodes.cordoned == set()
    assert (nodegroup(world)["status"], nodegroup(world)["releaseVersion"]) == ("ACTIVE", OLD.release)


def test_a_forced_update_deletes_what_stays(world: FleetWorld) -> None:
    """After the same fifteen minutes."""
    stage(world)
    world.nodes.stubborn = True
    started = begin(world, **TARGET, force=True)
    world.clock.advance(7200)
    assert (update(world, started)["status"], len(world.nodes.forced)) == ("Successful", 2)


def test_newcomers_that_never_become_ready_fail_the_update(world: FleetWorld) -> None:
    """No old node has gone by then."""
    stage(world)
    world.nodes.unready = True
    started = begin(world, **TARGET)
    world.clock.advance(3600)
    found = update(world, started)
    assert (found["status"], found["errors"][0]["errorCode"]) == ("Failed", "NodeCreationFailure")
    assert images(world).count(OLD.ami) == 2


def test_a_change_of_the_configuration_is_an_update_too(world: FleetWorld) -> None:
    """It keeps what it does not name."""
    stage(world)
    answer = world.client("eks").update_nodegroup_config(**NAMED, updateConfig={"updateStrategy": "MINIMAL"})
    assert nodegroup(world)["status"] == "UPDATING"
    world.clock.advance(60)
    assert update(world, answer["update"]["id"])["status"] == "Successful"
    assert nodegroup(world)["updateConfig"] == {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}


def test_an_update_is_found_only_under_its_node_group(world: FleetWorld) -> None:
    """DescribeUpdate needs the node group's name."""
    stage(world)
    started = begin(world, **TARGET)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        world.client("eks").describe_update(name="train", updateId=started)


def test_the_adapter_reads_a_node_group_and_sets_its_strategy_once(world: FleetWorld) -> None:
    """The same token is the same update; while EKS is at work, another one is a Conflict."""
    stage(world, startup_taint=True)
    adapter = Nodegroups(world.client("eks"))
    found = adapter.describe("train", "gpu")
    assert (found.status, found.release, found.groups) == ("ACTIVE", OLD.release, (ASG,))
    assert (found.strategy, found.template, found.startup_taint) == ("DEFAULT", None, True)
    for _ in range(2):
        adapter.set_strategy("train", "gpu", "MINIMAL", "token-1")
    with pytest.raises(Conflict, match="update the configuration of node group gpu"):
        adapter.set_strategy("train", "gpu", "DEFAULT", "token-2")
    world.clock.advance(60)
    assert (adapter.describe("train", "gpu").strategy, adapter.describe("train", "gpu").status) == ("MINIMAL", "ACTIVE")
    with pytest.raises(Invalid, match="ResourceNotFoundException"):
        adapter.describe("train", "other")


def test_the_adapter_reads_a_custom_images_launch_template(world: FleetWorld) -> None:
    """By id and number, as an update has to name it."""
    stage(world, custom_ami=True)
    found = Nodegroups(world.client("eks")).describe("train", "gpu")
    assert (found.custom, found.release) == (True, OLD.ami)
    assert found.template is not None
    assert found.template.version == "1"


def like(found: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What makes another node group like this one."""
    keys = ("amiType", "instanceTypes", "labels", "nodeRole", "subnets", "taints", "updateConfig", "capacityType")
    sizes = {"minSize": 0, "maxSize": 4, "desiredSize": 0}
    asked = {"clusterName": "train", "nodegroupName": "gpu-new", "scalingConfig": sizes, **TARGET}
    return {**asked, **{key: found[key] for key in keys if found.get(key)}, **changes}


def test_a_node_group_is_made_like_another_one(world: FleetWorld) -> None:
    """Empty and ACTIVE a minute later, with an Auto Scaling group of its own that bears EKS's tags and no others."""
    stage(world, taints=["nvidia.com/gpu=true:NoSchedule"], labels={"team": "a"})
    eks, asked = world.client("eks"), like(nodegroup(world), tags={"mine": "yes"}, clientRequestToken="once")
    first = eks.create_nodegroup(**asked)["nodegroup"]
    assert eks.create_nodegroup(**asked)["nodegroup"]["nodegroupArn"] == first["nodegroupArn"]
    assert (first["status"], first.get("resources")) == ("CREATING", None)
    with pytest.raises(ClientError, match="ResourceInUseException"):
        eks.create_nodegroup(**{**asked, "clientRequestToken": "other"})
    world.clock.advance(70)

    made = eks.describe_nodegroup(clusterName="train", nodegroupName="gpu-new")["nodegroup"]
    assert (made["status"], made["releaseVersion"], made["tags"]) == ("ACTIVE", NEW.release, {"mine": "yes"})
    for key in ("taints", "labels", "instanceTypes", "nodeRole"):
        assert made[key] == nodegroup(world)[key]
    (name,) = [each["name"] for each in made["resources"]["autoScalingGroups"]]
    tags = {tag["Key"]: tag["Value"] for tag in world.group(name)["Tags"]}
    assert (tags["eks:nodegroup-name"], "mine" in tags, "gpuops:cluster" in tags) == ("gpu-new", False, False)
    assert name.startswith("eks-gpu-new-")
    world.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    world.clock.advance(300)
    assert [*world.states(name).values()] == ["InService"]
    assert world.near.booted[-1].ami == NEW.ami


def test_a_new_node_group_whose_nodes_do_not_come_has_failed(world: FleetWorld) -> None:
    """As EKS says, in the words of its health."""
    stage(world)
    world.nodes.unready = True
    sizes = {"minSize": 0, "maxSize": 4, "desiredSize": 1}
    world.client("eks").create_nodegroup(**like(nodegroup(world), scalingConfig=sizes))
    world.clock.advance(1200)
    made = world.client("eks").describe_nodegroup(clusterName="train", nodegroupName="gpu-new")["nodegroup"]
    assert (made["status"], made["health"]["issues"][0]["code"]) == ("CREATE_FAILED", "NodeCreationFailure")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"releaseVersion": "1.36.9-20270101"}, "not valid"),
        ({"version": "1.37"}, "not the cluster's"),
        ({"scalingConfig": {"minSize": 2, "maxSize": 4, "desiredSize": 1}}, "do not fit"),
        ({"nodeRole": ""}, "node role"),
        ({"amiType": "CUSTOM"}, "type CUSTOM"),
    ],
)
def test_what_makes_no_node_group_is_refused(world: FleetWorld, changes: dict[str, Any], why: str) -> None:
    """And none is begun."""
    stage(world)
    with pytest.raises(ClientError, match=why):
        world.client("eks").create_nodegroup(**like(nodegroup(world), **changes))
    assert world.client("eks").list_nodegroups(clusterName="train")["nodegroups"] == ["gpu"]


def test_a_node_group_is_deleted_with_its_nodes(world: FleetWorld) -> None:
    """Drained, past a budget after a quarter of an hour; then its Auto Scaling group is gone, too."""
    stage(world)
    world.nodes.stubborn = True
    assert world.client("eks").delete_nodegroup(**NAMED)["nodegroup"]["status"] == "DELETING"
    with pytest.raises(ClientError, match="ResourceInUseException"):
        world.client("eks").delete_nodegroup(**NAMED)
    world.clock.advance(600)
    assert len(images(world)) == 2
    world.clock.advance(1200)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        nodegroup(world)
    assert world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert len(world.nodes.forced) == 2


def test_the_adapter_makes_tags_resizes_and_deletes(world: FleetWorld) -> None:
    """Each asked twice; what is not there is not found, and what goes is gone."""
    stage(world, taints=["nvidia.com/gpu=true:NoSchedule"])
    adapter = Nodegroups(world.client("eks"))
    assert adapter.find("train", "gpu-new") is None
    old = adapter.describe("train", "gpu")
    assert (old.uncopied, old.likeness["amiType"]) == ((), "AL2023_x86_64_NVIDIA")
    move = Move(old=Home(name=ASG, nodegroup="gpu", min=0, max=4, desired=2), nodegroup="gpu-new", min=0, max=4)
    asked = request_of(old, move, "gpu", "train", NEW.release)
    for _ in range(2):
        adapter.create(asked, "once")
    made = adapter.find("train", "gpu-new")
    assert made is not None
    assert (made.status, made.groups, made.tags["gpuops:group"]) == ("CREATING", (), "gpu")
    with pytest.raises(Conflict):
        adapter.create(asked, "another")
    world.clock.advance(70)
    made = adapter.describe("train", "gpu-new")
    assert (made.status, made.startup_taint, len(made.groups)) == ("ACTIVE", True, 1)
    for _ in range(2):
        adapter.set_sizes("train", "gpu-new", 0, 7, "sizes")
    with pytest.raises(Conflict):
        adapter.delete("train", "gpu-new")
    world.clock.advance(60)
    assert (world.group(made.groups[0])["MinSize"], world.group(made.groups[0])["MaxSize"]) == (0, 7)
    for _ in range(2):
        adapter.delete("train", "gpu-new")
    world.clock.advance(600)
    adapter.delete("train", "gpu-new")
    assert adapter.find("train", "gpu-new") is None
