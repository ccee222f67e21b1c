"""`gpuops plan rotation` over a small world: what it says, and that it leaves no trace.

Covers: a roll with its order and changes, as JSON and in words; a hold and the time at which it is over; a local policy
instead of the uploaded one; one group of many; a group that cannot be planned beside one that can; a stack that is not
there; nothing remembered, nothing asked of the group.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner, Result

import cli.plan
from cli.main import app
from gpuops.domain.drivers.workloads import Use
from tests.fakes.rotation import NEW, POLICY, instance, node
from tests.fakes.steps import old_world
from tests.fakes.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Three old nodes behind a stack called `gpuops`, the middle one with a training Job."""
    with mock_aws():
        made = old_world()

        def opened(stack: str) -> World:
            if stack != "gpuops":
                answer = {"Error": {"Code": "ValidationError", "Message": f"Stack '{stack}' does not exist"}}
                raise ClientError(answer, "DescribeStackResource")  # type: ignore[arg-type]
            return made

        monkeypatch.setattr(cli.plan, "open_world", opened)
        yield made


def run(*arguments: str) -> Result:
    """The command as a shell would start it."""
    return CliRunner().invoke(app, ("plan", "rotation", *arguments))


def answer(*arguments: str) -> Any:
    """What a program reads."""
    return json.loads(run(*arguments, "--json").stdout.splitlines()[-1])


def test_a_roll_is_told_with_its_order_and_its_changes(world: World) -> None:
    """The same plan as the function makes; the training Job goes last and gives back the surge."""
    plan = answer()["plans"][0]

    assert (plan["status"], plan["surge"], plan["until"], plan["target"]["ami"]) == ("roll", 1, None, NEW)
    assert [node["instance"] for node in plan["nodes"]] == [instance(n).id for n in (0, 2, 1)]
    assert (plan["gpu_hours"], plan["dollars"]) == (1.5, 0.789)
    told = run().stderr
    assert "train/gpu: roll: 3 of 3 instances do not run 1.36.3-20261101" in told
    assert f"node 3   {instance(1).id}: us-east-1b, 1 training pods" in told
    assert "gives back the surge" in told
    assert "change   maximum size 3 to 4, while it rolls" in told


def test_what_the_gates_saw_is_told(world: World) -> None:
    """Kubernetes, driver and who says so, what the workloads need; a release that nobody knows is told to be that."""
    world.policy = POLICY.replace("mode: apply", "mode: apply, cuda: {drivers: {1.36.3-20261101: 580.173.02}}")
    world.uses = [Use("default/chat", "registry.example/chat:1", told=("cuda>=13.0",), source="environment")]

    sees = answer()["plans"][0]["sees"]

    assert (sees["driver"], sees["cuda"], sees["source"]) == ("580.173.02", "13.0", "policy")
    told = run().stderr
    assert "ami      Kubernetes 1.36 under 1.36, driver 580.173.02, CUDA 13.0 (policy)" in told
    assert "needs    default/chat: cuda>=13.0 (environment)" in told
    world.policy = POLICY
    assert "driver unknown (unknown)" in run().stderr


def test_a_node_that_runs_the_target_tells_its_driver(world: World) -> None:
    """A release that the catalogue does not know is known from its first node on, and judged by it."""
    newest = instance(9, NEW)
    old = world.groups.group.instances
    world.groups.group = replace(world.groups.group, instances=(*old, newest))
    told = {"gpuops/driver": "595.45.04", "gpuops/cuda": "13.2"}
    world.connected.all_nodes.append(replace(node(newest), annotations=told))
    world.images_say = {"registry.example/chat": {"NVIDIA_REQUIRE_CUDA": "cuda>=13.3"}}
    world.uses = [Use("default/chat", "registry.example/chat:1")]

    plan = answer()["plans"][0]

    assert (plan["status"], plan["sees"]["driver"], plan["sees"]["source"]) == ("reject", "595.45.04", "observed")
    assert plan["reason"].startswith("default/chat (registry.example/chat:1, by its image) requires cuda>=13.3; ")


def test_it_leaves_no_trace(world: World) -> None:
    """Not even the memory of a release: a hold counts from when gpuops saw it."""
    answer()

    assert world.releases.seen("gpu", NEW) is None
    assert (world.groups.calls, world.told, len(world.templates.versions)) == ([], [], 1)


def test_a_local_policy_is_planned_instead_of_the_uploaded_one(world: World, tmp_path: Path) -> None:
    """With the time at which its hold is over; then, as if it were that time, it rolls."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(POLICY.replace("mode: apply", "mode: apply, hold_days: 2"))

    held = answer("--fleet", str(fleet), "--at", "2026-11-23T10:00:00")

    assert (held["policy"], held["plans"][0]["status"]) == ("local", "wait")
    assert held["plans"][0]["until"] == "2026-11-25T10:00:00Z"
    assert (
        "wait until 2026-11-25T10:00:00Z: held for 2 days"
        in run("--fleet", str(fleet), "--at", "2026-11-23T10:00:00").stderr
    )


def test_a_group_that_cannot_be_planned_keeps_no_other_from_its_plan(world: World) -> None:
    """Exit code 2, and every plan that there is."""
    world.policy = POLICY + "- {cluster: train, group: gone}\n"

    result = run("--json")
    plans = json.loads(result.stdout.splitlines()[-1])["plans"]

    assert (result.exit_code, [plan["status"] for plan in plans]) == (2, ["roll", "error"])
    assert "Auto Scaling group 'gone' does not exist" in plans[1]["reason"]
    assert [plan["group"] for plan in answer("--group", "gpu")["plans"]] == ["gpu"]


@pytest.mark.parametrize("asked", [("--stack", "other"), ("--group", "nobody"), ("--fleet", "no/such/file")])
def test_what_cannot_be_tried_is_exit_code_2(world: World, asked: tuple[str, str]) -> None:
    """With its reason, not with a traceback."""
    result = run(*asked, "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout.splitlines()[-1])["status"] == "error"
