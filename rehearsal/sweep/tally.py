"""Counts runs by fault and workflow."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rehearsal.sweep.classes import Extent
from rehearsal.sweep.trial import CROWD, Trial
from rehearsal.sweep.verdict import Verdict

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Violation:
    """One rule that one run broke, and the scenario that shows it."""

    workflow: str
    fault: str
    moments: tuple[dict[str, Any], ...]
    """What went wrong: of a sequence the fewest things that break it."""
    rule: str
    what: str
    scenario: str


@dataclass
class Count:
    """Runs with one fault in one workflow."""

    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    """With a cause that is named, where there is no violation."""
    violations: int = 0
    """Runs with any."""
    missed: int = 0
    """Runs in which the fault met nothing: the story took another way."""


@dataclass
class Tally:
    """A sweep so far; safe from many threads."""

    extents: dict[str, Extent] = field(default_factory=dict)
    """What there is of each workflow."""
    counts: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    """By fault and workflow; what met nothing in a crowd is tried again alone, and counted then."""
    runs: int = 0
    violations: list[Violation] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, workflow: str, trial: Trial, verdict: Verdict, found: list[Violation]) -> int:
        """Count one run, and return which one it is."""
        with self._lock:
            self.runs += 1
            for fault, met, broke in _counted(trial, verdict, found):
                count = self.counts[fault, workflow]
                count.runs += 1
                count.succeeded += verdict.outcome == "succeeded"
                count.failed += verdict.outcome == "failed"
                count.violations += broke
                count.missed += not met
            self.violations += found
            return self.runs

    def runs_per_hour(self, wall_seconds: float) -> int:
        """With all that the sweep does beside them."""
        return round(self.runs * SECONDS_AN_HOUR / max(wall_seconds, 1.0))

    def to_json(self, wall_seconds: float) -> dict[str, Any]:
        """What the command prints."""
        by_fault: dict[str, dict[str, Any]] = defaultdict(dict)
        for (fault, workflow), count in sorted(self.counts.items()):
            by_fault[fault][workflow] = vars(count)
        return {
            "runs": self.runs,
            "violations": [vars(violation) for violation in self.violations],
            "by_fault": dict(by_fault),
            "runs_per_hour": self.runs_per_hour(wall_seconds),
            "extents": {workflow: vars(extent) for workflow, extent in self.extents.items()},
        }


def _counted(trial: Trial, verdict: Verdict, found: list[Violation]) -> Iterator[tuple[str, bool, bool]]:
    """Under which faults the run is counted, whether each met anything, and whether it has to do with what broke."""
    if trial.fault != CROWD:
        yield trial.fault, any(verdict.met), bool(found)
        return
    for case, met in zip(trial.cases, verdict.met, strict=True):
        if met:
            yield case.fault, True, any(case.moment in violation.moments for violation in found)
