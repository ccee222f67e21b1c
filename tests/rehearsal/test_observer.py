"""The observer over the real control plane and stock moto: rules broken for real, and a quiet world left alone.

Covers: watches and their order, evictions counted, the barrier, groups, table, reports, and what blindness says.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import urllib3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from rehearsal.control_plane import ControlPlane, PodNetwork, find_or_build, scratch_directory
from rehearsal.observer import AwsAccess, KubeAccess, Observed, Observer
from rehearsal.observer.model import STARTUP_TAINT

pytestmark = pytest.mark.cluster

KEY = "made up"
ROLE = "arn:aws:iam::123456789012:role/r"
EXPECTED = {
    "floor_gpus": 2, "table": "gpuops", "bucket": "reports", "reported_machines": ["*rotate-ami"],
    "lost_after_seconds": 600,
}  # fmt: skip
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
Call = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One control plane for the module."""
    plane = ControlPlane(scratch_directory(), find_or_build(), lambda _token: None)
    with plane:
        network = PodNetwork(plane.podnet_socket, lambda *_: (200, b""))
        network.start()
        yield plane
        network.stop()


@pytest.fixture(scope="module")
def call(plane: ControlPlane) -> Call:
    """A request to the apiserver as its administrator; the status is in the answer's `code` when it is no success."""
    pool = urllib3.PoolManager(ca_certs=str(plane.ca_file))

    def request(method: str, path: str, body: object = None) -> dict[str, Any]:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {plane.admin_token}", "Content-Type": kind}
        reply = pool.request(method, plane.server + path, body=json.dumps(body or {}), headers=headers)
        found: dict[str, Any] = json.loads(reply.data)
        return found

    return request


class World:
    """One region of moto with a group of two, a table, a bucket and a machine; and two nodes on the cluster."""

    def __init__(self, url: str, call: Call) -> None:
        self.url, self.call = url, call
        self.group = self.client("autoscaling")
        ec2 = self.client("ec2")
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        data = {"ImageId": "ami-12c6146b", "InstanceType": "g4dn.xlarge"}
        ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData=data)
        self.group.create_auto_scaling_group(
            AutoScalingGroupName="gpu", MinSize=0, MaxSize=2, DesiredCapacity=2, VPCZoneIdentifier=subnet,
            LaunchTemplate={"LaunchTemplateName": "gpu", "Version": "1"},
        )  # fmt: skip
        keys = [{"AttributeName": n, "KeyType": k} for n, k in (("pk", "HASH"), ("sk", "RANGE"))]
        self.client("dynamodb").create_table(
            TableName="gpuops", KeySchema=keys, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        )  # fmt: skip
        self.client("s3").create_bucket(Bucket="reports")
        self.machine = self.client("stepfunctions").create_state_machine(
            name="demo-rotate-ami", definition=DEFINITION, roleArn=ROLE
        )["stateMachineArn"]
        for index, instance in enumerate(self.instances()):
            self.add_node(f"n{index}", instance)

    def client(self, service: str) -> Any:
        """A client from outside."""
        make: Any = boto3.client
        return make(
            service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key=KEY
        )

    def instances(self) -> list[str]:
        """Instance ids of the group."""
        (found,) = self.group.describe_auto_scaling_groups()["AutoScalingGroups"]
        return [i["InstanceId"] for i in found["Instances"]]

    def add_node(self, name: str, instance: str, taints: tuple[str, ...] = ()) -> None:
        """A Ready node with one GPU."""
        spec = {
            "providerID": f"aws:///us-east-1a/{instance}",
            "taints": [{"key": t, "value": "pending", "effect": "NoSchedule"} for t in taints],
        }
        self.call("POST", "/api/v1/nodes", {"metadata": {"name": name}, "spec": spec})
        amounts = {"cpu": "4", "memory": "16Gi", "pods": "50", "nvidia.com/gpu": "1"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
        status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
        self.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": status})

    def add_pod(self, name: str, node: str, owner: str = "ReplicaSet") -> None:
        """A Ready pod on a node; its owner exists nowhere, but no collector looks within a test's seconds."""
        reference = {"apiVersion": "v1", "kind": owner, "name": "x", "uid": name, "controller": True}
        meta = {"name": name, "labels": {"app": "web"}, "ownerReferences": [reference]}
        container = {"name": "c", "image": "i"}
        spec = {"nodeName": node, "containers": [container], "tolerations": [{"operator": "Exists"}]}
        self.call("POST", "/api/v1/namespaces/default/pods", {"metadata": meta, "spec": spec})
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.call("PATCH", f"/api/v1/namespaces/default/pods/{name}/status", {"status": ready})

    def clear(self) -> None:
        """Take everything off the cluster."""
        gone = {"gracePeriodSeconds": 0}
        self.call("DELETE", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", gone)
        self.call("DELETE", "/api/v1/namespaces/default/pods", gone)
        self.call("DELETE", "/api/v1/nodes", gone)
        eventually(lambda: not self.call("GET", "/api/v1/pods")["items"])


@pytest.fixture
def world(call: Call) -> Iterator[World]:
    """A fresh region; the cluster is cleared afterwards."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset", timeout=60)  # it imports every service
    world = World(f"http://{host}:{port}", call)
    yield world
    world.clear()
    server.stop()


@pytest.fixture
def observer(plane: ControlPlane, world: World) -> Iterator[Observer]:
    """An observer that has seen the world as it is before anything happens."""
    kube = KubeAccess(plane.server, str(plane.ca_file), plane.admin_token)
    observer = Observer(kube, AwsAccess(world.url), EXPECTED, now=lambda: 7.0)
    observer.start()
    yield observer
    observer.stop()


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait in real time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)


def verdict(observer: Observer) -> tuple[Observed, set[str]]:
    """The observer's word, and the names of the rules broken, after its watches have settled."""
    time.sleep(0.2)
    eventually(observer.caught_up)
    observed = observer.finish()
    return observed, {v.rule for v in observed.violations}


def test_a_world_in_which_nothing_happens_is_as_it_was(observer: Observer) -> None:
    """No rule is broken by merely looking; six hundred seconds pass without a loss."""
    observer.sample(0.0)
    observer.sample(1000.0)

    observed, rules = verdict(observer)

    assert rules == set()
    assert (observed.nodes_replaced, observed.min_ready_gpus, observed.evictions) == (0, 2, 0)


def test_evictions_are_counted_and_a_budget_that_refuses_is_not_broken(world: World, observer: Observer) -> None:
    """The Eviction API honours the budget; a plain deletion does not, and is seen."""
    guard = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    world.call("POST", budgets, {"metadata": {"name": "web"}, "spec": guard})
    for name, node in (("a", "n0"), ("b", "n1")):
        world.add_pod(name, node)
    eventually(lambda: world.call("GET", f"{budgets}/web").get("status", {}).get("disruptionsAllowed") == 1)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction"}
    codes = [
        world.call("POST", f"/api/v1/namespaces/default/pods/{n}/eviction", {**eviction, "metadata": {"name": n}})
        for n in ("a", "b")
    ]
    eventually(observer.caught_up)
    assert [c.get("code") for c in codes] == [201, 429]

    world.call("DELETE", "/api/v1/namespaces/default/pods/b")
    observed, rules = verdict(observer)

    assert (observed.evictions, observed.evictions_refused) == (1, 1)
    assert rules == {"budget"}


def test_a_training_pod_and_an_unadmitted_node_are_seen(world: World, observer: Observer) -> None:
    """Bound while the taint is there counts; bound right after it went does not, whatever watch is first."""
    world.add_node("n2", "i-none", taints=(STARTUP_TAINT,))
    world.add_pod("early", "n2")
    world.call("PATCH", "/api/v1/nodes/n2", {"spec": {"taints": None}})
    world.add_pod("late", "n2")
    world.add_pod("training", "n0", owner="Job")
    world.call("DELETE", "/api/v1/namespaces/default/pods/training")

    observed, rules = verdict(observer)

    assert rules == {"unadmitted_node", "training_evicted", "lost_node"}
    assert observed.pods_on_unadmitted_nodes == 1
    assert {v.at for v in observed.violations} == {7.0}


def test_the_floor_and_a_lost_node_are_seen(world: World, observer: Observer) -> None:
    """An instance whose Node is deleted is lost only after a while."""
    world.call("DELETE", "/api/v1/nodes/n1")
    eventually(observer.caught_up)
    for now in (0.0, 599.0):
        observer.sample(now)
    early = observer.violations()
    observer.sample(601.0)

    observed, rules = verdict(observer)

    assert [v.rule for v in early] == ["floor"]
    assert rules == {"floor", "lost_node"}
    assert observed.min_ready_gpus == 1


def test_everything_left_behind_is_seen(world: World, observer: Observer) -> None:
    """In the group, in the table, on a node, in the namespace, and a report that is missing."""
    world.group.update_auto_scaling_group(AutoScalingGroupName="gpu", MaxSize=5)
    world.group.suspend_processes(AutoScalingGroupName="gpu", ScalingProcesses=["AZRebalance"])
    world.group.set_instance_protection(
        AutoScalingGroupName="gpu", InstanceIds=world.instances()[:1], ProtectedFromScaleIn=True
    )
    for item in ("lock#gpu", "undo#gpu", "budget#fleet", "journal#run"):
        world.client("dynamodb").put_item(TableName="gpuops", Item={"pk": {"S": item}, "sk": {"S": "-"}})
    machines = world.client("stepfunctions")
    for name in ("told", "untold", "stuck"):  # stock moto runs nothing: whatever is not stopped runs for ever
        started = machines.start_execution(stateMachineArn=world.machine, name=name)["executionArn"]
        if name != "stuck":
            machines.stop_execution(executionArn=started)
    world.client("s3").put_object(Bucket="reports", Key="reports/told.json", Body=b"{}")
    world.call("PATCH", "/api/v1/nodes/n0", {"spec": {"unschedulable": True}})
    world.call("PATCH", "/api/v1/nodes/n1", {"metadata": {"annotations": {"gpuops/cordoned-by": "run"}}})
    world.add_pod("smoke", "n0", owner="Job")
    world.call("PATCH", "/api/v1/namespaces/default/pods/smoke", {"metadata": {"labels": {"gpuops/smoke": "n0"}}})

    observed, rules = verdict(observer)

    assert rules == {
        "max_size", "suspended_processes", "protection", "lock", "undo", "budget_slot", "no_report",
        "still_running", "cordon", "label", "smoke",
    }  # fmt: skip
    assert [v.what for v in observed.violations if v.rule == "no_report"] == ["demo-rotate-ami/untold ended ABORTED"]


def test_an_observer_that_cannot_see_says_so_instead_of_passing(plane: ControlPlane, world: World) -> None:
    """With a token that the apiserver does not know it never starts."""
    kube = KubeAccess(plane.server, str(plane.ca_file), "nobody")
    observer = Observer(kube, AwsAccess(world.url), EXPECTED, now=lambda: 0.0)

    with pytest.raises(OSError, match="HTTP 401"):
        observer.start()
