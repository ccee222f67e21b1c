"""The Job of each stage: bound to its node, without a hold on it, bounded; and no value can change its structure."""

from typing import Any

import pytest
from pydantic import ValidationError

from gpuops.adapters.smoke_manifest import SmokeJob, job_name, render, smoke_job
from gpuops.domain.admission.answers import Shot
from gpuops.domain.keys import label_of
from gpuops.domain.policy import Smoke
from gpuops.domain.run import Execution, Run
from gpuops.domain.smoke.order import SmokeOrder
from gpuops.domain.smoke.stages import DEVICE, DIAGNOSTIC, SAMPLE, STAGES
from tests.unit.test_admission_functions import RUN

JOB = SmokeJob(
    run="run-1",
    smoke="smoke-1",
    group="gpu",
    node="ip-10-0-1-7.ec2.internal",
    pods=5,
    resource="nvidia.com/gpu.shared",
    device_image="a/b:1",
    sample_image="c:2",
    diagnostic_image="d:3",
    timeout_seconds=9,
)
EXECUTION = Execution(id="arn:smoke-2", name="smoke-2", machine="smoke_node")
LONG_RUN = "6f6e2b52-1f1f-4b7a-9f5e-0d6c1b2a3f4e_9f5e0d6c-1b2a-3f4e-6f6e-2b521f1f4b7a"
CONTAINERS = {
    "device": [(DEVICE, "a/b:1"), (SAMPLE, "c:2")],
    "overlap": [(SAMPLE, "c:2"), (DEVICE, "a/b:1")],
    "slices": [(DEVICE, "a/b:1")],
    "diagnostic": [(DIAGNOSTIC, "d:3")],
}


def rendered(stage: str, **more: Any) -> tuple[Any, Any, list[Any]]:
    """The Job's spec, its pods', and their containers in the order in which they run."""
    spec = render(SmokeJob.model_validate({**JOB.model_dump(), "stage": stage, **more}))["spec"]
    pod = spec["template"]["spec"]
    return spec, pod, [*pod.get("initContainers", ()), *pod["containers"]]


@pytest.mark.parametrize("stage", STAGES)
def test_a_smoke_job_is_bound_to_its_node_and_lets_nothing_through(stage: str) -> None:
    """Through the scheduler, without an account, without privileges, once, behind nobody, and not for long."""
    spec, pod, containers = rendered(stage)

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (0, 9, 3600)
    assert (spec["parallelism"], spec["completions"]) == (5, 5)
    term = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [JOB.node]}]}
    assert "nodeName" not in pod
    assert (pod["automountServiceAccountToken"], pod["priorityClassName"]) == (False, "gpuops-smoke")
    assert [(c["name"], c["image"]) for c in containers] == CONTAINERS[stage]
    for container in containers:
        assert container["resources"]["limits"]["nvidia.com/gpu.shared"] == 1
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["limits"]) == {"cpu", "memory", "nvidia.com/gpu.shared"}


def test_the_pods_of_an_overlap_hold_their_share_until_they_are_removed() -> None:
    """A parallel Job whose pods end would pass on an unshared GPU, one after the other."""
    _, _, containers = rendered("overlap", timeout_seconds=600)

    assert containers[1]["command"][-1].endswith("exec sleep 600")


def test_beside_tenants_nothing_but_a_list_is_run() -> None:
    """No context on the GPU, and so no memory of it."""
    _, _, containers = rendered("slices")

    assert [container["command"][-1] for container in containers] == ["nvidia-smi -L"]


def test_the_policy_chooses_images_level_and_time() -> None:
    """The stage chooses how many pods, and how much each of them asks for."""
    policy = Smoke(diagnostic="dcgm:1", diagnostic_level=2)
    shot = Shot(stage="diagnostic", pods=1, amount=8, timeout_seconds=1800)
    job = render(
        smoke_job(Run.model_validate(RUN), SmokeOrder(node="n", execution=EXECUTION), shot, "nvidia.com/gpu", policy)
    )
    (container,) = job["spec"]["template"]["spec"]["containers"]

    assert (container["image"], container["command"][-1].endswith("exec dcgmi diag -r 2")) == ("dcgm:1", True)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 8
    assert job["spec"]["activeDeadlineSeconds"] == 1800
    assert job["metadata"]["name"] == job_name("smoke-2", "n", "diagnostic")


def test_a_smoke_jobs_name_belongs_to_execution_node_and_stage() -> None:
    """The same twice; another for another node, smoke or stage; and it fits its pods' names."""
    names = {job_name(smoke, node, stage) for smoke in ("one", "two") for node in ("a", "b") for stage in STAGES}

    assert job_name("one", "a", "device") == job_name("one", "a", "device")
    assert len(names) == 16
    assert max(map(len, names)) <= 57


def test_a_run_that_eventbridge_named_still_fits_a_label() -> None:
    """73 characters are too many for a label value."""
    label = render(SmokeJob(**{**JOB.model_dump(), "run": LONG_RUN}))["metadata"]["labels"]["gpuops/run"]

    assert len(label) <= 63
    assert label == label_of(LONG_RUN) != label_of(LONG_RUN + "x")
    assert label_of("run-1") == "run-1"


@pytest.mark.parametrize(
    "fault",
    [
        {"node": "n\nx: y"},
        {"node": "N"},
        {"device_image": "a b"},
        {"timeout_seconds": 0},
        {"resource": "x"},
        {"pods": 0},
    ],
)
def test_a_value_that_could_change_the_manifest_is_refused(fault: dict[str, Any]) -> None:
    """Before it comes near the template."""
    with pytest.raises(ValidationError):
        SmokeJob.model_validate({**JOB.model_dump(), **fault})
