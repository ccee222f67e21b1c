"""Images, public parameters, instance types and the cluster's description, through boto3."""

import base64
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from rehearsal.region.images import image_name, parameters
from rehearsal.scenario import Release, Withdrawal
from tests.contract.fleet_world import CLUSTER, EPOCH, NEW, OLD, FleetWorld, fleet_world

ROOT = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/nvidia"


@pytest.fixture(scope="module")
def world() -> Iterator[FleetWorld]:
    """A region at whose start OLD is out, and NEW an hour later."""
    with fleet_world() as made:
        yield made


def test_a_release_appears_at_its_time_and_the_older_one_stays_in_the_history(world: FleetWorld) -> None:
    """Polling sees nothing until the clock says so."""
    ssm, ec2 = world.client("ssm"), world.client("ec2")
    names = {key: f"{ROOT}/recommended/{key}" for key in ("image_id", "release_version", "image_name")}
    assert ssm.get_parameter(Name=names["image_id"])["Parameter"]["Value"] == OLD.ami
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        ec2.describe_images(ImageIds=[NEW.ami])
    world.clock.advance(3600)
    values = {key: ssm.get_parameter(Name=name)["Parameter"] for key, name in names.items()}
    assert values["image_id"]["Value"] == NEW.ami
    assert values["release_version"]["Value"] == NEW.release
    assert values["image_name"]["Value"] == "amazon-eks-node-al2023-x86_64-nvidia-1.36-v20261101"
    assert values["image_id"]["LastModifiedDate"].timestamp() == EPOCH + 3600
    history = ssm.get_parameter_history(Name=names["image_id"])["Parameters"]
    assert [(each["Version"], each["Value"]) for each in history] == [(1, OLD.ami), (2, NEW.ami)]
    image = ec2.describe_images(ImageIds=[NEW.ami])["Images"][0]
    assert (image["Name"], image["CreationDate"]) == (values["image_name"]["Value"], "2026-11-23T10:00:00.000Z")


def test_bottlerocket_and_plain_images_have_paths_of_their_own() -> None:
    """Variant, architecture and family decide; the versioned path keeps naming an old image."""
    flat = Release(
        release="1.62.0", ami="ami-0cc0cc0cc0cc0cc03", family="bottlerocket", architecture="arm64", driver="580"
    )
    plain = Release(release="1.36.3-20261001", ami="ami-0dd0dd0dd0dd0dd04")
    assert parameters(flat, "1.36")["/aws/service/bottlerocket/aws-k8s-1.36-nvidia/arm64/latest/image_id"] == flat.ami
    assert image_name(plain, "1.36") == "amazon-eks-node-al2023-x86_64-standard-1.36-v20261001"
    assert f"{ROOT.replace('nvidia', 'standard')}/{image_name(plain, '1.36')}/image_id" in parameters(plain, "1.36")


@pytest.mark.parametrize(
    ("name", "gpus", "gpu"),
    [
        ("g4dn.xlarge", 1, "T4"),
        ("g5.12xlarge", 4, "A10G"),
        ("g6.xlarge", 1, "L4"),
        ("p3.8xlarge", 4, "V100"),
        ("p4d.24xlarge", 8, "A100"),
        ("p5.48xlarge", 8, "H100"),
    ],
)
def test_instance_types_tell_their_gpus(world: FleetWorld, name: str, gpus: int, gpu: str) -> None:
    """Admission counts them; p3 has fallen out of moto's own table."""
    found = world.client("ec2").describe_instance_types(InstanceTypes=[name])["InstanceTypes"][0]
    assert [(each["Count"], each["Name"]) for each in found["GpuInfo"]["Gpus"]] == [(gpus, gpu)]


def test_a_type_without_gpus_has_no_gpu_info(world: FleetWorld) -> None:
    """As on AWS: the key is missing."""
    assert "GpuInfo" not in world.client("ec2").describe_instance_types(InstanceTypes=["m7i.large"])["InstanceTypes"][0]


def test_the_cluster_leads_to_the_wire(world: FleetWorld) -> None:
    """Endpoint and CA are what a client builds itself from."""
    cluster = world.client("eks").describe_cluster(name="train")["cluster"]
    assert cluster["endpoint"] == CLUSTER.endpoint
    assert base64.b64decode(cluster["certificateAuthority"]["data"]).decode() == CLUSTER.ca_pem
    assert cluster["accessConfig"]["authenticationMode"] == "API"
    assert len(cluster["resourcesVpcConfig"]["subnetIds"]) == 2


def test_only_managed_groups_are_node_groups(world: FleetWorld) -> None:
    """Self-managed ones are unknown to EKS; strangers are not found."""
    client = world.client("eks")
    assert client.list_nodegroups(clusterName="train")["nodegroups"] == []
    world.stage("eks-managed-0a1b2c3d", kind="managed")
    assert client.list_nodegroups(clusterName="train")["nodegroups"] == ["managed"]
    found = client.describe_nodegroup(clusterName="train", nodegroupName="managed")["nodegroup"]
    assert (found["releaseVersion"], found["status"]) == (OLD.release, "ACTIVE")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.describe_cluster(name="other")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.describe_nodegroup(clusterName="train", nodegroupName="gpu")


@pytest.mark.parametrize(("image", "plain", "asked"), [("kept", 1, 1), ("deprecated", 0, 1), ("gone", 0, 0)])
def test_a_withdrawn_release_gives_its_parameters_back(image: str, plain: int, asked: int) -> None:
    """They name the one before; a deprecated image is seen only by who asks for such, or names it."""
    with fleet_world() as made:
        made.clock.advance(3600)
        made.fleet.images.withdraw(Withdrawal.model_validate({"ami": NEW.ami, "image": image}))
        ec2, named = made.client("ec2"), [{"Name": "image-id", "Values": [NEW.ami]}]

        for key, value in (("image_id", OLD.ami), ("release_version", OLD.release)):
            assert made.client("ssm").get_parameter(Name=f"{ROOT}/recommended/{key}")["Parameter"]["Value"] == value
        assert len(ec2.describe_images(Filters=named)["Images"]) == plain
        shown = ec2.describe_images(Filters=named, IncludeDeprecated=True)["Images"]
        since = "2026-11-23T10:00:00.000Z" if image == "deprecated" else None
        assert [found.get("DeprecationTime") for found in shown] == [since] * asked
