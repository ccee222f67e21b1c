"""Where a launched instance's node stands: registered, complete, late, or nobody's business any more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpuops.domain.admission.event import Launch
from gpuops.domain.admission.node import decide_check, decide_find
from gpuops.domain.cluster import Node
from gpuops.domain.keys import ADMITTED, BOOT_BEFORE, QUARANTINED, STARTUP_TAINT
from gpuops.domain.slicing.shape import Shape

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
NEW = Node(name="n", instance="i-1", taints=(STARTUP_TAINT,), gpus=4)
ADMITTED_NODE = Node(name="n", instance="i-1", annotations={ADMITTED: "x"})
UNKNOWN = Node(name="n", instance="i-1")
LAUNCH = Launch(group="gpu", instance="i-1")
ROOT = LAUNCH.model_copy(update={"replaces_root": True})
CLOSED = Node(
    name="n",
    instance="i-1",
    taints=(STARTUP_TAINT,),
    annotations={QUARANTINED: NOW.isoformat(), BOOT_BEFORE: "boot-1"},
    boot_id="boot-1",
)
BACK = replace(CLOSED, boot_id="boot-2")


@pytest.mark.parametrize(
    ("lifecycle", "node", "deadline", "status"),
    [
        ("Pending:Wait", NEW, LATER, "found"),
        ("Pending:Wait", NEW, NOW, "found"),
        ("Pending:Wait", UNKNOWN, LATER, "found"),
        ("InService", NEW, LATER, "found"),
        ("Pending:Wait", None, LATER, "waiting"),
        ("Pending:Wait", None, NOW, "overdue"),
        ("Pending:Wait", ADMITTED_NODE, LATER, "found"),
        ("InService", ADMITTED_NODE, LATER, "ignored"),
        ("InService", UNKNOWN, LATER, "ignored"),
        ("Terminating:Wait", NEW, LATER, "gone"),
        ("Terminated", None, LATER, "gone"),
        (None, None, LATER, "gone"),
    ],
)
def test_find(lifecycle: str | None, node: Node | None, deadline: datetime, status: str) -> None:
    """The instance's life decides before its node does.

    A node in service without our taint is left alone; one admitted whose hook was not answered is taken up again.
    """
    found = decide_find(LAUNCH, lifecycle, node, deadline, NOW)

    assert found.status == status
    assert "i-1" in found.reason or "n" in found.reason


@pytest.mark.parametrize(
    ("launch", "lifecycle", "node", "deadline", "status"),
    [
        (ROOT, "Pending:Wait", ADMITTED_NODE, LATER, "replacing"),
        (ROOT, "ReplacingRootVolume:Wait", ADMITTED_NODE, LATER, "replacing"),
        (ROOT, "ReplacingRootVolume:Wait", CLOSED, NOW, "replacing"),
        (LAUNCH, "ReplacingRootVolume:Wait", CLOSED, LATER, "replacing"),
        (ROOT, "ReplacingRootVolume:Proceed", CLOSED, LATER, "waiting"),
        (ROOT, "InService", CLOSED, LATER, "waiting"),
        (ROOT, "InService", CLOSED, NOW, "overdue"),
        (ROOT, "InService", BACK, LATER, "found"),
        (LAUNCH, "InService", BACK, LATER, "found"),
        (ROOT, "RootVolumeReplaced", BACK, LATER, "found"),
        (ROOT, "ReplacingRootVolume:Wait", None, NOW, "overdue"),
    ],
)
def test_find_a_node_that_gets_a_new_root_volume(
    launch: Launch, lifecycle: str, node: Node | None, deadline: datetime, status: str
) -> None:
    """Before the hook is answered its pods have to go, after that it has to restart; reconcile takes up either."""
    assert decide_find(launch, lifecycle, node, deadline, NOW).status == status


@pytest.mark.parametrize(("node", "says"), [(ADMITTED_NODE, "admitted already"), (UNKNOWN, "no startup taint")])
def test_why_a_node_in_service_is_ignored(node: Node, says: str) -> None:
    """A launch event for a group without the taint is a hint to its operator."""
    assert says in decide_find(LAUNCH, "InService", node, LATER, NOW).reason


@pytest.mark.parametrize(
    ("node", "replicas", "status", "says"),
    [
        (NEW, 1, "ready", "Ready and offers 4 GPUs x 1"),
        (Node(name="n", gpus=16), 4, "ready", "4 GPUs x 4"),
        (Node(name="n", gpus=0), 1, "waiting", "offers 0 of 4 GPUs"),
        (Node(name="n", gpus=8), 1, "waiting", "offers 8 of 4 GPUs"),
        (Node(name="n", gpus=4, ready=False, readiness="KubeletNotReady"), 1, "waiting", "KubeletNotReady"),
        (None, 1, "waiting", "gone"),
    ],
)
def test_check(node: Node | None, replicas: int, status: str, says: str) -> None:
    """Exactly the GPUs of the instance times replicas, no more and no fewer."""
    checked = decide_check(node, 4, Shape(replicas), LATER, NOW)

    assert (checked.status, says in checked.reason) == (status, True)


RENAMED = Shape(2, "nvidia.com/gpu.shared")


@pytest.mark.parametrize(
    ("offers", "wanted", "shape"),
    [
        ({"shared_gpus": 8}, RENAMED, RENAMED),
        ({"gpus": 8}, RENAMED, None),
        ({"shared_gpus": 8}, Shape(2), None),
        ({"shared_gpus": 8, "gpus": 4}, RENAMED, None),
        ({"shared_gpus": 8}, None, RENAMED),
        ({"gpus": 4}, None, Shape()),
        ({"gpus": 6}, None, None),
        ({}, None, None),
    ],
)
def test_shares_count_under_their_own_name(offers: dict[str, int], wanted: Shape | None, shape: Shape | None) -> None:
    """Where no label of ours does anything, any number is right that is the same for each GPU."""
    checked = decide_check(Node(name="n", **offers), 4, wanted, LATER, NOW)  # type: ignore[arg-type]

    assert checked.status == ("ready" if shape else "waiting"), checked.reason
    assert checked.shape == (shape or Shape())


def test_a_node_that_mig_cuts_is_nobodys_to_count() -> None:
    """Its GPUs are there under other names, or not at all."""
    checked = decide_check(Node(name="n", mig=True), 4, Shape(4), LATER, NOW)

    assert (checked.status, "MIG" in checked.reason) == ("ready", True)


def test_a_fault_at_the_deadline_is_overdue_and_keeps_its_reason() -> None:
    """The report must say what was missing, not only that time ran out."""
    checked = decide_check(Node(name="n", gpus=0), 4, Shape(), NOW, NOW)

    assert checked.status == "overdue"
    assert "offers 0 of 4 GPUs" in checked.reason


def test_a_node_that_is_ready_at_the_deadline_is_ready() -> None:
    """The goal holds; the clock is not the goal."""
    assert decide_check(NEW, 4, Shape(), NOW, NOW).status == "ready"
