"""`gpuops amis` over a small world: each AMI with release, driver, age and verdict, and nothing written.

Covers: a candidate beside what runs; current; held with its end; withdrawn and older ones with their reason; an image
that EC2 forgot; the plain command for each family and for a pin; a group that cannot be told beside one that can.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

import cli.amis
from cli.main import app
from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.target import Target
from tests.fakes.rotation import NEW, NOW, OLD, POLICY, group, image, instance
from tests.fakes.steps import old_world
from tests.fakes.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Three nodes on EKS's release of 15 July 2025; AWS recommends that of 20 November."""
    with mock_aws():
        made = old_world()
        made.images.known = {OLD: image(OLD, 20250715, created=NOW), NEW: image(NEW, 20251120, created=NOW)}
        made.images.recommended = Target(ami=NEW, release="1.33.5-20251120")
        monkeypatch.setattr(cli.amis, "open_world", lambda _: made)
        yield made


def run(*arguments: str) -> Result:
    """The command as a shell would start it."""
    return CliRunner().invoke(app, ("amis", *arguments))


def listed(*arguments: str) -> Any:
    """The first group's AMIs, as a program reads them."""
    return json.loads(run(*arguments, "--json").stdout.splitlines()[-1])["groups"][0]["amis"]


def told(*keys: str) -> list[tuple[Any, ...]]:
    """These keys of each AMI."""
    return [tuple(one[key] for key in keys) for one in listed()]


def test_the_candidate_is_told_beside_what_runs(world: World) -> None:
    """With drivers of the catalogue; nothing is remembered by asking."""
    assert told("ami", "release", "driver", "nodes", "verdict") == [
        (NEW, "1.33.5-20251120", "580.105.08", 0, "candidate"),
        (OLD, "amazon-eks-node-al2023-x86_64-nvidia-1.33-v20250715", "575.57.08", 3, "running"),
    ]
    assert "3 of 3 instances do not run 1.33.5-20251120" in run().stderr
    assert "days old, not seen yet" in run().stderr
    assert world.releases.of("gpu") == ([], None)


def test_a_group_that_is_there_has_one_current_ami(world: World) -> None:
    """Seen before, so its age for us is told."""
    world.groups.group = group([instance(0, NEW)])
    world.templates.versions[0]["ImageId"] = NEW
    world.releases.see("gpu", world.images.recommended, NOW)

    assert told("ami", "verdict", "nodes", "first_seen") == [(NEW, "current", 1, "2026-11-23T10:00:00Z")]
    assert "seen 2026-11-23" in run().stderr


def test_a_held_release_says_until_when(world: World) -> None:
    """The hold of who never saw it begins now."""
    world.policy = POLICY.replace("mode: apply", "mode: apply, hold_days: 100")

    assert told("verdict")[0] == ("held",)
    assert listed()[0]["until"] is not None


def test_what_is_marked_is_told_with_its_reason(world: World) -> None:
    """A withdrawn one, whose image EC2 forgot; and a target that goes backwards is rejected."""
    gone = world.releases.see("gpu", Target(ami="ami-0ff0ff0ff0ff0ff0f", release="1.33.5-20251201"), NOW)
    world.releases.keep("gpu", gone.model_copy(update={"status": "withdrawn", "why": "its AMI is gone"}))
    world.images.recommended = Target(ami=NEW, release="1.33.0-20250807")
    world.images.known[NEW] = image(NEW, 20250807)

    assert told("release", "driver", "verdict", "reason")[-1] == (
        "1.33.5-20251201",
        None,
        "withdrawn",
        "its AMI is gone",
    )
    first = listed()[0]
    assert first["verdict"] == "rejected"
    assert "its driver 570.172.08 is older than 575.57.08" in first["reason"]


@pytest.mark.parametrize(
    ("ami", "says"),
    [
        ("{}", "--owners amazon --filters 'Name=name,Values=amazon-eks-node-al2023-x86_64-nvidia*'"),
        ("{architecture: arm64}", "Values=amazon-eks-node-al2023-arm64-nvidia*"),
        ("{family: bottlerocket, architecture: arm64}", "Values=bottlerocket-aws-k8s-*-nvidia-aarch64-*"),
        (f"{{channel: pinned, id: {NEW}, release: r}}", f"--image-ids {NEW}"),
    ],
)
def test_the_plain_command_is_shown_for_people_who_know_it(ami: str, says: str) -> None:
    """Of each kind, and it names nothing of ours."""
    policy = parse_policy(f"groups:\n- {{cluster: train, group: gpu, ami: {ami}}}\n", "v1").groups[0]

    command = cli.amis.describe_command(policy)

    assert command.startswith("aws ec2 describe-images --")
    assert says in command


def test_a_group_that_cannot_be_told_keeps_no_other_from_its_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, with the reason."""
    other = replace(world, policy=POLICY + "- {cluster: train, group: gone}\n")
    monkeypatch.setattr(cli.amis, "open_world", lambda _: other)

    result = run("--json")
    groups = json.loads(result.stdout.splitlines()[-1])["groups"]

    assert (result.exit_code, len(groups[0]["amis"])) == (2, 2)
    assert "Auto Scaling group 'gone' does not exist" in groups[1]["error"]
    assert "nobody" in run("--group", "nobody", "--json").stdout
