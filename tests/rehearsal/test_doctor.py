"""`gpuops doctor` as a person runs it, on the rehearsal's region and cluster: in health, and broken in each part."""

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
from rehearsal.scenario import load
from rehearsal.stage.director import Director
from rehearsal.stage.perform import perform
from rehearsal.stage.records import Records
from rehearsal.wire import OUTSIDE
from rehearsal.world import World

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "tests/fixtures/doctor.yaml"
GROUP, CLUSTER = "gpu-inference", "demo"
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
Answer = tuple[int, dict[str, dict[str, Any]], str]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The scenario's world with the stack deployed into it; nothing of the story has begun."""
    out, records = tmp_path / "out", Records()
    out.mkdir()
    with World(load(str(SCENARIO)), find_or_build(), out, pace=PACE, listener=records.listen) as world:
        perform(world.clock, Director(world, records, lambda _: None).set_stage)
        yield world


def examine(world: World, *arguments: str, **environment: str) -> Answer:
    """What the command answers: exit code, checks by name, and the lines for a person."""
    given = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": world.region.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": OUTSIDE,
        "AWS_SECRET_ACCESS_KEY": OUTSIDE,
        **environment,
    }
    command = [str(Path(sys.executable).parent / "gpuops"), "doctor", "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)
    answer = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    return done.returncode, {check["name"]: check for check in answer.get("checks", ())}, done.stderr


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


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_in_health_then_half_blind_then_broken_in_every_part(world: World) -> None:
    """One world for three visits, because setting it up takes longer than looking at it."""
    every_line_is_ok(world)
    what_cannot_be_read_is_not_ok(world)
    what_is_broken_is_named_with_its_command(world)


def every_line_is_ok(world: World) -> None:
    """The whole list, exit 0, and no command to type."""
    code, checks, said = examine(world)
    assert {name: check["found"] for name, check in checks.items() if not check["ok"]} == {}, said
    assert list(checks) == CHECKS
    assert code == 0
    assert not any(check["mend"] for check in checks.values())
    assert len([line for line in said.splitlines() if line.startswith("ok ")]) == len(CHECKS)


def what_cannot_be_read_is_not_ok(world: World) -> None:
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


def what_is_broken_is_named_with_its_command(world: World) -> None:
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
