"""What a rehearsal leaves behind: the JSON that programs read, the page that people read, the lanes behind both.

Covers: the result's keys; hostile names; problems shown first; ticks folded; a node's life in words; the live view.
"""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cli.live import LiveView
from rehearsal.chronicle import Chronicle, Lane, Mark
from rehearsal.report import ExecutionResult, Result, page
from rehearsal.rest import Seen

HOSTILE = "<script>alert(1)</script>"
TAINT = {"key": "startup-taint.cluster-autoscaler.kubernetes.io/gpuops", "effect": "NoSchedule"}
READY = [{"type": "Ready", "status": "True"}]


class Now:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        """Simulated seconds."""
        return self.at


def execution(machine: str, status: str, **more: Any) -> ExecutionResult:
    """One execution of the story."""
    given: dict[str, Any] = {"error": None, "cause": None, "states": ((0.0, "KeepEvent"),), **more}
    return ExecutionResult(machine=machine, name=f"{machine}-1", status=status, started=0.0, ended=60.0, **given)


def result(**more: Any) -> Result:
    """A rehearsal that passed."""
    given: dict[str, Any] = {
        "scenario": "roll",
        "status": "passed",
        "executions": (execution("rotate_ami", "SUCCEEDED"),),
        "observed": {"violations": [], "nodes_replaced": 6},
        "unmet": (),
        "wall_seconds": 60.0,
        "simulated_seconds": 3600.0,
        "report": "out/roll/report.html",
    }
    return Result(**(given | more))


def node(name: str, *, ready: bool = True, taints: tuple[Any, ...] = (), cordoned: bool = False) -> dict[str, Any]:
    """A Node as the apiserver shows it."""
    spec = {"taints": list(taints), "unschedulable": cordoned}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": READY if ready else []}}


def test_the_result_has_the_keys_that_programs_read() -> None:
    """They are a contract: `gpuops rehearse --json` ends with them."""
    told = result().to_json()
    wanted = {"scenario", "status", "executions", "observed", "wall_seconds", "simulated_seconds", "report"}
    assert wanted <= set(told)
    wanted_of_one = {"machine": "rotate_ami", "status": "SUCCEEDED", "simulated_seconds": 60.0}
    assert wanted_of_one.items() <= told["executions"][0].items()


def test_names_from_outside_cannot_write_the_page() -> None:
    """Pods, nodes and errors are named by strangers."""
    failed = execution("rotate_ami", HOSTILE, error="Refused", cause=HOSTILE, states=((0.0, HOSTILE),))
    violations = [{"rule": "budget", "what": HOSTILE, "at": 1.0}]
    lane = Lane(HOSTILE, HOSTILE, [Mark(0.0, "serving")])
    html = page(
        result(executions=(failed,), observed={"violations": violations}, unmet=(HOSTILE,)),
        [lane],
        [(HOSTILE, 1, 0)],
        HOSTILE,
    )
    assert HOSTILE not in html
    assert html.count("&lt;script&gt;") >= 7


def test_what_went_wrong_stands_before_everything_else() -> None:
    """Somebody opens the page at night for this."""
    html = page(result(status="failed", unmet=("job train finished",)), [], [], "")
    assert html.index("job train finished") < html.index("Nodes over simulated time")


def test_ticks_that_found_nothing_are_one_row() -> None:
    """A day has 96 of them."""
    html = page(result(executions=tuple(execution("reconcile", "SUCCEEDED") for _ in range(9))), [], [], "")
    assert "9 ticks of the schedule" in html
    assert html.count("reconcile-1") == 0


@pytest.fixture
def chronicle() -> tuple[Chronicle, Now]:
    """A story that began at 100."""
    now = Now()
    return Chronicle(now, 100.0), now


def test_a_nodes_life_in_words(chronicle: tuple[Chronicle, Now]) -> None:
    """Boots, is admitted, serves, drains, leaves, is gone; each once, at its second."""
    told, now = chronicle
    life = [
        node("n", ready=False),
        node("n", taints=(TAINT,)),
        node("n"),
        node("n"),
        node("n", cordoned=True),
        node("n", ready=False, cordoned=True),
    ]
    before = None
    for seconds, after in enumerate([*life, None]):
        now.at = 100.0 + seconds
        told.on_event(Seen("node", before, after))
        before = after
    words = ["booting", "admitting", "serving", "draining", "leaving", "gone"]
    assert told.nodes["n"].marks == [Mark(at, what) for at, what in zip((0, 1, 2, 4, 5, 6), words, strict=True)]


def test_a_serving_node_that_falls_silent_is_lost(chronicle: tuple[Chronicle, Now]) -> None:
    """Nobody drained it."""
    told, _ = chronicle
    told.on_event(Seen("node", None, node("n")))
    told.on_event(Seen("node", node("n"), node("n", ready=False)))
    assert told.nodes["n"].latest == "lost"


def test_the_live_view_shows_lanes_executions_and_what_is_next(chronicle: tuple[Chronicle, Now]) -> None:
    """One look says where everything stands."""
    told, _ = chronicle
    told.on_event(Seen("node", None, node("ip-10-0-0-7")))
    told.entered("rotate_ami", "run-1", "RollNodes")
    console = Console(record=True, width=120, file=StringIO())
    view = LiveView(console)
    view.watch(told, lambda: "wait/WaitForClaim in 30 s")

    console.print(view._draw())

    shown = console.export_text()
    assert all(text in shown for text in ("ip-10-0-0-7", "serving", "rotate_ami", "RollNodes", "WaitForClaim in 30 s"))
