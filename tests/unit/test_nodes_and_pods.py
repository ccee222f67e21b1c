"""Nodes and pods read from what the apiserver answers: GPUs under both names, MIG, the boot, what a pod holds."""

from typing import Any

import pytest

from gpuops.domain.cluster import UNEVEN, read_node, read_pod
from gpuops.domain.keys import MARKS


def node(allocatable: dict[str, str], labels: dict[str, str] | None = None) -> Any:
    """Read one node."""
    info = {"bootID": "b-1", "osImage": "Amazon Linux 2023.9"}
    meta = {"name": "n1", "labels": labels or {}}
    return read_node({"metadata": meta, "status": {"allocatable": allocatable, "nodeInfo": info}})


def test_a_node_offers_its_gpus_under_either_name() -> None:
    """The device plugin's renameByDefault moves them from one name to the other."""
    found = node({"cpu": "4", "nvidia.com/gpu": "0", "nvidia.com/gpu.shared": "8"})

    assert (found.gpus, found.shared_gpus, found.mig) == (0, 8, False)
    assert (found.offers("nvidia.com/gpu"), found.offers("nvidia.com/gpu.shared")) == (0, 8)
    assert (found.boot_id, found.os_image) == ("b-1", "Amazon Linux 2023.9")


def test_a_node_that_says_nothing_yet_is_read_all_the_same() -> None:
    """Kubelet creates it before it fills in its status."""
    found = read_node({"metadata": {"name": "n1"}})

    assert (found.gpus, found.shared_gpus, found.mig, found.boot_id, found.config) == (0, 0, False, "", None)


@pytest.mark.parametrize(
    ("allocatable", "labels", "mig"),
    [
        ({"nvidia.com/mig-1g.5gb": "7"}, {}, True),
        ({"nvidia.com/mig-1g.5gb": "0", "nvidia.com/gpu": "1"}, {}, False),
        ({"nvidia.com/gpu": "7"}, {"nvidia.com/mig.strategy": "single"}, True),
        ({"nvidia.com/gpu": "1"}, {"nvidia.com/mig.strategy": "none"}, False),
        ({}, {"nvidia.com/mig.config": "all-1g.5gb"}, True),
        ({"nvidia.com/gpu": "1"}, {"nvidia.com/mig.config": "all-disabled"}, False),
    ],
)
def test_mig_shows_in_resources_or_labels(allocatable: dict[str, str], labels: dict[str, str], mig: bool) -> None:  # noqa: FBT001 - a column of the table
    """A label alone is enough: between two partitionings a node offers nothing."""
    assert node(allocatable, labels).mig is mig


@pytest.mark.parametrize(
    ("places", "marks"), [([], 0), ([0], 1), ([2, 1, 0], 3), ([0, 1, 2, 3], 4), ([1], UNEVEN), ([0, 1, 3], UNEVEN)]
)
def test_taints_of_ours_count_only_as_a_plan_sets_them(places: list[int], marks: int) -> None:
    """With a soft one taken off by hand, the hard one is not one more soft one; others' make no difference."""
    taints = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}, *(MARKS[place].model_dump() for place in places)]
    assert read_node({"metadata": {"name": "n1"}, "spec": {"taints": taints}}).marks == marks


def test_a_taint_of_ours_with_another_effect_is_none_that_a_plan_sets() -> None:
    """Somebody made it hard."""
    taints = [{"key": MARKS[0].key, "effect": "NoSchedule"}]
    assert read_node({"metadata": {"name": "n1"}, "spec": {"taints": taints}}).marks == UNEVEN


def test_the_label_chooses_the_configuration() -> None:
    """As the config-manager reads it."""
    assert node({}, {"nvidia.com/device-plugin.config": "r4"}).config == "r4"


def pod(containers: list[dict[str, Any]], init: list[dict[str, Any]] | None = None, **meta: Any) -> Any:
    """Read one pod."""
    spec = {"containers": containers, **({"initContainers": init} if init else {})}
    return read_pod({"metadata": {"namespace": "default", "name": "p", **meta}, "spec": spec})


def limits(**names: str) -> dict[str, Any]:
    """A container with limits; `gpu` and `shared` stand for the two resources."""
    full = {"gpu": "nvidia.com/gpu", "shared": "nvidia.com/gpu.shared", "memory": "memory"}
    return {"name": "c", "resources": {"limits": {full[name]: count for name, count in names.items()}}}


def test_a_pod_holds_what_its_containers_hold_together_or_its_greediest_init_container() -> None:
    """As the scheduler counts."""
    assert pod([limits(gpu="1"), limits(shared="1", memory="1Gi")]).gpus == 2
    assert pod([limits(gpu="1")], [limits(gpu="3"), limits(gpu="2")]).gpus == 3
    assert pod([{"name": "c"}, limits(memory="1Gi")], [{"name": "i", "resources": {}}]).gpus == 0


def test_only_our_own_namespace_has_smoke_pods() -> None:
    """Whoever copies our label elsewhere runs workload."""
    labels = {"gpuops/smoke": "n1"}

    assert pod([], labels=labels, namespace="gpuops").smoke
    assert not pod([], labels=labels).smoke
    assert not pod([], namespace="gpuops").smoke
