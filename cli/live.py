"""Shows a rehearsal while it runs: a lane for each node, where each execution stands, what is waited for.

Drawn on standard error from the chronicle, a few times a second, so that standard output stays for the result.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rehearsal.chronicle import Chronicle, Lane
from rehearsal.report.chart import hours

STYLES = {
    "booting": "dim",
    "admitting": "yellow",
    "serving": "green",
    "draining": "blue",
    "leaving": "dim",
    "lost": "bold red",
}
ENDED = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")
SHOWN = 14
"""Executions shown at once: those that run, then the last that ended."""


class LiveView:
    """A rich Live over a chronicle; on a pipe it says one line for each phase instead."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chronicle: Chronicle | None = None
        self._waiting: Callable[[], str] = str
        self._phase = ""
        self._live = Live(console=console, refresh_per_second=5, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw, if somebody can see it."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def phase(self, text: str) -> None:
        """Say what is being done now."""
        self._phase = text
        if not self._console.is_terminal:
            self._console.print(text, highlight=False)

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """From now on draw this chronicle; `waiting` says what comes next and when."""
        self._chronicle, self._waiting = chronicle, waiting

    def _draw(self) -> Group:
        chronicle = self._chronicle
        if chronicle is None:
            return Group(Text(self._phase))
        heading = Text.assemble((hours(chronicle.elapsed()), "bold"), " simulated  ", self._phase)
        waits = Text(f"next: {self._waiting()}", style="dim")
        return Group(heading, _nodes(chronicle), _executions(chronicle), waits)


def _nodes(chronicle: Chronicle) -> Table:
    """One row for each node that is not gone."""
    table = Table("node", "", "status", "since", box=None, pad_edge=False)
    for lane in list(chronicle.nodes.values()):
        if lane.latest != "gone":
            style = STYLES.get(lane.latest, "")
            table.add_row(lane.name, lane.title, Text(lane.latest, style=style), hours(lane.marks[-1].at))
    return table


def _executions(chronicle: Chronicle) -> Table:
    """Running executions first, with the state they are in."""
    table = Table("machine", "execution", "state", "since", box=None, pad_edge=False)
    lanes = [lane for lane in list(chronicle.executions.values()) if lane.marks]
    running = [lane for lane in lanes if lane.latest not in ENDED]
    ended = [lane for lane in lanes if lane.latest in ENDED]
    for lane in [*running, *ended[::-1]][:SHOWN]:
        table.add_row(lane.title, lane.name[-30:], _state(lane), hours(lane.marks[-1].at))
    return table


def _state(lane: Lane) -> Text:
    style = {"SUCCEEDED": "green", "FAILED": "bold red"}.get(lane.latest, "")
    return Text(lane.latest, style=style)
