"""configure_node and check_node: what a node is labelled with, what that comes to, and what is left alone."""

from dataclasses import replace
from typing import Any

import pytest

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Refused, Unhealthy
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL
from gpuops.domain.policy import ClusterPolicy
from gpuops.domain.slicing.configured import shape_of
from gpuops.domain.slicing.shape import Shape
from tests.fakes.admission import FakeCluster, FakeInstances, FakeMemory
from tests.fakes.apps import load_app
from tests.unit.test_admission_functions import FOUND, NAME, NODE, NOW, RUN

CONFIGURE, CHECK = load_app("configure_node"), load_app("check_node")
CONFIGS = "kube-system/nvidia-device-plugin-configs"
R4 = """version: v1
sharing:
  timeSlicing:
    resources:
    - {name: nvidia.com/gpu, replicas: 4}
"""
RENAMED = R4.replace("timeSlicing:\n", "timeSlicing:\n    renameByDefault: true\n")
KEYS = {"exclusive": "version: v1\n", "r4": R4, "renamed": RENAMED, "r3": R4.replace("4}", "1}")}


def configure(cluster: FakeCluster, key: str = "exclusive", configs: str | None = CONFIGS) -> Any:
    """One call of configure_node for a group that shares by the key."""
    request = CONFIGURE.Request.model_validate({"run": RUN, "find": FOUND})
    return CONFIGURE.configure(request, key, configs, cluster)


def offered(*nodes: Node) -> FakeCluster:
    """A cluster with these configurations."""
    cluster = FakeCluster(*nodes)
    cluster.texts[CONFIGS] = KEYS
    return cluster


@pytest.mark.parametrize(
    ("key", "replicas", "resource"),
    [("exclusive", 1, "nvidia.com/gpu"), ("r4", 4, "nvidia.com/gpu"), ("renamed", 4, "nvidia.com/gpu.shared")],
)
def test_configure_labels_and_says_what_that_comes_to(key: str, replicas: int, resource: str) -> None:
    """Read from the configuration itself, whatever its key is called; twice is once."""
    cluster = offered(NODE)

    answers = [configure(cluster, key) for _ in range(2)]

    assert cluster.known[NAME].labels[PLUGIN_CONFIG_LABEL] == key
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].replicas, answers[0].resource) == ("configured", replicas, resource)


class Closed(FakeCluster):
    """Its ConfigMaps may not be read."""

    def config_text(self, title: str, key: str) -> str | None:
        """See Cluster."""
        raise Refused(f"GET {title}: HTTP 403")


@pytest.mark.parametrize(
    ("configs", "cluster", "key", "says"),
    [
        (None, Closed(NODE), "r4", "the policy names no configurations of a device plugin"),
        (CONFIGS, Closed(NODE), "r4", f"GET {CONFIGS}: HTTP 403"),
        (CONFIGS, FakeCluster(NODE), "r4", f"no {CONFIGS} with r4"),
        (CONFIGS, offered(NODE), "r8", f"no {CONFIGS} with r8"),
        (CONFIGS, offered(NODE), "r3", f"the device plugin would not take r3 of {CONFIGS}: line 5"),
    ],
)
def test_configure_says_why_it_leaves_the_label_alone(
    configs: str | None, cluster: FakeCluster, key: str, says: str
) -> None:
    """A label that names a missing key would crash the plugin. None of these is a fault of the node."""
    answer = configure(cluster, key, configs)

    assert answer.reason.startswith(says)
    assert answer.reason.endswith("the plugin's own default stands")
    assert (answer.status, answer.replicas) == ("missing", 1)
    assert PLUGIN_CONFIG_LABEL not in cluster.known[NAME].labels


@pytest.mark.parametrize("node", [replace(NODE, mig=True), replace(NODE, os_image="Bottlerocket OS 1.54.0")])
def test_configure_leaves_alone_what_no_label_shares(node: Node) -> None:
    """Their plugin follows no label, or their GPUs are cut already."""
    cluster = offered(node)

    assert (configure(cluster, "r4").status, cluster.known[NAME].labels) == ("left", {})


@pytest.mark.parametrize(
    ("cluster", "status"),
    [
        ({"mode": "apply"}, "unconfigured"),
        ({"mode": "observe"}, "missing"),
        ({"mode": "apply", "device_plugin": {"manage": False, "config_map": CONFIGS}}, "missing"),
    ],
    ids=["ours", "only observed", "somebody else's"],
)
def test_what_is_ours_to_write_is_written_before_a_node_is_configured(cluster: dict[str, Any], status: str) -> None:
    """A fresh cluster has no configurations: its first node must not go without."""
    ours = ClusterPolicy.model_validate({"cluster": "demo", **cluster})
    without, there = configure(FakeCluster(NODE)), configure(offered(NODE))

    assert (CONFIGURE.in_order(without, ours).status, CONFIGURE.in_order(there, ours)) == (status, there)


def test_configure_of_a_node_that_went_away_is_unhealthy() -> None:
    """It leads to ABANDON, not to a retry."""
    with pytest.raises(Unhealthy, match="went away"):
        configure(offered())


def check(node: Node, **configured: object) -> Any:
    """One call of check_node after that answer of configure_node."""
    configure = {"reason": "r", "config": "c", "replicas": 1, **configured}
    request = CHECK.Request.model_validate({"run": RUN, "find": FOUND, "configure": configure})
    return CHECK.check(request, NOW, FakeCluster(node), FakeInstances(gpus=2), memory=FakeMemory())


def test_check_counts_shares_under_the_name_that_was_configured() -> None:
    """What a smoke has to find is what it answers."""
    shared = {"replicas": 4, "resource": "nvidia.com/gpu.shared"}

    ready = check(replace(NODE, gpus=0, shared_gpus=8), **shared)

    assert (ready.status, ready.allocatable, ready.replicas, ready.resource) == ("ready", 8, *shared.values())
    assert check(replace(NODE, gpus=8), **shared).status == "waiting"


def test_check_takes_a_node_that_was_left_alone_as_it_is() -> None:
    """Bottlerocket shares by its own settings."""
    found = check(replace(NODE, gpus=0, shared_gpus=6), status="left")

    assert (found.status, found.replicas, found.resource) == ("ready", 3, "nvidia.com/gpu.shared")


def test_the_shape_is_what_the_plugin_makes_of_a_text() -> None:
    """It ignores what it does not know, and so do we: only the effect counts."""
    assert shape_of(R4 + "  timeSlicingProfile: {}\n", "k", CONFIGS) == Shape(4)
    assert shape_of("", "k", CONFIGS) == Shape()
    with pytest.raises(Refused, match=f"no {CONFIGS} with k"):
        shape_of(None, "k", CONFIGS)
