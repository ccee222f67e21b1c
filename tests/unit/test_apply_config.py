"""apply_config with everything beside it: what it writes in which order, what it only tells, what it leaves open."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import ValidationError

from gpuops.adapters.nodegroups import Nodegroups
from gpuops.adapters.objects import Outcome
from gpuops.domain.cluster import Node
from gpuops.domain.config.foreign import Container, DaemonSet
from gpuops.domain.config.node_drift import Declared
from gpuops.domain.keys import ADMITTED, PLUGIN_CONFIG_LABEL, STARTUP_TAINT, Taint
from gpuops.domain.policy import Policy, parse_policy
from gpuops.domain.rotation.group import Group
from tests.fakes.apps import load_app
from tests.fakes.config import FakeObjects
from tests.fakes.rotation import Cluster, Groups, Templates, group, instance, run

APP = load_app("apply_config")
GPU_TAINT = Taint(key="nvidia.com/gpu", value="true", effect="NoSchedule")
ALL = [
    "ConfigMap gpuops-device-plugin",
    "DaemonSet gpuops-device-plugin",
    "ConfigMap gpuops-dcgm-counters",
    "DaemonSet gpuops-dcgm-exporter",
]
CONFIGURATIONS = "/api/v1/namespaces/gpuops-system/configmaps/gpuops-device-plugin"
PLUGIN = "/apis/apps/v1/namespaces/gpuops-system/daemonsets/gpuops-device-plugin"


def gpu_node(number: int = 1, **more: Any) -> Node:
    """A node as its launch template registers it, admitted."""
    labels = {"nvidia.com/gpu": "true", **more.pop("labels", {})}
    given: dict[str, Any] = {"taints": (GPU_TAINT,), "annotations": {ADMITTED: "then"}, **more}
    return Node(name=f"n{number}", instance=instance(number).id, labels=labels, **given)


@dataclass
class World:
    """What the function gets instead of AWS and Kubernetes."""

    found: FakeObjects = field(default_factory=FakeObjects)
    nodes: list[Node] = field(default_factory=lambda: [gpu_node()])
    mode: str = "apply"
    more: str = ""
    group: Group = field(default_factory=lambda: group([instance(1)]))
    templates: Templates = field(default_factory=Templates)
    declared: Callable[[str, str], Declared] | None = None

    policies = nodegroups = property(lambda self: self)

    @property
    def groups(self) -> Groups:
        """The one group."""
        return Groups(self.group)

    def cluster(self, name: str) -> Cluster:
        """The one cluster."""
        assert name == "train"
        return Cluster(all_nodes=self.nodes)

    def objects(self, cluster: Cluster) -> FakeObjects:
        """Its objects."""
        return self.found

    def latest(self) -> Policy:
        """A policy of one cluster with one group, and another cluster's group that is not looked at."""
        clusters = f"clusters:\n- {{cluster: train, mode: {self.mode}{self.more}}}\n" if self.mode else ""
        groups = "groups:\n- {cluster: train, group: gpu, mode: apply}\n- {cluster: other, group: theirs}\n"
        return parse_policy(f"{clusters}{groups}", "v7")

    def at(self, version: str) -> Policy:
        """The same at any version."""
        return self.latest().model_copy(update={"version": version})


def apply(world: World, **request: Any) -> Any:
    """One call, as the machine makes it."""
    given = request or {"event": {"cluster": "train"}}
    return APP.apply(APP.ApplyConfig.model_validate(given), world)


def open_ones(answer: Any) -> list[str]:
    """What is left."""
    return [str(finding) for finding in answer.findings if finding.left]


def test_a_fresh_cluster_gets_everything_in_order_and_then_nothing_more() -> None:
    """Configurations before the plugin that mounts them; a second call finds them in sync."""
    world = World()

    first, second = apply(world), apply(world)

    assert world.found.applied == ALL * 2
    assert (first.status, second.status, second.fault) == ("applied", "in_sync", None)
    assert [f.what for f in first.findings if f.done] == ["missing"] * 4
    assert (first.cluster, first.mode, first.policy) == ("train", "apply", "v7")
    assert not [f for f in second.findings if f.what != "recommended"]


@pytest.mark.parametrize("mode", ["", "observe", "recommend"])
def test_without_mode_apply_nothing_is_written_and_everything_is_told(mode: str) -> None:
    """A cluster that the policy does not name is only looked at."""
    world = World(mode=mode)

    answer = apply(world)

    assert world.found.applied == []
    assert (answer.status, answer.fault) == ("observed", None)
    assert next(str(f) for f in answer.findings) == (
        "ConfigMap gpuops-system/gpuops-device-plugin: is not there; an apply would put it right"
    )


def test_what_somebody_changed_is_put_back_by_path() -> None:
    """Deleted, or edited where nobody else holds the field."""
    world = World()
    apply(world)
    del world.found.live[PLUGIN]
    world.found.live[CONFIGURATIONS]["data"]["r8"] = "version: v1\n"

    answer = apply(world)

    assert answer.status == "applied"
    assert [str(f) for f in answer.findings if f.done] == [
        "ConfigMap gpuops-system/gpuops-device-plugin: differs at .data.r8; put right",
        "DaemonSet gpuops-system/gpuops-device-plugin: is not there; put right",
    ]


def test_a_key_that_the_policy_no_longer_has_goes_unless_a_node_names_it() -> None:
    """A label on a key that is gone would crash the plugin's sidecar."""
    world = World(more=", device_plugin: {profiles: {a: {replicas: 2}, b: {replicas: 3}}}")
    apply(world)
    world.more, world.nodes = "", [gpu_node(labels={PLUGIN_CONFIG_LABEL: "a"})]

    answer = apply(world)

    assert set(world.found.live[CONFIGURATIONS]["data"]) == {"exclusive", "r2", "r3", "r4", "r6", "r8", "a"}
    assert (answer.status, answer.fault) == ("left", "Refused")
    assert open_ones(answer) == [
        (
            "ConfigMap gpuops-system/gpuops-device-plugin: key a is no longer in the policy, and stays as it is: "
            "it is in use on n1"
        )
    ]


def test_a_conflict_is_named_and_keeps_nothing_else_from_its_turn() -> None:
    """The plugin's DaemonSet has its configurations; the exporter has nothing to do with them."""
    world = World()
    apply(world)
    world.found.applied.clear()
    world.found.live[CONFIGURATIONS]["data"]["r8"] = "edited"
    world.found.outcomes["ConfigMap"] = Outcome("conflict", 'conflict with "kubectl-edit" using v1: .data.r8')

    answer = apply(world)

    assert (answer.status, answer.fault) == ("left", "Conflict")
    assert world.found.applied == ["DaemonSet gpuops-device-plugin", "DaemonSet gpuops-dcgm-exporter"]
    assert 'differs at .data.r8; conflict with "kubectl-edit" using v1: .data.r8' in answer.reason


def test_a_conflict_is_forced_where_the_policy_says_so() -> None:
    """And only there."""
    world = World(more=", force_conflicts: true")
    world.found.outcomes["ConfigMap"] = Outcome("conflict", "theirs")

    assert apply(world).status == "applied"
    assert world.found.forced == ALL


def test_no_plugin_is_written_before_it_has_configurations() -> None:
    """Its init container would never end, and the node would never have a GPU."""
    world = World()
    world.found.outcomes["ConfigMap"] = Outcome("refused", "forbidden")

    answer = apply(world)

    assert world.found.applied == ["DaemonSet gpuops-dcgm-exporter"]
    assert open_ones(answer)[1].startswith("DaemonSet gpuops-system/gpuops-device-plugin: not written before")


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [(Outcome("dropped", "did not keep .spec.x"), "Invalid"), (Outcome("refused", "no"), "Refused")],
)
def test_what_the_apiserver_does_not_take_fails_the_execution_by_its_name(outcome: Outcome, fault: str) -> None:
    """In mode apply; the reason is the apiserver's."""
    world = World()
    world.found.outcomes["DaemonSet"] = outcome

    answer = apply(world)
    world.mode = "observe"

    assert (answer.status, answer.fault) == ("left", fault)
    assert outcome.reason in answer.reason
    assert apply(world).status == "observed"


def test_beside_the_gpu_operator_nothing_of_ours_is_installed() -> None:
    """Reported and recommended to; it is no failure of ours."""
    labels = {"app.kubernetes.io/managed-by": "gpu-operator"}
    theirs = [
        DaemonSet("gpu-operator", name, labels, (Container(image),))
        for name, image in (
            ("p", "nvcr.io/nvidia/k8s-device-plugin:v0.18.0"),
            ("e", "nvcr.io/nvidia/k8s/dcgm-exporter:1"),
        )
    ]
    world = World(FakeObjects(*theirs))

    answer = apply(world)

    assert world.found.applied == []
    assert answer.status == "in_sync"
    assert "DaemonSet gpu-operator/p: the GPU Operator's device plugin runs already" in answer.reason
    assert "DaemonSet gpu-operator/e: runs already and is reused" in answer.reason


def test_a_bottlerocket_node_under_the_selector_keeps_the_plugin_away() -> None:
    """The exporter may run there."""
    world = World(nodes=[gpu_node(), gpu_node(2, os_image="Bottlerocket OS 1.50.0")])

    answer = apply(world)

    assert world.found.applied == ALL[2:]
    assert (answer.status, answer.fault) == ("left", "Refused")
    assert "`node_selector` (nvidia.com/gpu=true)" in answer.reason


def test_a_template_that_lacks_what_its_nodes_need_is_told() -> None:
    """The next roll adds the startup taint; nothing here fails for it."""
    answer = apply(World())

    told = [str(f) for f in answer.findings if f.what == "recommended"]
    assert told == [
        (
            f"Group gpu: launch template lt-0123456789abcdef0 version 1 registers no {STARTUP_TAINT}: "
            "new nodes take work before they are admitted"
        )
    ]
    assert answer.status == "applied"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (gpu_node(taints=()), "has lost the taint nvidia.com/gpu=true:NoSchedule"),
        (
            gpu_node(taints=(Taint(key="nvidia.com/gpu", value="no", effect="NoSchedule"),)),
            "has the taint nvidia.com/gpu=no:NoSchedule instead of nvidia.com/gpu=true:NoSchedule",
        ),
        (gpu_node(labels={"nvidia.com/gpu": "false"}), "has nvidia.com/gpu=false, not true"),
    ],
)
def test_a_node_that_lost_what_it_registered_with_is_named(node: Node, reason: str) -> None:
    """By the launch template version that it came from; reported, never repaired."""
    answer = apply(World(nodes=[node]))

    assert open_ones(answer) == [f"Node n1: {reason} (launch template lt-0123456789abcdef0 version 1)"]
    assert (answer.status, answer.fault) == ("left", "Refused")


def test_a_node_without_the_label_at_all_is_named_too() -> None:
    """Lost is not changed."""
    bare = gpu_node()
    answer = apply(World(nodes=[Node(name="n1", instance=bare.instance, taints=bare.taints)]))

    assert "has lost the label nvidia.com/gpu=true" in open_ones(answer)[0]


def test_a_fleet_that_lost_its_taint_fits_what_a_state_may_carry() -> None:
    """What is left comes first; the rest is counted."""
    machines = [instance(number) for number in range(2_000)]
    nodes = [Node(name=f"ip-10-0-0-{i.id}.ec2.internal", instance=i.id) for i in machines]

    answer = apply(World(group=group(machines), nodes=nodes))

    assert len(answer.model_dump_json()) < 200_000
    assert all(finding.left for finding in answer.findings)
    assert answer.reason.endswith("and 3980 more")


def test_a_managed_group_is_compared_with_its_node_group() -> None:
    """Its user data is EKS's business."""
    world = World(group=group([instance(1)], tags={"eks:nodegroup-name": "ng"}), nodes=[gpu_node(taints=())])
    world.declared = lambda cluster, name: Declared(f"node group {name} of {cluster}", {}, (GPU_TAINT, STARTUP_TAINT))

    answer = apply(world)

    assert open_ones(answer) == ["Node n1: has lost the taint nvidia.com/gpu=true:NoSchedule (node group ng of train)"]
    assert "node group ng of train registers no label nvidia.com/gpu=true" in str(answer.findings)


def test_a_group_that_cannot_be_read_keeps_no_other_thing_from_its_turn() -> None:
    """A script for user data, a group that is gone."""
    world = World()
    world.templates.versions[0]["UserData"] = "IyEvYmluL3NoCg=="

    answer = apply(world)

    assert answer.status == "applied"
    assert any("Group gpu: not checked" in str(f) and "is a script" in str(f) for f in answer.findings)


def test_an_admission_brings_its_run_instead_of_an_order() -> None:
    """At the policy's version of the run; what woke it, an envelope, is no order."""
    answer = apply(World(), run=run(policy="v3").model_dump(), event={"detail-type": "EC2 Instance-launch"})

    assert (answer.cluster, answer.policy, answer.status) == ("train", "v3", "applied")


@pytest.mark.parametrize("request_", [{}, {"event": {}}, {"event": {"cluster": "a", "group": "b"}}])
def test_an_order_without_a_cluster_is_none(request_: dict[str, Any]) -> None:
    """A key that is accepted and does nothing would mislead."""
    with pytest.raises(ValidationError):
        APP.ApplyConfig.model_validate(request_)


def test_a_parent_execution_may_order() -> None:
    """It adds its own ARN to the input."""
    order = {"cluster": "train", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn"}

    assert APP.ApplyConfig.model_validate({"event": order}).event.cluster == "train"


class Eks:
    """DescribeNodegroup for one group."""

    def describe_nodegroup(self, **asked: str) -> Any:
        """As EKS spells it."""
        taint = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
        return {"nodegroup": {"labels": {"team": "ml"}, "taints": [taint]}} if asked["nodegroupName"] == "ng" else {}


def test_a_node_group_is_read_in_kubernetes_own_spelling() -> None:
    """EKS writes NO_SCHEDULE."""
    assert Nodegroups(Eks()).declared("c", "ng") == Declared("node group ng", {"team": "ml"}, (GPU_TAINT,))


def test_a_group_that_is_gone_is_told() -> None:
    """The policy names one that Auto Scaling does not know."""
    world = World(group=replace(group([instance(1)]), name="renamed"))

    assert "Group gpu: not checked: Auto Scaling group 'gpu' does not exist" in apply(world).reason
