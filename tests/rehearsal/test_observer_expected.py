"""What a scenario expects of nodes, pods, logs, series and objects: each met once, and missed once in words."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from rehearsal.observer import Wanted
from rehearsal.observer.cluster import Cluster
from rehearsal.observer.expected import unmet_logs, unmet_metrics, unmet_nodes, unmet_objects, unmet_pods
from rehearsal.observer.region import Group, Instance

Json = dict[str, Any]
GROUPS = {
    "gpu": Group(
        "gpu",
        {},
        frozenset(),
        protects_new=False,
        instances=(Instance("i-1", "InService", protected=False), Instance("i-2", "InService", protected=False)),
    )
}


def node(name: str, instance: str, *, gpus: int = 4, cordoned: bool = False, **labels: str) -> Json:
    """A node of an instance."""
    spec: Json = {"providerID": f"aws:///us-east-1a/{instance}", **({"unschedulable": True} if cordoned else {})}
    meta = {"name": name, "uid": name, "labels": labels}
    return {"metadata": meta, "spec": spec, "status": {"allocatable": {"nvidia.com/gpu": str(gpus)}}}


def pod(name: str, phase: str = "Running", on: str | None = "n1", owner: str = "app-5d4f", image: str = "app") -> Json:
    """A pod of the app `app`."""
    owners = [{"kind": "ReplicaSet", "name": owner, "controller": True}]
    meta = {"name": name, "namespace": "default", "uid": name, "labels": {"app": "app"}, "ownerReferences": owners}
    spec = {"nodeName": on, "containers": [{"name": "main", "image": image}]}
    return {"metadata": meta, "spec": spec, "status": {"phase": phase}}


def cluster(*items: tuple[str, Json]) -> Cluster:
    """A world of these objects."""
    made = Cluster()
    for kind, item in items:
        list(made.take(kind, item, gone=False))
    return made


NODES = cluster(
    ("node", node("n1", "i-1", key="r4")),
    ("node", node("n2", "i-2", gpus=1, cordoned=True)),
    ("node", node("n3", "i-9", key="r4")),
)


@pytest.mark.parametrize(
    ("want", "seen"),
    [
        ({"group": "gpu", "count": 1, "allocatable": 4}, None),
        ({"count": 2, "allocatable": 4, "labels": {"key": "r4"}}, None),
        ({"group": "gpu", "count": 1, "schedulable": False}, None),
        ({"group": "gpu", "count": 2, "allocatable": 4}, 1),
        ({"count": 1, "labels": {"key": "r2"}}, 0),
        ({"count": 1, "shared": 4}, 0),
        ({"count": 3, "schedulable": True}, 2),
    ],
)
def test_as_many_nodes_as_expected_are_like_that(want: Json, seen: int | None) -> None:
    """Of the group, or of all."""
    found = list(unmet_nodes(NODES, GROUPS, [want]))

    assert [f"; {seen} are, of: " in told for told in found] == ([] if seen is None else [True])


PODS = cluster(
    ("pod", pod("a")),
    ("pod", pod("b")),
    ("pod", pod("c", on="n2")),
    ("pod", pod("d", phase="Pending", on=None)),
    ("pod", pod("e", phase="Failed")),
)


@pytest.mark.parametrize(
    ("want", "missed"),
    [
        ({"running": 3, "pending": 1, "on_nodes": 2}, []),
        ({"running": 4}, ["pods of app: running 4; there were 3"]),
        ({"pending": 0}, ["pods of app: pending 0; there were 1"]),
        ({"on_nodes": 1}, ["pods of app: on nodes 1; there were 2"]),
        ({"namespace": "other", "running": 3}, ["pods of app: running 3; there were 0"]),
    ],
)
def test_as_many_pods_as_expected_run_and_wait(want: Json, missed: list[str]) -> None:
    """Zero is an expectation too, and what is not named may be anything."""
    assert list(unmet_pods(PODS, [{"workload": "app", **want}])) == missed


def reads(**answers: str) -> Callable[[str], bytes]:
    """An apiserver that answers paths which end so, and nothing else."""

    def read(path: str) -> bytes:
        for end, text in answers.items():
            if end in path:
                return text.encode()
        raise OSError(f"GET {path}: HTTP 404")

    return read


def test_one_pods_log_is_enough() -> None:
    """A log that cannot be read is no reason to stop: it is told."""
    wanted = [{"workload": "app", "contains": "CUDA"}]

    assert list(unmet_logs(PODS, wanted, reads(b="CUDA Version: 13.0"))) == []
    (missed,) = unmet_logs(PODS, wanted, reads(b="nothing"))
    assert "log of app: 'CUDA'; 4 pods wrote: '(GET" in missed


def test_every_exporter_gives_the_series() -> None:
    """A comment is none, and without an exporter there are none."""
    exporter = cluster(("pod", pod("x", image="nvidia/dcgm-exporter:4")))

    assert list(unmet_metrics(exporter, ["A"], reads(metrics='A{gpu="0"} 1\n'))) == []
    assert list(unmet_metrics(exporter, ["A", "B"], reads(metrics='# HELP B b\nA{gpu="0"} 1\n'))) == [
        "metrics of default/x: B; there were 1 others"
    ]
    assert "HTTP 404" in next(unmet_metrics(exporter, ["A"], reads()))
    assert list(unmet_metrics(PODS, ["A"], reads())) == ["metrics: A; no exporter runs"]
    assert not list(unmet_metrics(PODS, [], reads()))


@pytest.mark.parametrize(
    ("want", "missed"),
    [
        ({"exists": True, "has": {"data": {"r4": "x"}}}, []),
        ({"exists": True, "has": {"data": {"r4": "y"}}}, ["map: has {'data': {'r4': 'y'}}"]),
        ({"exists": True, "has": {"data": {"r4": {"deep": 1}}}}, ["map: has {'data': {'r4': {'deep': 1}}}"]),
        ({"exists": False}, ["map: not there"]),
        ({"path": "/other", "exists": False}, []),
        ({"path": "/other"}, ["map: there"]),
    ],
)
def test_an_object_is_there_with_its_fields_or_is_not(want: Json, missed: list[str]) -> None:
    """Whatever else it has."""
    wanted = Wanted("map", **{"path": "/map", **want})

    assert list(unmet_objects([wanted], reads(map=json.dumps({"data": {"r4": "x", "r2": "z"}})))) == missed
