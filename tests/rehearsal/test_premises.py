"""Premises that are kept.

Covered: which of equal nodes a pod gets does not depend on the pods of the stories before; it did, by each pod that
may go to one node only, as those of a DaemonSet do.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from rehearsal.control_plane import find_or_build
from rehearsal.kube import Json, KubeApi
from rehearsal.premises import Premises

pytestmark = pytest.mark.cluster
NODES, PODS = "/api/v1/nodes", "/api/v1/namespaces/default/pods"
ROOM = {"cpu": "4", "memory": "16Gi", "pods": "58"}
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "is ready"}
ONLY_ONE = {"key": "metadata.name", "operator": "In", "values": ["equal-1"]}


@pytest.fixture(scope="module")
def premises() -> Iterator[Premises]:
    """Kept for both stories."""
    with Premises(find_or_build()) as made:
        yield made


def test_a_story_gets_its_nodes_whatever_was_placed_before(premises: Premises) -> None:
    """Three equal nodes, and a pod for one of them only in between."""
    assert len({story(premises) for _ in range(3)}) == 1


def story(premises: Premises) -> tuple[str, str]:
    """The nodes of a pod that may go anywhere, before and after another one."""
    premises.move_in((), lambda _token: None)
    premises.install(())
    kube = premises.kube()
    for name in ("equal-1", "equal-2", "equal-3"):
        node(kube, name)
    first = placed(kube, "first", {})
    term = {"nodeSelectorTerms": [{"matchFields": [ONLY_ONE]}]}
    placed(kube, "own", {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}})
    found = first, placed(kube, "second", {})
    kube.close()
    premises.move_out()
    return found


def node(kube: KubeApi, name: str) -> None:
    """One that takes pods."""
    kube.create(NODES, {"metadata": {"name": name}})
    kube.patch(f"{NODES}/{name}/status", {"status": {"capacity": ROOM, "allocatable": ROOM, "conditions": [READY]}})
    wait(lambda: not kube.get(f"{NODES}/{name}")["spec"].get("taints"))


def placed(kube: KubeApi, name: str, more: Json) -> str:
    """The node that a pod gets."""
    kube.create(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **more}})
    wait(lambda: "nodeName" in kube.get(f"{PODS}/{name}")["spec"])
    return str(kube.get(f"{PODS}/{name}")["spec"]["nodeName"])


def wait(holds: Callable[[], bool]) -> None:
    """In real time, as the control plane's own controllers do."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
