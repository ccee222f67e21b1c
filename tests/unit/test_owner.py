"""Who owns a group, and what to commit there: by tags of the group and its templates; and what `$Default` means after.

Covered: CloudFormation, Terraform by its users' habits, nobody; what is named after a roll, by number and by `$Latest`;
nothing after a failed one; `$Default` of a template and of an override, put back to the letter or moved to a number.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws

from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.rotation.owner import owner_of
from tests.fakes.rotation import LT, NEW, instance, run
from tests.fakes.steps import CLOSE, launch, leave, old_world, opened
from tests.fakes.world import World

STACK = {"aws:cloudformation:stack-name": "gpu-nodes"}


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes."""
    with mock_aws():
        yield old_world()


def rolled(world: World) -> None:
    """Every node is replaced."""
    opened(world)
    for number in range(3):
        leave(world, number)
        launch(world, 10 + number)


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        (STACK, "CloudFormation stack gpu-nodes"),
        ({"ManagedBy": "Terraform"}, "Terraform"),
        ({"managed-by": "terraform-aws-eks"}, "Terraform"),
        ({"terraform": "true"}, "Terraform"),
        ({"TerraformWorkspace": "prod"}, "Terraform"),
        ({"terraform": "false"}, None),
        ({"ManagedBy": "hand", "team": "terraforming mars"}, None),
        ({"aws:cloudformation:stack-name": ""}, None),
        ({}, None),
    ],
)
def test_an_owner_is_known_by_its_tags(tags: dict[str, str], owner: str | None) -> None:
    """On the group or, since Terraform's default tags do not reach it, on a template of it."""
    assert owner_of([tags]) == owner_of([{}, tags]) == owner


def test_the_report_names_what_to_commit_and_where(world: World) -> None:
    """Image and number; without an owner nobody has to."""
    world.groups.group = replace(world.groups.group, tags=STACK)
    rolled(world)

    closed = CLOSE.close(run(), world)

    told = f"commit to CloudFormation stack gpu-nodes: image {NEW} (1.36.3-20261101); launch template {LT} version 2"
    assert told in closed.left


def test_a_template_that_follows_the_latest_is_named_by_number_too(world: World) -> None:
    """The group stays on `$Latest`; the next deployment would make a newer version with the old image."""
    followed = {"LaunchTemplate": {"LaunchTemplateId": LT, "Version": "$Latest"}}
    world.groups.group = replace(world.groups.group, launch=followed)
    world.templates.tagged = {"ManagedBy": "terraform"}
    rolled(world)

    closed = CLOSE.close(run(), world)

    assert world.groups.group.launch == followed
    (told,) = [line for line in closed.left if line.startswith("commit to Terraform")]
    assert told.endswith(f"launch template {LT} version 2, by $Latest")


def test_nothing_is_to_be_committed_after_a_failed_roll(world: World) -> None:
    """The group is as its owner wrote it."""
    world.groups.group = replace(world.groups.group, tags=STACK)
    opened(world)

    assert not [line for line in CLOSE.close(run(), world).left if line.startswith("commit")]


MIXED = {
    "MixedInstancesPolicy": {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": LT, "Version": "$Default"},
            "Overrides": [{"InstanceType": "g4dn.xlarge"}],
        }
    }
}


@pytest.mark.parametrize("moves", [True, False])
def test_default_is_left_to_its_owner(world: World, *, moves: bool) -> None:
    """Our version never becomes the default: after a roll the group names the number, after a failed one `$Default`."""
    world.groups.group = replace(world.groups.group, launch=MIXED)
    if moves:
        rolled(world)
    else:
        opened(world)

    CLOSE.close(run(), world)

    (template,) = templates_of(world.groups.group.launch)
    assert template.version == ("2" if moves else "$Default")
    assert world.groups.group.instance(instance(0).id) is None if moves else world.groups.group.launch == MIXED
