"""Who else runs a device plugin or an exporter: by image, by the operator's labels, in the host; and what follows."""

from typing import Any

import pytest

from gpuops.domain.cluster import Node
from gpuops.domain.config.foreign import COMPUTE_TYPE, OPERATOR_NODE_LABEL, DaemonSet, read_daemonset
from gpuops.domain.config.plan import Plan, decide_plan
from gpuops.domain.policy import ClusterPolicy, DcgmExporter, DevicePlugin

GPU = {"nvidia.com/gpu": "true"}
POLICY = ClusterPolicy(cluster="gpu", mode="apply")
NVIDIA = "nvcr.io/nvidia/k8s-device-plugin:v0.17.0"


def daemonset(
    image: str, name: str = "theirs", namespace: str = "kube-system", command: str = "", **meta: Any
) -> DaemonSet:
    """One DaemonSet as the API shows it."""
    container = {"name": "c", "image": image, **({"command": [command]} if command else {})}
    spec = {"template": {"spec": {"containers": [container]}}}
    return read_daemonset({"metadata": {"name": name, "namespace": namespace, **meta}, "spec": spec})


def node(name: str = "n", os_image: str = "Amazon Linux 2023", **labels: str) -> Node:
    """A selected GPU node."""
    return Node(name=name, labels={**GPU, **labels}, os_image=os_image)


def reasons(plan: Plan) -> str:
    """All of them."""
    return "; ".join(str(finding) for finding in plan.findings)


@pytest.mark.parametrize(
    ("image", "command", "found"),
    [
        (NVIDIA, "", True),
        ("nvidia/k8s-device-plugin", "", True),
        ("registry.example:5000/mirror/k8s-device-plugin@sha256:ab", "nvidia-device-plugin", True),
        ("gke.gcr.io/nvidia-gpu-device-plugin:1", "/usr/bin/nvidia-gpu-device-plugin", True),
        (NVIDIA, "gpu-feature-discovery", False),
        (NVIDIA, "/usr/bin/mps-control-daemon", False),
        ("docker.io/rocm/k8s-device-plugin:1.25", "", False),
        ("public.ecr.aws/neuron/neuron-device-plugin:2", "", False),
        ("registry.example:5000/web", "", False),
    ],
)
def test_another_device_plugin_is_known_by_what_it_runs(image: str, command: str, found: bool) -> None:  # noqa: FBT001
    """Feature discovery comes in the same image and is none; AMD's has the same name and is none."""
    plan = decide_plan(POLICY, [node()], [daemonset(image, command=command)])

    assert plan.plugin is not found
    assert ("kube-system/theirs" in reasons(plan)) is found
    assert not any(finding.left for finding in plan.findings)


@pytest.mark.parametrize(
    "meta",
    [
        {"labels": {"app.kubernetes.io/managed-by": "gpu-operator"}},
        {"labels": {"app": "nvidia-device-plugin-daemonset"}},
        {"ownerReferences": [{"kind": "ClusterPolicy", "name": "p", "controller": True}]},
    ],
)
def test_the_gpu_operator_is_named_and_recommended_to(meta: dict[str, Any]) -> None:
    """Its own DaemonSet stays; the message says what to write into the policy."""
    plan = decide_plan(POLICY, [], [daemonset(NVIDIA, namespace="gpu-operator", **meta)])

    assert not plan.plugin
    assert "the GPU Operator's device plugin runs already" in reasons(plan)
    assert "device_plugin.config_map" in reasons(plan)


def test_an_operator_that_is_about_to_install_its_plugin_counts_already() -> None:
    """It marks its nodes before its DaemonSet is there."""
    plan = decide_plan(POLICY, [node(**{OPERATOR_NODE_LABEL: "true"})], [])

    assert not plan.plugin
    assert "about to run its device plugin on n" in reasons(plan)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (node(os_image="Bottlerocket OS 1.50.0 (aws-k8s-1.36-nvidia)"), "Bottlerocket"),
        (node(**{COMPUTE_TYPE: "auto"}), "Auto Mode"),
    ],
)
def test_a_selected_node_with_a_plugin_in_its_host_refuses_the_daemonset(host: Node, why: str) -> None:
    """Two plugins on one node fight; the reason names the selector that took the node in."""
    plan = decide_plan(POLICY, [host, node("other")], [])
    unselected = decide_plan(POLICY, [Node(name="n", os_image=host.os_image), node("other")], [])

    assert not plan.plugin
    assert plan.exporter
    (finding,) = plan.findings
    assert (finding.about, finding.left) == ("Node n", True)
    assert why in finding.reason
    assert "`node_selector` (nvidia.com/gpu=true)" in finding.reason
    assert unselected.plugin


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (daemonset("nvcr.io/nvidia/k8s/dcgm-exporter:4.2.3"), "is reused"),
        (
            daemonset("602401143452.dkr.ecr.us-east-1.amazonaws.com/dcgm-exporter:1", namespace="amazon-cloudwatch"),
            "Xid",
        ),
    ],
)
def test_an_exporter_that_is_there_is_reused(theirs: DaemonSet, words: str) -> None:
    """Two break the profiling metrics; what CloudWatch's lacks is said."""
    plan = decide_plan(POLICY, [node()], [theirs])

    assert (plan.plugin, plan.exporter) == (True, False)
    assert words in reasons(plan)


def test_ours_is_no_stranger_whatever_its_image() -> None:
    """A mirror may name it as it likes."""
    ours = [
        daemonset(NVIDIA, "gpuops-device-plugin", "gpuops-system"),
        daemonset("nvcr.io/nvidia/k8s/dcgm-exporter:1", "gpuops-dcgm-exporter", "gpuops-system"),
    ]

    assert decide_plan(POLICY, [node()], ours) == Plan(plugin=True, exporter=True)


def test_ours_beside_another_is_left_to_a_person() -> None:
    """Somebody installed a second one after us: neither is removed, and the execution fails."""
    ours, theirs = daemonset(NVIDIA, "gpuops-device-plugin", "gpuops-system"), daemonset(NVIDIA)

    plan = decide_plan(POLICY, [node()], [ours, theirs])

    assert not plan.plugin
    assert plan.findings[-1].left
    assert "remove one of them" in plan.findings[-1].reason


def test_what_we_no_longer_manage_is_said_and_left_alone() -> None:
    """Deleting it would take every GPU away."""
    policy = POLICY.model_copy(
        update={"device_plugin": DevicePlugin(manage=False), "dcgm_exporter": DcgmExporter(manage=False)}
    )

    plan = decide_plan(policy, [node()], [daemonset(NVIDIA, "gpuops-device-plugin", "gpuops-system")])

    assert (plan.plugin, plan.exporter) == (False, False)
    assert "manage: false" in reasons(plan)
    assert not plan.findings[0].left
