"""Remembers what became of every node and execution, for the person who watches and for the report.

It judges nothing: that is the observer's work, which shares no code with this.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from rehearsal.kube import Json
from rehearsal.rest import Seen

STARTUP_TAINT: Final = "startup-taint.cluster-autoscaler.kubernetes.io/"
STATUSES: Final = ("booting", "admitting", "serving", "draining", "leaving", "lost", "gone")
NEXT_WHEN_SILENT: Final = {"": "booting", "booting": "booting", "draining": "leaving", "leaving": "leaving"}
"""A node that is not Ready boots, or leaves after its drain; any other was lost."""


class Now(Protocol):
    """The part of the clock that a chronicle needs."""

    def now(self) -> float:
        """Simulated epoch seconds."""


@dataclass(frozen=True)
class Mark:
    """From this simulated second on, this is how it stood."""

    at: float
    what: str


@dataclass
class Lane:
    """One node's life, or one execution's."""

    name: str
    title: str
    marks: list[Mark] = field(default_factory=list)

    @property
    def latest(self) -> str:
        """How it stands now."""
        return self.marks[-1].what if self.marks else ""

    def put(self, at: float, what: str) -> bool:
        """Add a mark if something changed."""
        if self.latest == what:
            return False
        self.marks.append(Mark(at, what))
        return True


class Chronicle:
    """Lanes by name, in the order in which they appeared; seconds count from `start`."""

    def __init__(self, clock: Now, start: float, changed: Callable[[], None] = lambda: None) -> None:
        self.nodes: dict[str, Lane] = {}
        self.executions: dict[str, Lane] = {}
        self._clock, self._start, self._changed = clock, start, changed

    def elapsed(self) -> float:
        """Simulated seconds since the story began; negative while the stage is set."""
        return self._clock.now() - self._start

    def on_event(self, seen: Seen) -> None:
        """Take in one watch event; all but nodes are ignored."""
        if seen.kind != "node":
            return
        name = seen.object["metadata"]["name"]
        lane = self.nodes.setdefault(name, Lane(name, _title(seen.object)))
        if lane.put(self.elapsed(), node_status(seen.after, lane.latest)):
            self._changed()

    def entered(self, machine: str, execution: str, state: str) -> None:
        """An execution entered a state, or ended with a status."""
        lane = self.executions.setdefault(f"{machine}/{execution}", Lane(execution, machine))
        lane.marks.append(Mark(self.elapsed(), state))
        self._changed()


def node_status(node: Json | None, before: str) -> str:
    """One word for how a node stands; `before` tells a node that boots from one that was lost."""
    if node is None:
        return "gone"
    conditions = node.get("status", {}).get("conditions", ())
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
        return NEXT_WHEN_SILENT.get(before, "lost")
    if any(taint["key"].startswith(STARTUP_TAINT) for taint in node["spec"].get("taints", ())):
        return "admitting"
    return "draining" if node["spec"].get("unschedulable") else "serving"


def _title(node: Json) -> str:
    labels = node["metadata"].get("labels", {})
    kind = labels.get("node.kubernetes.io/instance-type", "?")
    return f"{kind} in {labels.get('topology.kubernetes.io/zone', '?')}"
