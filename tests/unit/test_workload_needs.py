"""What pods say about CUDA, and what EC2 says about types.

Covered: annotation, environment, nothing told, containers without GPUs, smoke pods, finished pods, names of workloads,
digests, whole boards, parts of boards, types without any; types of a group by template and by overrides.
"""

from typing import Any

import pytest

from gpuops.adapters.workloads import Workloads
from gpuops.domain.drivers.kinds import GpuType, read_type
from gpuops.domain.drivers.workloads import Use, uses_of
from gpuops.domain.rotation.launch import types_of

IMAGE, DIGEST = "registry.example/chat:1", "registry.example/chat@sha256:" + "a" * 64


def pod(env: Any = (), annotations: Any = None, *, gpus: str = "1", **more: Any) -> dict[str, Any]:
    """Return a pod of a Deployment whose one container holds GPUs."""
    container = {"name": "main", "image": IMAGE, "env": list(env), "resources": {"limits": {"nvidia.com/gpu": gpus}}}
    owner = {"kind": "ReplicaSet", "name": "chat-7d9f", "controller": True}
    labels = {"pod-template-hash": "7d9f"}
    meta = {"namespace": "default", "name": "chat-7d9f-x", "annotations": annotations, "labels": labels}
    status = {"phase": "Running", "containerStatuses": [{"name": "main", "imageID": DIGEST}]}
    spec = {"nodeName": "n", "containers": [{"name": "proxy", "image": "p"}, container]}
    return {"metadata": {**meta, "ownerReferences": [owner]}, "spec": spec, "status": status} | more


def value(name: str, text: str) -> dict[str, str]:
    """Return one variable."""
    return {"name": name, "value": text}


@pytest.mark.parametrize(
    ("env", "annotations", "told", "source"),
    [
        ([], None, None, "image"),
        ([value("PATH", "/bin")], {"other": "x"}, None, "image"),
        ([value("NVIDIA_REQUIRE_CUDA", "cuda>=12.4")], None, ("cuda>=12.4",), "environment"),
        ([value("NVIDIA_DISABLE_REQUIRE", "1")], None, (), "environment"),
        ([{"name": "NVIDIA_REQUIRE_CUDA", "valueFrom": {}}], None, None, "image"),
        ([value("NVIDIA_REQUIRE_CUDA", "cuda>=12.4")], {"gpuops/requires-cuda": " 13.0 "}, ("13.0",), "annotation"),
    ],
)
def test_the_annotation_goes_before_the_environment_before_the_image(
    env: Any, annotations: Any, told: tuple[str, ...] | None, source: str
) -> None:
    """What is told nowhere, only the image can tell."""
    [use] = uses_of(pod(env, annotations))

    assert (use.told, use.source, use.workload, use.image, use.digest) == (told, source, "default/chat", IMAGE, DIGEST)


def test_only_containers_that_hold_gpus_count() -> None:
    """Not our own smoke's, not a finished pod's; an init container's do."""
    smoke = pod()
    smoke["metadata"]["namespace"] = "gpuops"
    first = pod(gpus="0")
    first["spec"]["initContainers"] = [{"name": "warm", "image": "w", "resources": {"limits": {"nvidia.com/gpu": 1}}}]
    first["metadata"]["ownerReferences"] = []

    assert not [*uses_of(smoke), *uses_of(pod(gpus="0")), *uses_of(pod(status={"phase": "Succeeded"}))]
    assert list(uses_of(first)) == [Use("default/chat-7d9f-x", "w")]


class Kube:
    """Lists these pods."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods, self.calls = pods, 0

    def get_all(self, path: str, query: Any) -> Any:
        """Count, and list."""
        self.calls += 1
        return iter(self.pods)


def test_alike_pods_are_one_use_and_one_list_serves_all_nodes() -> None:
    """However many replicas and nodes there are."""
    elsewhere = pod([value("NVIDIA_REQUIRE_CUDA", "cuda>=99")])
    elsewhere["spec"]["nodeName"] = "other"
    kube: Any = Kube(pod(), pod(), elsewhere)

    assert Workloads(kube).on(["n", "m"]) == [Use("default/chat", IMAGE, DIGEST)]
    assert kube.calls == 1


def test_a_type_as_ec2_describes_it() -> None:
    """Whole boards, a part of one, and none of NVIDIA's."""
    l4 = {"Name": "L4", "Manufacturer": "NVIDIA"}
    rest = {"VCpuInfo": {"DefaultVCpus": 4}, "MemoryInfo": {"SizeInMiB": 1024}}
    cpu = {"ProcessorInfo": {"SupportedArchitectures": ["x86_64"]}, **rest}
    whole = {"Gpus": [{**l4, "Count": 4}], "TotalGpuMemoryInMiB": 91552}
    part = {"Gpus": [{**l4, "Count": 0, "GpuPartitionSize": 0.25, "LogicalGpuCount": 1}], "TotalGpuMemoryInMiB": 5722}
    other = {"Gpus": [{"Name": "V520", "Manufacturer": "AMD", "Count": 1}], "TotalGpuMemoryInMiB": 8192}

    read = [read_type({"InstanceType": "x", "GpuInfo": gpus, **cpu}) for gpus in (whole, part, other)]

    assert read[0] == GpuType("x", "L4", 4, 91552, 4, 1024, ("x86_64",))
    assert (read[1].gpus, read[1].gpu_memory_mib, read[2].gpu, read[2].gpus, read[2].gpu_memory_mib) == (
        (0.25, 5722, "", 0, 0)
    )


def test_overrides_name_the_types_of_a_group_or_else_its_templates() -> None:
    """Auto Scaling then asks no template; a group that chooses by attributes names none."""
    data = [{"InstanceType": "g4dn.xlarge"}, {}]
    mixed = {"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{"InstanceType": "g5.xlarge"}, {"X": 1}]}}}

    assert types_of({"LaunchTemplate": {}}, data) == {"g4dn.xlarge"}
    assert types_of(mixed, data) == {"g5.xlarge"}
    assert types_of({}, [{}]) == frozenset()
