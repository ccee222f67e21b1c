"""`gpuops plan rotation` and `gpuops amis` as a person runs them, on the rehearsal's region and cluster.

Covered: a plan over the real policy, group, template and pods, by a file as well; the list of AMIs; no trace of either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from rehearsal.control_plane import find_or_build
from rehearsal.local import PACE
from rehearsal.scenario import Release, load
from rehearsal.stage.director import Director
from rehearsal.stage.perform import perform
from rehearsal.stage.records import Records
from rehearsal.wire import OUTSIDE
from rehearsal.world import World

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "tests/fixtures/doctor.yaml"
OLD = "ami-0a202607140000001"
NEW = Release(release="1.36.3-20261120", ami="ami-0a202611200000001", driver="580.173.02", cuda="13.0")
GROUP = "gpu-inference"
SCHEDULES = ("DetectSchedule", "ReconcileSchedule", "ConfigSchedule", "RebalanceSchedule")
"""Time passes while somebody looks: were they as usual, the release would be rolled to meanwhile."""
TRACES = ("release", "image", "undo", "rotation", "lock", "wish")
"""What a plan could leave behind; the upload of the policy leaves a journal of its own."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One GPU node, the stack, and a release that came out just now."""
    out, records = tmp_path / "out", Records()
    out.mkdir()
    scenario = load(str(SCENARIO)).model_copy(update={"parameters": dict.fromkeys(SCHEDULES, "rate(30 days)")})
    with World(scenario, find_or_build(), out, pace=PACE, listener=records.listen) as world:
        perform(world.clock, Director(world, records, lambda _: None).set_stage)
        world.fleet.images.publish(NEW)
        yield world


def command(world: World, *arguments: str) -> Any:
    """What the command answers a program; it must succeed."""
    given = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": world.region.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": OUTSIDE,
        "AWS_SECRET_ACCESS_KEY": OUTSIDE,
    }
    line = [str(Path(sys.executable).parent / "gpuops"), *arguments, "--json"]
    done = subprocess.run(line, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def remembered(world: World) -> list[Any]:
    """The keys of the table's items that a plan could leave."""
    session: Any = boto3.session.Session(OUTSIDE, OUTSIDE, region_name="us-east-1")
    names = ("cloudformation", "dynamodb")
    cloudformation, dynamodb = (session.client(name, endpoint_url=world.region.url) for name in names)
    found = cloudformation.describe_stack_resource(StackName="gpuops", LogicalResourceId="StateTable")
    table = found["StackResourceDetail"]["PhysicalResourceId"]
    keys = (str(item["pk"]["S"]) for item in dynamodb.scan(TableName=table)["Items"])
    return sorted(key for key in keys if key.startswith(TRACES))


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_a_plan_and_a_list_look_at_the_world_and_leave_no_trace(world: World, tmp_path: Path) -> None:
    """One world for both, because setting it up takes longer than looking at it."""
    before = remembered(world)

    plan = command(world, "plan", "rotation")["plans"][0]
    assert (plan["group"], plan["status"], plan["target"]["ami"]) == (GROUP, "roll", NEW.ami), plan
    assert [node["reason"] for node in plan["nodes"]] == ["us-east-1a, idle"]

    held = tmp_path / "fleet.yaml"
    held.write_text(f"groups:\n- {{cluster: demo, group: {GROUP}, mode: apply, hold_days: 3}}\n")
    later = command(world, "plan", "rotation", "--fleet", str(held), "--group", GROUP)["plans"][0]
    assert later["status"] in {"hold", "wait"}
    assert later["until"] is not None

    amis = command(world, "amis")["groups"][0]["amis"]
    told = [(one["ami"], one["driver"], one["nodes"], one["verdict"]) for one in amis]
    assert told == [(NEW.ami, None, 0, "candidate"), (OLD, "580.159.03", 1, "running")]
    assert remembered(world) == before
