"""Whether a node may be shared otherwise now: whose node it is, who runs on it, which shares they hold."""

from dataclasses import replace
from typing import Any

import pytest

from gpuops.domain.cluster import Node, Pod
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.keys import CONFIG_BEFORE, CORDONED_BY, PLUGIN_CONFIG_LABEL, SHARED_GPU_RESOURCE, STARTUP_TAINT
from gpuops.domain.slicing.change import Sight, decide_change, needs_readings, turn_of
from gpuops.domain.slicing.shape import Goal, Shape, shape_offered
from tests.fakes.samples import held_by

EXCLUSIVE, R2, R4 = Shape(), Shape(2), Shape(4)
RENAMED = Shape(4, SHARED_GPU_RESOURCE)
NODE = Node(name="n1", labels={PLUGIN_CONFIG_LABEL: "was"}, gpus=4)
WEB, BATCH = Pod("default", "web", gpus=1), Pod("default", "batch", gpus=1)
SMOKE = Pod("gpuops", "smoke", gpus=1, smoke=True)


def labelled(**labels: str) -> Node:
    """The node with one more label; an underscore stands for what a keyword cannot hold."""
    more = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return replace(NODE, labels={**NODE.labels, **more})


def decide(now: Shape | None, wanted: Shape, *pods: Pod, node: Node = NODE, readings: Any = None) -> Any:
    """One decision of run-1."""
    return decide_change(Sight(node, pods, now, readings), Goal("wanted", wanted), "run-1")


def seen(**holders: int) -> dict[str, GpuSample]:
    """One GPU whose shares these pods hold."""
    return {"GPU-1": held_by("GPU-1", {index: f"default/{pod}" for pod, index in holders.items()})}


@pytest.mark.parametrize(("now", "wanted"), [(EXCLUSIVE, R4), (R4, EXCLUSIVE), (R4, RENAMED), (R4, R2), (None, R4)])
def test_an_empty_node_may_go_anywhere(now: Shape | None, wanted: Shape) -> None:
    """Pods without a GPU and finished ones hold nothing that could be lost."""
    others = [Pod("default", "cpu"), replace(WEB, phase="Succeeded"), replace(SMOKE, phase="Failed")]

    assert decide(now, wanted, *others).status == "change"


@pytest.mark.parametrize(
    ("now", "wanted", "says"),
    [
        (EXCLUSIVE, R4, "only without GPU pods, and default/web run on it"),
        (R4, EXCLUSIVE, "only without GPU pods"),
        (R4, RENAMED, "only without GPU pods"),
        (None, R4, "how its GPUs are shared now is unknown"),
    ],
)
def test_what_a_pod_was_promised_stays(now: Shape | None, wanted: Shape, says: str) -> None:
    """Also while the pod is on its way out: it holds its GPU to the end."""
    change = decide(now, wanted, replace(WEB, deleting=True), readings=seen(web=0))

    assert (change.status, says in change.reason) == ("waiting", True), change.reason


def test_a_smoke_is_no_smoke_of_what_comes_next() -> None:
    """That of a run which was stopped, or which a person asked for, ends first."""
    change = decide(R4, EXCLUSIVE, SMOKE)

    assert (change.status, "gpuops/smoke run on it" in change.reason) == ("waiting", True)


def test_what_was_broken_off_has_its_turn_before_another_node_is_closed() -> None:
    """Though its plugin offers nothing; a sick node comes last, and another run's is none of ours."""
    begun = {CORDONED_BY: "run-1", CONFIG_BEFORE: "exclusive"}
    nodes = {
        "well": NODE,
        "sick": replace(NODE, gpus=0, shared_gpus=0),
        "begun": replace(NODE, gpus=0, shared_gpus=0, annotations=begun),
    }

    assert sorted(nodes, key=lambda name: turn_of(nodes[name], "run-1")) == ["begun", "well", "sick"]
    assert sorted(nodes, key=lambda name: turn_of(nodes[name], "run-2")) == ["well", "sick", "begun"]


def test_more_shares_disturb_nobody() -> None:
    """No exporter is needed for that."""
    assert decide(R2, R4, WEB, BATCH, SMOKE).status == "change"


@pytest.mark.parametrize(
    ("readings", "status"),
    [
        (seen(web=0, batch=1), "change"),
        (seen(web=0, batch=2), "waiting"),
        (seen(web=0), "waiting"),
        ({}, "waiting"),
        (None, "waiting"),
    ],
)
def test_fewer_shares_only_above_the_highest_in_use(readings: Any, status: str) -> None:
    """A pod that the exporter does not show may hold any share."""
    assert decide(R4, R2, WEB, BATCH, readings=readings).status == status


def test_a_pod_with_two_shares_must_be_seen_twice() -> None:
    """Half of what it holds says nothing about the other half."""
    greedy = replace(WEB, gpus=2)
    twice = {"GPU-1": held_by("GPU-1", {0: "default/web", 1: "default/web"})}

    assert decide(R4, R2, greedy, readings=seen(web=0)).status == "waiting"
    assert decide(R4, R2, greedy, readings=twice).status == "change"


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (replace(NODE, mig=True), "MIG"),
        (replace(NODE, os_image="Bottlerocket OS 1.54.0 (aws-k8s-1.36-nvidia)"), "Bottlerocket"),
        (labelled(eks_amazonaws_com__compute_type="x"), ""),
        (replace(NODE, labels={"eks.amazonaws.com/compute-type": "auto"}), "Auto Mode"),
        (replace(NODE, labels={"nvidia.com/gpu.deploy.device-plugin": "true"}), "GPU Operator"),
        (replace(NODE, unschedulable=True), "cordoned by somebody else"),
        (replace(NODE, unschedulable=True, annotations={CORDONED_BY: "run-2"}), "cordoned by run run-2"),
        (replace(NODE, taints=(STARTUP_TAINT,)), "waits for its admission"),
        (replace(NODE, ready=False, readiness="KubeletNotReady"), "not Ready: KubeletNotReady"),
    ],
)
def test_what_is_somebody_elses_is_left_alone(node: Node, says: str) -> None:
    """Empty or not; a label that means nothing leaves nothing alone."""
    change = decide(EXCLUSIVE, R4, node=node)

    assert change.status == ("left" if says else "change")
    assert says in change.reason


def test_our_own_cordon_does_not_stand_in_our_way() -> None:
    """The second look comes after it."""
    assert decide(EXCLUSIVE, R4, node=replace(NODE, unschedulable=True, annotations={CORDONED_BY: "run-1"})).status == (
        "change"
    )


def test_a_node_that_has_it_is_done() -> None:
    """Cordoned or not."""
    node = replace(NODE, labels={PLUGIN_CONFIG_LABEL: "wanted"}, unschedulable=True)

    assert decide(R4, R4, WEB, node=node).status == "done"


def test_a_new_device_plugin_is_waited_for() -> None:
    """What would be checked within two minutes may still be on its way; a label that broke it is changed at once."""
    unlabelled = replace(NODE, labels={}, gpus=0)

    assert decide(None, R4, node=unlabelled).status == "waiting"
    assert decide(None, R4, node=replace(unlabelled, gpus=4)).status == "change"
    assert decide(R2, R4, node=replace(NODE, gpus=0)).status == "change"


def test_only_a_shrink_under_pods_needs_the_exporter() -> None:
    """Everything else is decided without a scrape."""
    assert needs_readings([WEB], R4, R2)
    assert not needs_readings([], R4, R2)
    assert not needs_readings([WEB], R2, R4)
    assert not needs_readings([WEB], R4, EXCLUSIVE)
    assert not needs_readings([WEB], None, R2)


def test_without_a_label_only_every_gpu_once_is_a_shape() -> None:
    """The plugin's own default may be anything."""
    assert shape_offered(replace(NODE, gpus=4), 4) == EXCLUSIVE
    assert shape_offered(replace(NODE, gpus=4), 1) is None
    assert shape_offered(replace(NODE, gpus=0), 0) is None
    assert shape_offered(replace(NODE, gpus=4, shared_gpus=4), 4) is None
