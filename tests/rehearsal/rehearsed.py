"""Rehearsals for tests: each scenario runs once a session, and whoever asks later gets the same."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.chronicle import Chronicle
from rehearsal.report import Result
from rehearsal.run import rehearse
from rehearsal.scenario import Scenario
from rehearsal.sweep.stage import Stage
from rehearsal.world import World

Json = dict[str, Any]


class Witness:
    """A view that only keeps the chronicle."""

    chronicle: Chronicle

    def phase(self, text: str) -> None:
        """Nobody watches."""

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """Keep it."""
        self.chronicle = chronicle


@dataclass(frozen=True)
class Rehearsed:
    """What one rehearsal left behind."""

    result: Result
    chronicle: Chronicle
    out: Path

    def lines(self, name: str) -> list[Json]:
        """One of its files of JSON lines."""
        return [json.loads(line) for line in (self.out / name).read_text().splitlines()]

    def journal(self, execution: str) -> list[Json]:
        """What the product wrote down about one execution."""
        return [line for line in self.lines("journal.jsonl") if line["run"] == execution]

    def states(self) -> list[tuple[str, float, list[tuple[float, str]]]]:
        """Each execution with its states and their times."""
        return [(e.name, e.started, [*e.states]) for e in self.result.executions]

    def lives(self) -> dict[str, list[str]]:
        """What each node went through, in order."""
        return {name: [mark.what for mark in lane.marks] for name, lane in self.chronicle.nodes.items()}


def run(scenario: Scenario, out: Path, beside: Callable[[World], None] = lambda _: None) -> Rehearsed:
    """One rehearsal in this process, on premises of its own."""
    witness = Witness()
    result = rehearse(scenario, out=out, view=witness, beside=beside)
    return Rehearsed(result, witness.chronicle, out)


def run_on(stage: Stage, scenario: Scenario, out: Path) -> Rehearsed:
    """One rehearsal on premises that are kept; a rehearsal that breaks ends them, one that fails does not."""
    witness = Witness()
    return Rehearsed(stage.rehearse(scenario, out, witness), witness.chronicle, out)
