"""A node whose kubelet is dead is fenced before its pods and volumes move.

Covers what is done when, that nothing moves before the instance is off, and what EC2 can only terminate.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from gpuops.domain.faults.fence import OFF, ORDERLY, PATIENCE, SILENCE, decide_fence
from gpuops.domain.keys import OUT_OF_SERVICE
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, job_pod
from tests.fakes.steps import old_world
from tests.fakes.world import World
from tests.unit.test_repair_turn import NAME, RUN, VICTIM

DRAIN = load_app("drain_node")
DEAD, SHORT = NOW + SILENCE, timedelta(seconds=20)
REQUEST = DRAIN.Request(run=RUN, instance=VICTIM.id, faulty=True, terminates=True)
POD = job_pod()


@pytest.fixture
def world() -> Iterator[World]:
    """A node with one pod, whose kubelet has just fallen silent."""
    with mock_aws():
        made = old_world()
        made.connected.pods[NAME] = [POD]
        made.connected.all_nodes[0] = replace(made.connected.all_nodes[0], ready=False, readiness="NodeStatusUnknown")
        made.connected.isolate(made.connected.all_nodes[0], RUN.id, "Xid 79", "xid-79")
        yield made


@pytest.mark.parametrize(
    ("state", "after", "act"),
    [
        ("running", timedelta(0), "wait"),
        ("running", SILENCE - SHORT, "wait"),
        ("running", SILENCE, "stop"),
        ("stopping", SILENCE + SHORT, "stop"),
        ("stopping", SILENCE + ORDERLY, "force"),
        ("shutting-down", SILENCE + ORDERLY, "wait"),
        ("stopping", SILENCE + PATIENCE, "leave"),
        ("stopped", SHORT, "release"),
        ("terminated", SILENCE + PATIENCE, "release"),
        ("", SILENCE, "release"),
    ],
)
def test_the_instance_is_off_first(state: str, after: timedelta, act: str) -> None:
    """Stopped in order, then by force; what is off already needs no silence."""
    assert decide_fence(state, NOW, NOW + after).act == act


@given(state=st.sampled_from(["pending", "running", "stopping", "shutting-down"]), seconds=st.integers(0, 7200))
def test_nothing_moves_from_an_instance_that_may_run(state: str, seconds: int) -> None:
    """And each look leads to another one, or to its end."""
    fence = decide_fence(state, NOW, NOW + timedelta(seconds=seconds))

    assert state not in OFF
    assert fence.act != "release"
    assert (fence.act == "leave") == (seconds >= (SILENCE + PATIENCE).total_seconds())
    assert fence.act == "leave" or fence.wait_seconds > 0


def test_its_pods_and_volumes_go_once_it_is_off(world: World) -> None:
    """One step a look: silence, stop, taint, and then whatever is left is waited for."""
    first = DRAIN.drain(REQUEST, NOW, world)
    later = REQUEST.model_copy(update={"drain": first})
    assert (first.status, first.wait_seconds, world.stopped) == ("draining", 300, [])

    assert DRAIN.drain(later, DEAD, world).status == "draining"
    assert world.stopped == [(VICTIM.id, False)]
    assert OUT_OF_SERVICE not in world.connected.all_nodes[0].taints

    world.states[VICTIM.id] = "stopped"
    world.connected.volumes[NAME] = ["csi-1"]
    assert POD.title in DRAIN.drain(later, DEAD + SHORT, world).reason
    assert OUT_OF_SERVICE in world.connected.all_nodes[0].taints
    world.connected.pods[NAME] = []
    assert "csi-1" in DRAIN.drain(later, DEAD + SHORT, world).reason
    world.connected.volumes.clear()
    world.states[VICTIM.id] = "shutting-down"
    assert DRAIN.drain(later, DEAD + SHORT, world).status == "drained"


def test_what_will_not_go_goes_with_its_node(world: World) -> None:
    """A finalizer holds a pod for ever; its instance is terminated all the same."""
    world.states[VICTIM.id] = "stopped"
    later = REQUEST.model_copy(update={"drain": DRAIN.drain(REQUEST, NOW, world)})

    answer = DRAIN.drain(later, DEAD + PATIENCE, world)

    assert (answer.status, world.connected.pods[NAME]) == ("drained", [POD])
    assert POD.title in answer.reason


def test_what_ec2_can_only_terminate_is_terminated(world: World) -> None:
    """A one-time Spot request, say; no taint stands on a node whose instance may run."""
    world.unstoppable = "UnsupportedOperation: You can't stop the Spot Instance"
    later = REQUEST.model_copy(update={"drain": DRAIN.drain(REQUEST, NOW, world)})

    answer = DRAIN.drain(later, DEAD, world)

    assert answer.status == "drained"
    assert "UnsupportedOperation" in answer.reason
    assert OUT_OF_SERVICE not in world.connected.all_nodes[0].taints


def test_a_kubelet_that_speaks_again_is_drained_as_ever(world: World) -> None:
    """And its silence is counted anew; nor is one stopped that nobody is going to terminate."""
    first = DRAIN.drain(REQUEST, NOW, world)
    later = REQUEST.model_copy(update={"drain": first})
    assert DRAIN.drain(later.model_copy(update={"terminates": False}), DEAD, world).status == "draining"

    silent = world.connected.all_nodes[0]
    world.connected.all_nodes[0] = replace(silent, ready=True)
    spoke = DRAIN.drain(later, NOW + SHORT, world)
    world.connected.all_nodes[0] = silent
    again = DRAIN.drain(later.model_copy(update={"drain": spoke}), DEAD, world)

    assert (spoke.silent, again.silent, again.status) == (None, DEAD, "draining")
    assert world.stopped == []
