"""A sweep from its options to its tally and page."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from rehearsal.sweep.cases import Case
from rehearsal.sweep.classes import choose, classes, extents
from rehearsal.sweep.crew import Worker, crew_of
from rehearsal.sweep.page import ALONE, SEQUENCES, TOGETHER, Told, page
from rehearsal.sweep.sweep import sweep
from rehearsal.sweep.tally import Tally
from rehearsal.sweep.trial import Trial, crowds, sequences, trials

SECONDS_A_MINUTE = 60


@dataclass(frozen=True)
class Asked:
    """What a sweep is to do."""

    workflows: tuple[str, ...]
    seed: str
    out: Path
    command: str
    """As a page says how it came about."""
    limit: int | None = None
    """Runs of each workflow."""
    minutes: float | None = None
    sequences: bool = False
    """Nothing but these."""
    together: int = 1
    """Cases in one run."""
    every: bool = False
    """Not only the cases that stand for the others."""
    workers: int = 1
    page: Path | None = None

    def drawn(self, cases: Sequence[Case]) -> Iterator[Trial]:
        """What is tried of these cases, in its order."""
        if self.sequences:
            return sequences(cases, self.seed)
        return trials(cases, self.seed) if self.together == 1 else crowds(cases, self.seed, self.together)

    @property
    def part(self) -> str:
        """Of the page."""
        if self.sequences:
            return SEQUENCES
        return ALONE if self.together == 1 else TOGETHER


@dataclass
class Conduct:
    """One sweep; the tally is there while it goes on, whatever ends it."""

    asked: Asked
    say: Callable[[str], None]
    crew: Callable[[int, Path], list[Worker]] = crew_of
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Run it, and write the page of what was run, however it ends.

        Raises: RuntimeError when a story does not pass even without a fault, or a worker ends.
        """
        crew = self.crew(self.asked.workers, self.asked.out)
        try:
            sweep(crew, self.tally, self.asked.workflows, self.say, plan=self._plan, over=self._is_over)
        finally:
            for worker in crew:
                worker.close()
            self._write()

    def to_json(self) -> dict[str, Any]:
        """What the command prints."""
        return self.tally.to_json(self._seconds())

    def _plan(self, stories: Mapping[str, Sequence[Case]]) -> dict[str, Iterator[Trial]]:
        asked, found = self.asked, classes(stories)
        chosen = stories if asked.every else choose(stories, found, asked.seed)
        self.tally.extents.update(extents(stories, found, chosen))
        return {name: islice(asked.drawn(cases), asked.limit) for name, cases in chosen.items()}

    def _is_over(self) -> bool:
        minutes = inf if self.asked.minutes is None else self.asked.minutes
        return self._seconds() >= minutes * SECONDS_A_MINUTE

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _write(self) -> None:
        path = self.asked.page
        if path is None or not self.tally.runs:
            return
        per_hour = self.tally.runs_per_hour(self._seconds())
        told = Told(self.asked.command, time.strftime("%Y-%m-%d"), self.asked.workers, os.cpu_count() or 1, per_hour)
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(page(self.tally, told, self.asked.part, old), encoding="utf-8")
