"""Where a launched instance's node stands: registered, complete, late, or nobody's business any more."""

from datetime import UTC, datetime, timedelta

import pytest

from gpuops.domain.admission.node import decide_check, decide_find
from gpuops.domain.cluster import Node
from gpuops.domain.keys import ADMITTED, STARTUP_TAINT

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
NEW = Node(name="n", instance="i-1", taints=(STARTUP_TAINT,), gpus=4)
ADMITTED_NODE = Node(name="n", instance="i-1", annotations={ADMITTED: "x"})
UNKNOWN = Node(name="n", instance="i-1")


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
    found = decide_find("i-1", lifecycle, node, deadline, NOW)

    assert found.status == status
    assert "i-1" in found.reason or "n" in found.reason


@pytest.mark.parametrize(("node", "says"), [(ADMITTED_NODE, "admitted already"), (UNKNOWN, "no startup taint")])
def test_why_a_node_in_service_is_ignored(node: Node, says: str) -> None:
    """A launch event for a group without the taint is a hint to its operator."""
    assert says in decide_find("i-1", "InService", node, LATER, NOW).reason


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
    checked = decide_check(node, 4, replicas, LATER, NOW)

    assert (checked.status, says in checked.reason) == (status, True)


def test_a_fault_at_the_deadline_is_overdue_and_keeps_its_reason() -> None:
    """The report must say what was missing, not only that time ran out."""
    checked = decide_check(Node(name="n", gpus=0), 4, 1, NOW, NOW)

    assert checked.status == "overdue"
    assert "offers 0 of 4 GPUs" in checked.reason


def test_a_node_that_is_ready_at_the_deadline_is_ready() -> None:
    """The goal holds; the clock is not the goal."""
    assert decide_check(NEW, 4, 1, NOW, NOW).status == "ready"
