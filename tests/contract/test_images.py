"""Which AMI each group should run, read from the rehearsal's region.

Covered: both families and architectures; pinned; what is missing, gone or does not fit, each told to its group alone; a
release that is being published; how often AWS is asked for 200 groups.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gpuops.adapters.images import Images
from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.policy import GroupPolicy, Pinned, Recommended
from gpuops.domain.rotation.target import Target
from rehearsal.scenario import Release
from tests.contract.fleet_world import NEW, OLD, FleetWorld, fleet_world

ARM = Release(release="1.36.3-20261002", ami="ami-0cc0cc0cc0cc0cc03", architecture="arm64", driver="580.82.07")
GPU: dict[str, Any] = {"release": "1.50.0-1a2b3c4d", "family": "bottlerocket", "driver": "580"}
BOTTLEROCKET = [
    Release(ami="ami-0dd0dd0dd0dd0dd00", architecture="x86_64", **GPU),
    Release(ami="ami-0dd0dd0dd0dd0dd01", architecture="arm64", **GPU),
]


@pytest.fixture(scope="module")
def world() -> Iterator[FleetWorld]:
    """A region in which one release of each kind is out."""
    with fleet_world() as made:
        for release in (ARM, *BOTTLEROCKET):
            made.fleet.images.publish(release)
        yield made


class Counting:
    """A client that counts its calls."""

    def __init__(self, client: Any, calls: Counter[str]) -> None:
        self._client, self._calls = client, calls

    def __getattr__(self, name: str) -> Any:
        self._calls[name] += 1
        return getattr(self._client, name)


def images(world: FleetWorld, calls: Counter[str] | None = None) -> Images:
    """The adapter over the region."""
    counted = Counter() if calls is None else calls
    ssm, ec2, eks = (Counting(world.client(service), counted) for service in ("ssm", "ec2", "eks"))
    return Images(ssm, ec2, eks)


def group(name: str = "gpu", cluster: str = "train", **ami: Any) -> GroupPolicy:
    """A group's policy."""
    kind = Pinned if "id" in ami else Recommended
    return GroupPolicy(cluster=cluster, group=name, ami=kind.model_validate(ami))


def pinned(ami: str, **more: Any) -> GroupPolicy:
    """A group that names its AMI."""
    return group(channel="pinned", id=ami, release="tested", **more)


def test_each_family_and_architecture_has_its_own_recommendation(world: FleetWorld) -> None:
    """The parameters' path has the version that the cluster itself names."""
    wanted = {"al2023": (OLD, ARM), "bottlerocket": BOTTLEROCKET}
    kinds = {f"{family}-{release.architecture}": release for family, both in wanted.items() for release in both}
    policies = [group(name, family=name.split("-")[0], architecture=r.architecture) for name, r in kinds.items()]

    found = images(world).targets(policies)

    assert found == {name: Target(ami=release.ami, release=release.release) for name, release in kinds.items()}


def test_two_hundred_groups_cost_as_many_calls_as_there_are_kinds_of_image(world: FleetWorld) -> None:
    """Four kinds in one cluster: one call for the cluster, four for the parameters, one for all images."""
    kinds = [{"family": f, "architecture": a} for f in ("al2023", "bottlerocket") for a in ("x86_64", "arm64")]
    policies = [group(f"gpu-{number}", **kinds[number % 4]) for number in range(200)]
    calls: Counter[str] = Counter()

    found = images(world, calls).targets(policies)

    assert all(isinstance(target, Target) for target in found.values())
    assert dict(calls) == {"describe_cluster": 1, "get_parameters": 4, "describe_images": 1}


def test_a_pinned_image_is_taken_as_it_is_named(world: FleetWorld) -> None:
    """No parameter is read for it."""
    calls: Counter[str] = Counter()

    assert images(world, calls).target(pinned(OLD.ami)) == Target(ami=OLD.ami, release="tested")
    assert dict(calls) == {"describe_images": 1}


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (pinned("ami-0ff0ff0ff0ff0ff0f"), "AMI ami-0ff0ff0ff0ff0ff0f does not exist"),
        (pinned(OLD.ami, architecture="arm64"), "is for x86_64; the policy says arm64"),
        (pinned(OLD.ami, family="bottlerocket"), "is al2023; the policy says bottlerocket"),
        (pinned(BOTTLEROCKET[0].ami), "is bottlerocket; the policy says al2023"),
        (group(cluster="other"), "describe cluster other: ResourceNotFoundException"),
    ],
)
def test_one_groups_fault_is_its_own(world: FleetWorld, policy: GroupPolicy, says: str) -> None:
    """Each with its reason, and beside it a group that is fine."""
    found = images(world).targets([policy, group("fine")])

    assert (str(found["gpu"]).find(says) >= 0, type(found["gpu"])) == (True, Invalid)
    assert isinstance(found["fine"], Target)
    with pytest.raises(Invalid, match=says):
        images(world).target(policy)


def test_a_release_that_is_being_published_is_not_mixed_up(world: FleetWorld) -> None:
    """Its parameters are written one after the other: an image under another's name would be rolled wrongly."""
    root = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/nvidia/recommended"
    world.fleet.images._append(f"{root}/release_version", NEW.release)

    with pytest.raises(Unavailable, match=r"v20261001, and not yet 1\.36\.3-20261101"):
        images(world).target(group())


def test_a_kind_that_aws_does_not_publish_is_bad_input(world: FleetWorld) -> None:
    """Such as a version for which there is no image yet."""
    found = Images(world.client("ssm"), world.client("ec2"), Ahead()).targets([group()])["gpu"]

    assert isinstance(found, Invalid)
    assert "parameter /aws/service/eks/optimized-ami/1.99/" in str(found)


class Ahead:
    """EKS, years from now."""

    def describe_cluster(self, name: str) -> Any:
        """A version that nobody knows."""
        return {"cluster": {"version": "1.99"}}
