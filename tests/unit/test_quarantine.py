"""A node whose root volume is to be replaced: closed, emptied within its budgets, let go; or kept, and people told.

Covers: quarantine_node pass by pass and twice, its hook (heartbeats, lapsed, answered before), a drain without a
change, the way back through admit_instance, and what reconcile takes up.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Unhealthy
from gpuops.domain.keys import ADMITTED, BOOT_BEFORE, CORDONED_BY, CUDA, DRIVER, QUARANTINED, STARTUP_TAINT
from tests.fakes.admission import FakeCluster, FakeInstances
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW as ROLL_NOW
from tests.fakes.rotation import Groups, group, instance
from tests.fakes.rotation import run as roll_run
from tests.fakes.world import World, table
from tests.unit.test_admission_functions import GPU_TAINT, HOOK, INSTANCE, NAME, NOW, RUN, admit

QUARANTINE, DRAIN, LEFTOVERS = (load_app(name) for name in ("quarantine_node", "drain_node", "list_leftovers"))
TIMED = HOOK.model_copy(update={"heartbeat_seconds": 900})
NODE = Node(
    name=NAME, uid="u1", instance=INSTANCE, taints=(GPU_TAINT,), annotations={ADMITTED: "x"}, gpus=1, boot_id="boot-1"
)
FOUND = {"status": "replacing", "reason": "r", "instance": INSTANCE, "node": NAME, "hook": TIMED, "beat": NOW}
OURS = f"root-volume-{INSTANCE}"


class Bus(list[dict[str, Any]]):
    """Keeps what people are told."""

    def put_escalation(self, detail: dict[str, Any]) -> None:
        """See Bus."""
        self.append(detail)


def quarantine(cluster: FakeCluster, instances: FakeInstances, seconds: int = 0, **more: Any) -> Any:
    """One pass, with nobody to tell."""
    return tell(cluster, instances, Bus(), seconds, **more)


def tell(cluster: FakeCluster, instances: FakeInstances, bus: Any, seconds: int = 0, **more: Any) -> Any:
    """One pass."""
    request = QUARANTINE.Request.model_validate({"run": RUN, "find": FOUND, **more})
    return QUARANTINE.quarantine(request, NOW + timedelta(seconds=seconds), cluster, instances, bus)


def drained(status: str) -> dict[str, Any]:
    """drain_node's last word."""
    return {"drain": {"status": status, "reason": "default/web-0: the disruption budget web"}}


def test_the_node_is_closed_and_says_why() -> None:
    """Taint, cordon and the boot before; twice is as good as once; its hook is not answered."""
    cluster, instances = FakeCluster(NODE), FakeInstances()

    answers = [quarantine(cluster, instances) for _ in range(2)]

    node = cluster.known[NAME]
    assert [answer.status for answer in answers] == ["closed", "closed"]
    assert (node.unschedulable, node.pending, node.admitted, node.cordoned_by) == (True, True, False, OURS)
    assert (node.annotations[BOOT_BEFORE], node.annotations[QUARANTINED]) == ("boot-1", NOW.isoformat())
    assert (instances.answers, answers[0].wait_seconds) == ([], 300)


def test_somebody_elses_cordon_is_left_alone() -> None:
    """Then it is not ours to lift afterwards, either."""
    cluster = FakeCluster(replace(NODE, unschedulable=True))

    quarantine(cluster, FakeInstances())

    assert CORDONED_BY not in cluster.known[NAME].annotations
    assert cluster.known[NAME].pending


def test_the_hook_hears_of_us_while_the_node_is_drained() -> None:
    """It would go on without an answer, with the pods still there."""
    cluster, instances = FakeCluster(NODE), FakeInstances()
    before = quarantine(cluster, instances, 200)
    later = quarantine(cluster, instances, 300, quarantine=before.model_dump())
    quarantine(cluster, instances, 400, quarantine=later.model_dump())

    assert (instances.beats, later.beat) == (1, NOW + timedelta(seconds=300))


def test_a_hook_that_lapsed_is_not_waited_with() -> None:
    """Auto Scaling replaces the volume now, whatever we do: the restart is what is left to wait for."""
    answer = quarantine(FakeCluster(NODE), FakeInstances("ReplacingRootVolume:Proceed"), 300)

    assert (answer.status, "waits no longer" in answer.reason) == ("continued", True)


def test_an_empty_node_is_let_go_once() -> None:
    """A repeated call finds its hook answered, and must not note the boot that came after."""
    cluster, instances = FakeCluster(NODE), FakeInstances()
    quarantine(cluster, instances)

    first = quarantine(cluster, instances, 60, **drained("drained"))
    cluster.known[NAME] = replace(cluster.known[NAME], boot_id="boot-2")
    again = quarantine(cluster, instances, 60, **drained("drained"))

    assert (first.status, again.status, instances.answers) == ("continued", "continued", ["CONTINUE"])
    assert cluster.known[NAME].annotations[BOOT_BEFORE] == "boot-1"
    assert cluster.known[NAME].restarted


def test_a_node_that_cannot_be_emptied_is_kept_and_people_are_told() -> None:
    """Its hook stays unanswered: an answer would kill the pods."""
    cluster, instances, bus = FakeCluster(NODE), FakeInstances(), Bus()

    kept = tell(cluster, instances, bus, **drained("overdue"))

    assert (kept.status, "the disruption budget web" in kept.reason) == ("kept", True)
    assert (instances.answers, cluster.known[NAME].pending) == ([], True)
    assert [(told["node"], told["group"]) for told in bus] == [(NAME, "gpu")]
    assert "when hook gpuops-admit lapses" in bus[0]["reason"]


@pytest.mark.parametrize("known", [(), (replace(NODE, instance="i-0fedcba9876543210"),)], ids=["gone", "another's"])
def test_a_node_that_went_away_is_unhealthy(known: tuple[Node, ...]) -> None:
    """Nothing is left to close."""
    with pytest.raises(Unhealthy, match="went away"):
        quarantine(FakeCluster(*known), FakeInstances())


def test_an_instance_that_left_is_not_called_continued() -> None:
    """Its hook did not wait because it is on its way out."""
    with pytest.raises(Unhealthy, match="Terminating"):
        quarantine(FakeCluster(NODE), FakeInstances("Terminating"), **drained("drained"))


def test_the_restarted_node_is_admitted_and_opened_again() -> None:
    """Our cordon, our taint, our notes: nothing of ours stays but that it was admitted, and what its smoke saw."""
    cluster, instances = FakeCluster(NODE), FakeInstances()
    quarantine(cluster, instances)
    instances.state = "InService"
    back = {"status": "found", "reason": "r", "instance": INSTANCE, "node": NAME, "hook": None}

    answers = [admit(cluster, instances, find=back) for _ in range(2)]

    node = cluster.known[NAME]
    assert [answer.status for answer in answers] == ["admitted", "admitted"]
    assert (node.unschedulable, node.taints, set(node.annotations)) == (False, (GPU_TAINT,), {ADMITTED, DRIVER, CUDA})


def test_a_cordon_that_is_not_ours_survives_the_admission() -> None:
    """An operator's reason is the operator's."""
    cluster = FakeCluster(replace(NODE, unschedulable=True, taints=(STARTUP_TAINT,)))

    admit(cluster, FakeInstances())

    assert cluster.known[NAME].unschedulable


@pytest.fixture
def world() -> Iterator[World]:
    """A group of one node with one pod."""
    with mock_aws():
        one = instance(0, launched=ROLL_NOW - timedelta(days=30))
        world = World(groups=Groups(group([one])), store=Store(table()))
        pod = Pod(namespace="default", name="web-0", owner="ReplicaSet", uid="p1")
        world.connected.all_nodes = [
            Node(name="n0", instance=one.id, taints=(STARTUP_TAINT,), unschedulable=True, boot_id="boot-1")
        ]
        world.connected.pods = {"n0": [pod]}
        yield world


def test_a_node_is_drained_without_a_change_of_its_group(world: World) -> None:
    """No lock is asked for, no roll is stopped, no second cordon set: somebody else closed it."""
    cluster = FakeCluster(*world.connected.all_nodes, pods=[("n0", world.connected.pods["n0"][0])])
    world.connected = cluster  # type: ignore[assignment]
    cluster.budgets["default/web-0"] = "the disruption budget web"
    request = DRAIN.Request(run=roll_run(), instance=instance(0).id)

    draining = DRAIN.drain(request, ROLL_NOW, world)
    overdue = DRAIN.drain(request.model_copy(update={"drain": draining}), ROLL_NOW + timedelta(hours=1), world)

    assert (draining.status, overdue.status) == ("draining", "overdue")
    assert cluster.known["n0"].cordoned_by is None
    assert cluster.evicted == []


def test_reconcile_leaves_a_node_alone_that_an_execution_cares_for(world: World) -> None:
    """Its drain may take days; without a word from it for longer than an admission runs, it is taken up."""
    (node,) = world.connected.all_nodes

    def listed(minutes: int) -> list[str]:
        mark = {QUARANTINED: (ROLL_NOW - timedelta(minutes=minutes)).isoformat(), BOOT_BEFORE: "boot-1"}
        world.connected.all_nodes = [replace(node, annotations=mark)]
        return [admission.name for admission in LEFTOVERS.list_leftovers(ROLL_NOW, world).admissions]

    assert listed(10) == []
    assert listed(60) != listed(70), "an attempt of another time has another name"
    assert [name[: len("leftover-i-00000000-1-")] for name in listed(60)] == ["leftover-i-00000000-1-"]
