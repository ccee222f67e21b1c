"""Volumes that exist in one zone: how they are read, and which newcomer may stand in for their pod's node."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.cluster import read_pod
from gpuops.domain.pods import Pod
from gpuops.domain.rotation.volumes import zones_of
from tests.fakes.rotation import NOW, instance
from tests.fakes.steps import claim, launch, old_world, opened
from tests.fakes.world import World

DB = Pod("default", "db-0", "u1", owner="StatefulSet", claims=("data-db-0",))


def volume(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    """A PersistentVolume with one node selector term for each list of expressions."""
    return {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": t} for t in terms]}}}}


def among(*zones: str, key: str = "topology.kubernetes.io/zone") -> dict[str, Any]:
    """One expression."""
    return {"key": key, "operator": "In", "values": list(zones)}


@pytest.mark.parametrize(
    ("raw", "zones"),
    [
        ({"spec": {}}, None),
        (volume([among("a")]), {"a"}),
        (volume([among("a", key="topology.ebs.csi.aws.com/zone")]), {"a"}),
        (volume([among("a", "b"), among("b", "c")]), {"b"}),
        (volume([among("a")], [among("b")]), {"a", "b"}),
        (volume([among("a")], [among("x", key="kubernetes.io/hostname")]), None),
        (volume([{"key": "topology.kubernetes.io/zone", "operator": "Exists"}]), None),
    ],
)
def test_a_volumes_zones_are_read_from_its_node_affinity(raw: dict[str, Any], zones: set[str] | None) -> None:
    """Terms are alternatives, the expressions of one all hold; who says nothing of zones may be anywhere."""
    assert zones_of(raw) == (None if zones is None else frozenset(zones))


def test_a_pods_claims_are_named() -> None:
    """Those of generic ephemeral volumes bear the pod's name as well."""
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
        {"name": "shm", "emptyDir": {}},
    ]
    raw = {"metadata": {"namespace": "default", "name": "db-0"}, "spec": {"volumes": volumes}}

    assert read_pod(raw).claims == ("data-db-0", "db-0-scratch")


@pytest.fixture
def world() -> Iterator[World]:
    """Old nodes 0 and 2 in zone a, 1 in zone b; the first in the order has a pod with a volume in its zone."""
    with mock_aws():
        made = old_world()
        made.connected.pods = {f"node-{instance(n).id}": [DB] for n in (0, 2)}
        made.connected.zones = {"default/db-0": frozenset({"us-east-1a"})}
        yield made


def test_a_newcomer_elsewhere_stands_in_for_a_node_that_is_not_bound(world: World) -> None:
    """The bound one waits for a newcomer in its own zone, and gets it."""
    change = opened(world)
    launch(world, 11)

    first = claim(world, change, 0)
    assert (first.status, first.instance) == ("claimed", instance(1).id)

    launch(world, 12)
    second = claim(world, change, 1)
    assert (second.status, second.instance) == ("claimed", instance(0).id)


def test_a_node_whose_volumes_no_newcomer_can_have_is_not_claimed(world: World) -> None:
    """The reason names pod and zone; at the claim's deadline it is the run's."""
    change = opened(world)
    launch(world, 11)
    claim(world, change, 0)
    launch(world, 13)

    waiting = claim(world, change, 1)
    assert (waiting.status, waiting.instance) == ("waiting", None)
    assert "default/db-0 has a volume in us-east-1a" in waiting.reason
    late = claim(world, change, 1, NOW + timedelta(hours=2), claim=waiting.model_dump())
    assert late.status == "overdue"
    undo = world.store.undo("gpu")
    assert undo is not None
    assert "default/db-0 has a volume in us-east-1a" in str(undo.stopped)


def test_a_volume_that_may_be_anywhere_binds_nothing(world: World) -> None:
    """EFS and FSx, or a claim that nobody has bound yet."""
    world.connected.zones = {}
    change = opened(world)
    launch(world, 11)

    assert claim(world, change, 0).status == "claimed"
