"""`gpuops doctor`, `plan rotation` and `amis` as a person runs them, on the rehearsal's region and cluster.

Covered: a world in health, seen half blind, and broken in each part; a plan over the real policy, group, template and
pods, by a file as well; the list of AMIs; no trace of either. One world for all, because setting it up takes longer
than looking at it: it is broken last.
"""

from __future__ import annotations

import base64
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
GROUP, CLUSTER = "gpu-inference", "demo"
OLD = "ami-0a202607140000001"
NEW = Release(release="1.36.3-20261120", ami="ami-0a202611200000001", driver="580.173.02", cuda="13.0")
SCHEDULES = ("DetectSchedule", "ReconcileSchedule", "ConfigSchedule", "RebalanceSchedule")
"""Time passes while somebody looks: were they as usual, the release would be rolled to meanwhile."""
TRACES = ("release", "image", "undo", "rotation", "lock", "wish")
"""What a plan could leave behind; the upload of the policy leaves a journal of its own."""
CHECKS = [
    "credentials", "stack", "cluster", "endpoint", "access entries", "your access", "rbac", "policy",
    f"{GROUP}: tag of its instances", f"{GROUP}: tag of the group", f"{GROUP}: tag of the launch template",
    f"{GROUP}: startup taint", f"{GROUP}: launch hook", f"{GROUP}: node role", "quota G and VT instances",
    "device plugin", "exporter", "metrics on port 9400", "alarms",
]  # fmt: skip
MENDS = {
    "access entries": ("aws eks create-access-entry", "--kubernetes-groups gpuops-drainers"),
    "rbac": ("gpuops rbac --policy fleet.yaml", "kubectl apply --server-side -f -"),
    f"{GROUP}: tag of its instances": ("aws ec2 create-tags --resources i-", "Key=gpuops:cluster,Value=demo"),
    f"{GROUP}: tag of the group": ("aws autoscaling create-or-update-tags", "Key=gpuops:cluster,Value=demo"),
    f"{GROUP}: startup taint": ("aws ec2 create-launch-template-version", '{"UserData": "', "$Latest"),
    f"{GROUP}: launch hook": ("put-lifecycle-hook", "--heartbeat-timeout 900 --default-result CONTINUE"),
    "device plugin": ("device_plugin: {manage: true}",),
    "exporter": ("dcgm_exporter: {manage: true}",),
    "alarms": ("aws cloudwatch put-metric-alarm --cli-input-json", '"Name": "QueueName", "Value": "'),
}
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
Answer = tuple[int, dict[str, dict[str, Any]], str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The scenario's world with the stack deployed into it; nothing of the story has begun."""
    out, records = tmp_path_factory.mktemp("out"), Records()
    scenario = load(str(SCENARIO)).model_copy(update={"parameters": dict.fromkeys(SCHEDULES, "rate(30 days)")})
    with World(scenario, find_or_build(), out, pace=PACE, listener=records.listen) as world:
        perform(world.clock, Director(world, records, lambda _: None).set_stage)
        yield world


def run(world: World, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command beside the world, as it ended."""
    given = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": world.region.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": OUTSIDE,
        "AWS_SECRET_ACCESS_KEY": OUTSIDE,
        **environment,
    }
    line = [str(Path(sys.executable).parent / "gpuops"), *arguments, "--json"]
    return subprocess.run(line, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)


def examine(world: World, *arguments: str, **environment: str) -> Answer:
    """What the doctor answers: exit code, checks by name, and the lines for a person."""
    done = run(world, "doctor", *arguments, **environment)
    answer = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    return done.returncode, {check["name"]: check for check in answer.get("checks", ())}, done.stderr


def command(world: World, *arguments: str) -> Any:
    """What a command answers a program; it must succeed."""
    done = run(world, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def client(world: World, service: str) -> Any:
    """The region, as somebody outside changes it."""
    session: Any = boto3.session.Session(OUTSIDE, OUTSIDE, region_name="us-east-1")
    return session.client(service, endpoint_url=world.region.url)


def break_group(world: World) -> None:
    """No tag of the group and of one instance, a hook that abandons too soon, a launch template without our taint."""
    autoscaling, ec2 = client(world, "autoscaling"), client(world, "ec2")
    tag = {"Key": "gpuops:cluster", "ResourceId": GROUP, "ResourceType": "auto-scaling-group"}
    autoscaling.delete_tags(Tags=[tag])
    hook = {"AutoScalingGroupName": GROUP, "LifecycleHookName": "gpuops-admit"}
    autoscaling.put_lifecycle_hook(**hook, HeartbeatTimeout=60, DefaultResult="ABANDON")
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"][0]
    ec2.delete_tags(Resources=[found["Instances"][0]["InstanceId"]], Tags=[{"Key": "gpuops:cluster"}])
    template = found["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"UserData": _untainted(ec2, template)}
    )
    chosen = {"LaunchTemplateId": template, "Version": "2"}
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, LaunchTemplate=chosen)


def _untainted(ec2: Any, template: str) -> str:
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["1"])
    data = base64.b64decode(versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]).decode()
    taint = "startup-taint.cluster-autoscaler.kubernetes.io/gpuops=pending:NoSchedule"
    edited = data.replace(f",{taint}", "")
    assert edited != data
    return base64.b64encode(edited.encode()).decode()


def break_policy(world: World) -> None:
    """Somebody uploads by hand what `gpuops policy push` would refuse."""
    made = client(world, "cloudformation").describe_stack_resource(StackName="gpuops", LogicalResourceId="PolicyBucket")
    bucket = made["StackResourceDetail"]["PhysicalResourceId"]
    client(world, "s3").put_object(Bucket=bucket, Key="fleet.yaml", Body=b"groups: 4\n")


def break_cluster(world: World) -> None:
    """No plugin, no exporter, a role that lost its rights, an access entry too few."""
    for name in ("nvidia-device-plugin", "nvidia-dcgm-exporter"):
        world.kube.delete(f"/apis/apps/v1/namespaces/kube-system/daemonsets/{name}")
    world.kube.delete("/apis/rbac.authorization.k8s.io/v1/clusterroles/gpuops-drainer")
    entries = world.region.account.access_entries
    entries[:] = [entry for entry in entries if "DrainNode" not in entry.principal_arn]


def remembered(world: World) -> list[Any]:
    """The keys of the table's items that a plan could leave."""
    found = client(world, "cloudformation").describe_stack_resource(StackName="gpuops", LogicalResourceId="StateTable")
    table = found["StackResourceDetail"]["PhysicalResourceId"]
    keys = (str(item["pk"]["S"]) for item in client(world, "dynamodb").scan(TableName=table)["Items"])
    return sorted(key for key in keys if key.startswith(TRACES))


def test_in_health_every_line_is_ok(world: World) -> None:
    """The whole list, exit 0, and no command to type."""
    code, checks, said = examine(world)
    assert {name: check["found"] for name, check in checks.items() if not check["ok"]} == {}, said
    assert list(checks) == CHECKS
    assert code == 0
    assert not any(check["mend"] for check in checks.values())
    assert len([line for line in said.splitlines() if line.startswith("ok ")]) == len(CHECKS)


def test_what_cannot_be_read_is_not_ok(world: World) -> None:
    """A stranger to the cluster, a stack that is not there, no answer at all: the last could not be tried."""
    code, checks, _ = examine(world, AWS_SECRET_ACCESS_KEY="another")  # noqa: S106 - nobody's
    assert code == 1
    assert "create-access-entry" in checks["your access"]["mend"]
    assert {name for name, check in checks.items() if not check["ok"]} == {
        "your access", "rbac", "device plugin", "exporter", "metrics on port 9400",
    }  # fmt: skip
    code, checks, _ = examine(world, "--stack", "none", "--cluster", CLUSTER)
    assert (code, checks["stack"]["ok"], checks["cluster"]["ok"]) == (1, False, True)
    assert checks["stack"]["mend"].startswith("make deploy STACK=none")
    code, checks, said = examine(world, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (code, checks) == (2, {})
    assert "no AWS credentials that work" in said


def test_a_plan_and_a_list_look_at_the_world_and_leave_no_trace(world: World, tmp_path: Path) -> None:
    """A release came out just now; what the table remembers is the same afterwards."""
    world.fleet.images.publish(NEW)
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


def test_what_is_broken_is_named_with_its_command(world: World) -> None:
    """Tag, hook, taint, plugin, exporter, RBAC, access entry, alarm, each by itself; the rest stays ok."""
    break_group(world)
    break_cluster(world)
    alarms = client(world, "cloudwatch").describe_alarms()["MetricAlarms"]
    client(world, "cloudwatch").delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms])
    code, checks, said = examine(world, "--cluster", CLUSTER)
    broken = {name: check for name, check in checks.items() if not check["ok"]}
    assert (code, set(broken)) == (1, {*MENDS, "metrics on port 9400"}), said
    for name, words in MENDS.items():
        assert all(word in broken[name]["mend"] for word in words), broken[name]
    assert "ClusterRole gpuops-drainer is missing" in broken["rbac"]["found"]
    assert "ABANDON" in broken[f"{GROUP}: launch hook"]["found"]
    break_policy(world)
    _, checks, _ = examine(world)
    assert (checks["policy"]["ok"], checks["policy"]["mend"]) == (False, "gpuops policy push fleet.yaml --stack gpuops")
