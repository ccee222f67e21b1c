"""Simulated kubelets on the real control plane, with the rest ledger deciding when time may pass.

Covers: registration and taints, GPUs by plugin and label, faults of images, smoke output, logs and metrics through
the apiserver, pods that end, crash or never get ready, over-commit, a machine that dies; and that in all of it no
debt was ever overridden.
"""

from collections.abc import Iterator

import pytest

from rehearsal.kubelets.pods import START_SECONDS
from tests.rehearsal.kubelet_world import (
    DEPLOYMENTS,
    EXPORTER,
    GPU_TAINT,
    JOBS,
    PODS,
    SYSTEM,
    Box,
    KubeletWorld,
    deployment,
    job,
    kubelet_world,
    pod_template,
)

pytestmark = pytest.mark.cluster

GOOD, OTHER, NEVER = Box(11), Box(12, zone="us-east-1b"), Box(13, ami="ami-0never")
CRASH, SMOKE, PLAIN = Box(14, ami="ami-0crash"), Box(15, ami="ami-0smoke"), Box(16, "m7i.large", flags=())
R2 = "version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}\n"
LABEL = "nvidia.com/device-plugin.config"


@pytest.fixture(scope="module")
def world() -> Iterator[KubeletWorld]:
    """Six machines, plugin and exporter, all booted; at the end nothing may have gone wrong in between."""
    with kubelet_world() as made:
        made.configure({"exclusive": "version: v1\n", "r2": R2})
        made.daemonset("exporter", EXPORTER)
        made.boot(GOOD, OTHER, NEVER, CRASH, SMOKE, PLAIN)
        made.wait(260)
        yield made
        stats = made.clock.stats()
        assert (stats["overrun"], stats["failures"]) == ({}, [])


def test_a_machine_joins_ready_with_its_flags_and_the_clouds_labels(world: KubeletWorld) -> None:
    """Only the registered taint is left: kubelet's, the cloud's and the not-ready ones are gone."""
    node = world.node(OTHER)
    labels = node["metadata"]["labels"]

    assert [f"{t['key']}={t['value']}:{t['effect']}" for t in node["spec"]["taints"]] == [GPU_TAINT]
    assert labels["topology.kubernetes.io/zone"] == "us-east-1b"
    assert labels["nvidia.com/gpu"] == "true"
    assert node["spec"]["providerID"] == f"aws:///us-east-1b/{OTHER.instance_id}"
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36.2-eks-")


def test_gpus_appear_only_where_a_plugin_serves(world: KubeletWorld) -> None:
    """Not on a CPU machine, and not where the plugin cannot stay up."""
    assert [world.allocatable(box) for box in (GOOD, OTHER, CRASH, PLAIN)] == ["1", "1", None, None]
    crashing = next(p for p in world.pods("plugin", f"{SYSTEM}/pods") if p["spec"]["nodeName"] == CRASH.private_dns)
    assert crashing["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"


def test_a_machine_that_never_registers_says_why(world: KubeletWorld) -> None:
    """It is no Node, and the reason is kept."""
    assert "never registers" in world.kubelets.unjoined[NEVER.instance_id]
    assert world.kube.find(f"/api/v1/nodes/{NEVER.private_dns}") is None


def test_a_smoke_job_prints_driver_cuda_and_its_own_uuid(world: KubeletWorld) -> None:
    """All three programs play one after the other."""
    command = ["sh", "-c", "nvidia-smi -L && nvidia-smi && vectorAdd"]
    world.kube.create(JOBS, job("smoke", gpus=1, command=command, nodeSelector=host(GOOD)))
    world.wait(30)
    (pod,) = world.pods("smoke")
    log = world.log(pod)

    assert pod["status"]["phase"] == "Succeeded"
    assert "Driver Version: 580.159.03" in log
    assert "CUDA Version: 13.0" in log
    assert f"UUID: {uuid_of(world, GOOD)})" in log
    assert "Test PASSED" in log


def test_a_faulty_image_fails_its_smoke_job(world: KubeletWorld) -> None:
    """The container ends with 1, the Job with Failed."""
    world.kube.create(JOBS, job("bad-smoke", gpus=1, command=["vectorAdd"], nodeSelector=host(SMOKE)))
    world.wait(30)
    (pod,) = world.pods("bad-smoke")

    assert pod["status"]["phase"] == "Failed"
    assert "Failed to allocate device vector" in world.log(pod)
    conditions = world.kube.get(f"{JOBS}/bad-smoke")["status"]["conditions"]
    assert [c["status"] for c in conditions if c["type"] == "Failed"] == ["True"]


def test_a_label_changes_the_number_of_gpus_after_a_gap(world: KubeletWorld) -> None:
    """Zero while the plugin restarts, then the new number."""
    path = f"/api/v1/nodes/{OTHER.private_dns}"
    seen = []
    for key in ("r2", "exclusive"):
        world.kube.patch(path, {"metadata": {"labels": {LABEL: key}}})
        for pause in (2, 10):
            world.wait(pause)
            seen.append(world.allocatable(OTHER))
    assert seen == ["0", "2", "0", "1"]


def test_metrics_name_the_pod_that_makes_a_gpu_busy(world: KubeletWorld) -> None:
    """Through the apiserver's pod proxy, as a scrape reads them."""
    idle = metrics(world, GOOD)
    world.kube.create(JOBS, job("burn", gpus=1, nodeSelector=host(GOOD)))
    world.wait(10)
    busy = metrics(world, GOOD)
    world.wait(60)

    assert (value(idle, "DCGM_FI_DEV_GPU_UTIL"), value(busy, "DCGM_FI_DEV_GPU_UTIL")) == (0, 40)
    assert 'pod="burn-' in busy
    assert "pod=" not in idle


def test_a_pod_bound_where_no_device_is_left_fails_its_admission(world: KubeletWorld) -> None:
    """The scheduler's belief does not count: kubelet's device manager has the last word."""
    body = pod_template("squatter", gpus=1)
    for name in ("first", "second"):
        world.kube.create(
            PODS, {**body, "metadata": {"name": name}, "spec": body["spec"] | {"nodeName": OTHER.private_dns}}
        )
        world.wait(START_SECONDS)
    second = world.kube.get(f"{PODS}/second")
    for name in ("first", "second"):
        world.kube.delete(f"{PODS}/{name}")
    world.wait(5)

    assert second["status"]["reason"] == "UnexpectedAdmissionError"
    assert world.pods("squatter") == []


def test_a_pod_may_be_told_never_to_get_ready(world: KubeletWorld) -> None:
    """It runs, and that is all."""
    annotations = {"rehearsal.gpuops.dev/never-ready": "true"}
    world.kube.create(DEPLOYMENTS, deployment("stuck", 1, annotations=annotations))
    world.wait(20)
    status = world.kube.get(f"{DEPLOYMENTS}/stuck")["status"]
    world.kube.delete(f"{DEPLOYMENTS}/stuck")
    world.wait(5)

    assert (status["replicas"], status.get("readyReplicas", 0)) == (1, 0)


def test_a_job_ends_at_the_second_that_was_asked_for(world: KubeletWorld) -> None:
    """Two hours cost no wall time, and its end is simulated time."""
    start = world.clock.now()
    annotations = {"rehearsal.gpuops.dev/run-seconds": "7200"}
    world.kube.create(JOBS, job("train", gpus=1, annotations=annotations))
    world.wait(START_SECONDS + 7199)
    before = world.kube.get(f"{JOBS}/train")["status"].get("active")
    world.wait(2)

    assert (before, world.kube.get(f"{JOBS}/train")["status"].get("succeeded")) == (1, 1)
    assert world.clock.now() - start == pytest.approx(START_SECONDS + 7201)


def test_a_machine_that_dies_takes_its_pods_with_it(world: KubeletWorld) -> None:
    """Silent, then unknown and its pods not ready; collected a minute after the Node's deletion."""
    world.kube.create(DEPLOYMENTS, deployment("serve", 2, gpus=1, affinity=not_on(SMOKE)))
    world.wait(20)
    (victim,) = [p for p in world.pods("serve") if p["spec"]["nodeName"] == GOOD.private_dns]
    world.kubelets.terminate(GOOD.instance_id)
    world.wait(45)
    unknown = {t["key"] for t in world.node(GOOD)["spec"]["taints"]}
    ready = world.kube.get(f"{DEPLOYMENTS}/serve")["status"].get("readyReplicas")
    world.kube.delete(f"/api/v1/nodes/{GOOD.private_dns}")
    world.wait(59)
    kept = world.kube.find(f"{PODS}/{victim['metadata']['name']}")
    world.wait(10)

    assert "node.kubernetes.io/unreachable" in unknown
    assert (ready, kept is not None) == (1, True)
    assert world.kube.find(f"{PODS}/{victim['metadata']['name']}") is None
    assert len(world.pods("serve")) == 2


def host(box: Box) -> dict[str, str]:
    """A node selector for one machine."""
    return {"kubernetes.io/hostname": box.private_dns}


def not_on(box: Box) -> dict[str, object]:
    """A required affinity for every other machine."""
    rule = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [box.private_dns]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def metrics(world: KubeletWorld, box: Box) -> str:
    """The exposition of a machine's exporter."""
    pods = world.pods("exporter", f"{SYSTEM}/pods")
    (name,) = [p["metadata"]["name"] for p in pods if p["spec"]["nodeName"] == box.private_dns]
    return world.raw(f"{world.kube.server}{SYSTEM}/pods/{name}:9400/proxy/metrics")


def value(text: str, metric: str) -> float:
    """A metric's first sample."""
    return float(next(line for line in text.splitlines() if line.startswith(metric + "{")).rsplit(" ", 1)[1])


def uuid_of(world: KubeletWorld, box: Box) -> str:
    """The UUID that the exporter gives a machine's GPU."""
    return metrics(world, box).split('UUID="')[1].split('"')[0]
