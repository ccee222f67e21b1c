"""A whole rehearsal fails when harm is done beside the product, whatever the product itself says.

Covered, in one rehearsal of a roll that succeeds: a training pod deleted, a budget broken, a pod forced onto a node
not admitted, a group shrunk below the floor, and everything that can be left behind on nodes, group, table and bucket.
test_observer.py shows each rule on a bare control plane; here the observer sits where it always sits.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from rehearsal.report import Result
from rehearsal.scenario import Scenario, load
from rehearsal.world import World
from tests.rehearsal.rehearsed import run

PODS = "/api/v1/namespaces/default/pods"
STARTUP = "startup-taint.cluster-autoscaler.kubernetes.io/gpuops"
ROLLED, SPARE = "gpu-inference", "gpu-spare"
NAMED = {
    "training_evicted",
    "budget",
    "unadmitted_node",
    "floor",
    "desired_size",
    "instances",
    "cordon",
    "taint",
    "label",
    "suspended_processes",
    "protection",
    "launch_template",
    "lock",
    "undo",
    "claim",
    "budget_slot",
    "open_change",
    "smoke",
    "no_report",
}


def scenario() -> Scenario:
    """The roll that `budget` rehearses, with a second group that nobody rolls and a training Job.

    Without a canary, whose bake would have the roll end after the harm that is done to its report.
    """
    plain = load("budget")
    (group,) = plain.groups
    assert isinstance(plain.policy, dict)
    rolled = [{**policy, "canary": {"nodes": 0}} for policy in plain.policy["groups"]]
    spare = group.model_copy(update={"name": SPARE, "labels": {**group.labels, "pool": "spare"}})
    tolerations = plain.workloads[-1].tolerations
    inference = plain.workloads[-1].model_copy(update={"min_available": 1, "gpus": 0})
    training = {"kind": "job", "name": "training", "run_seconds": 7200, "tolerations": tolerations}
    expect = plain.expect.model_copy(
        update={"floor_gpus": 2, "nodes_replaced": None, "evictions": None, "evictions_refused": 0}
    )
    changes = {
        "groups": (group, spare),
        "workloads": (*plain.workloads[:-1], inference, type(inference).model_validate(training)),
        "expect": expect,
        "policy": {"groups": rolled},
    }
    return plain.model_copy(update=changes)


class Saboteur:
    """Does each bad thing at its simulated second, through the same doors as anybody from outside."""

    def __init__(self, world: World) -> None:
        self._world = world
        for at, act in (
            (20, self.delete_training_pod),
            (40, self.break_the_budget),
            (225, self.force_a_pod_onto_a_newcomer),
            (600, self.leave_marks_on_a_node),
            (601, self.leave_the_group_changed),
            (602, self.leave_items),
            (603, self.leave_a_smoke_job),
            (604, self.lose_a_report),
            (605, self.shrink_below_the_floor),
        ):
            world.clock.call_later(at, f"saboteur/{at}", act)

    def delete_training_pod(self) -> None:
        """Its two hours are lost."""
        self._delete_pods("job-name=training")

    def break_the_budget(self) -> None:
        """By deletion, which asks no budget."""
        self._delete_pods("app=inference")

    def force_a_pod_onto_a_newcomer(self) -> None:
        """Past the scheduler, whose filter the taint is."""
        (newcomer,) = [n for n in self._nodes() if STARTUP in [t["key"] for t in n["spec"].get("taints", ())]]
        spec = {"nodeName": newcomer["metadata"]["name"], "containers": [{"name": "main", "image": "any"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "intruder"}, "spec": spec}
        self._world.kube.create(PODS, pod)

    def leave_marks_on_a_node(self) -> None:
        """A cordon, a taint, a label."""
        (node,) = [n for n in self._nodes() if n["metadata"]["labels"].get("pool") == "spare"]
        taints = [*node["spec"].get("taints", ()), {"key": STARTUP, "value": "pending", "effect": "NoSchedule"}]
        changed = {"metadata": {"labels": {"gpuops/left": "yes"}}, "spec": {"unschedulable": True, "taints": taints}}
        self._world.kube.patch(f"/api/v1/nodes/{node['metadata']['name']}", changed)

    def leave_the_group_changed(self) -> None:
        """A suspended process, a protected instance, a launch template that nobody runs."""
        scaling, group = self._client("autoscaling"), self._group(SPARE)
        scaling.suspend_processes(AutoScalingGroupName=SPARE, ScalingProcesses=["AZRebalance"])
        name = group["Instances"][0]["InstanceId"]
        scaling.set_instance_protection(AutoScalingGroupName=SPARE, InstanceIds=[name], ProtectedFromScaleIn=True)
        template = group["LaunchTemplate"]["LaunchTemplateId"]
        made = self._client("ec2").create_launch_template_version(
            LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"ImageId": "ami-0a202611200000001"}
        )
        version = str(made["LaunchTemplateVersion"]["VersionNumber"])
        chosen = {"LaunchTemplateId": template, "Version": version}
        scaling.update_auto_scaling_group(AutoScalingGroupName=SPARE, LaunchTemplate=chosen)

    def leave_items(self) -> None:
        """One of each kind that must be gone from the table."""
        for key in ("lock#x", "rotation#x", "undo#x", "claim#x", "budget#x", "open#x"):
            item = {"pk": {"S": key}, "sk": {"S": "-"}}
            self._client("dynamodb").put_item(TableName=self._output("StateTableName"), Item=item)

    def leave_a_smoke_job(self) -> None:
        """Suspended, so that it starts no pod."""
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "any"}]}}
        meta = {"name": "left", "labels": {"gpuops/smoke": "somewhere"}}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": meta,
            "spec": {"suspend": True, "template": template},
        }
        self._world.kube.create("/apis/batch/v1/namespaces/gpuops/jobs", job)

    def lose_a_report(self) -> None:
        """Of a roll that has ended well."""
        self._client("s3").delete_object(
            Bucket=self._output("ReportsBucketName"), Key="reports/gpuops-rotate-ami-1.json"
        )

    def shrink_below_the_floor(self) -> None:
        """Somebody lowers the desired capacity by hand."""
        self._client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=ROLLED, DesiredCapacity=0)

    def _delete_pods(self, selector: str) -> None:
        for pod in self._world.kube.list(PODS, labelSelector=selector):
            self._world.kube.delete(f"{PODS}/{pod['metadata']['name']}")

    def _nodes(self) -> list[Any]:
        return list(self._world.mirror.nodes.values())

    def _group(self, name: str) -> Any:
        found = self._client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return found["AutoScalingGroups"][0]

    def _output(self, key: str) -> str:
        (stack,) = self._client("cloudformation").describe_stacks(StackName="gpuops")["Stacks"]
        return next(str(output["OutputValue"]) for output in stack["Outputs"] if output["OutputKey"] == key)

    def _client(self, service: str) -> Any:
        return self._world.region.account.client(service)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The one rehearsal."""

    def meddle(world: World) -> None:
        Saboteur(world)

    return run(scenario(), tmp_path_factory.mktemp("sabotaged") / "budget", beside=meddle).result


@pytest.mark.cluster
def test_every_harm_is_named(result: Result) -> None:
    """By its rule, and with what was harmed."""
    found = {violation["rule"]: violation["what"] for violation in result.observed["violations"]}

    assert sorted(NAMED - found.keys()) == []
    assert "intruder" in found["unadmitted_node"]
    assert "default/inference" in found["budget"]
    assert SPARE in found["launch_template"]
    assert "gpuops-rotate-ami-1" in found["no_report"]


@pytest.mark.cluster
def test_the_rehearsal_fails_whatever_the_product_says(result: Result) -> None:
    """The roll itself succeeded, and everything that the scenario expected of it happened."""
    (rotation,) = [e for e in result.executions if e.machine == "rotate_ami"]
    written = json.loads(Path(result.report).with_name("result.json").read_text())

    assert (rotation.status, result.unmet) == ("SUCCEEDED", ())
    assert (result.status, written["status"]) == ("failed", "failed")
    assert "training_evicted" in Path(result.report).read_text()
