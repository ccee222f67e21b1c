"""Counts runs by fault and workflow, and writes them as a page."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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
    """A sweep so far."""

    seed: str
    possible: dict[str, int] = field(default_factory=dict)
    """How many cases each workflow has."""
    counts: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    """By fault and workflow."""
    violations: list[Violation] = field(default_factory=list)

    def add(self, workflow: str, fault: str, verdict: Verdict, found: list[Violation]) -> None:
        """Count one run."""
        count = self.counts[fault, workflow]
        count.runs += 1
        count.succeeded += verdict.outcome == "succeeded"
        count.failed += verdict.outcome == "failed"
        count.violations += bool(found)
        count.missed += not verdict.struck
        self.violations += found

    @property
    def runs(self) -> int:
        """All of them."""
        return sum(count.runs for count in self.counts.values())

    def to_json(self, wall_seconds: float) -> dict[str, Any]:
        """What the command prints."""
        by_fault: dict[str, dict[str, Any]] = defaultdict(dict)
        for (fault, workflow), count in sorted(self.counts.items()):
            by_fault[fault][workflow] = vars(count)
        return {
            "runs": self.runs,
            "violations": [vars(violation) for violation in self.violations],
            "by_fault": dict(by_fault),
            "runs_per_hour": round(self.runs * SECONDS_AN_HOUR / max(wall_seconds, 1.0)),
        }

    def page(self, on: str) -> str:
        """docs/reliability.md, of a run on that day."""
        return "\n".join(self._lines(on)) + "\n"

    def _lines(self, on: str) -> Iterator[str]:
        of = ", ".join(f"{count:,} of {workflow}" for workflow, count in self.possible.items())
        yield from (
            "# Reliability",
            "",
            f"Written by `gpuops sweep --seed {self.seed}` on {on}: {self.runs:,} runs.",
            f"There are so many cases: {of}.",
            "",
            "Each run is a rehearsal of a small story (`scenarios/sweep`) in which one thing fails once; of a",
            "*sequence*, two to four that chance chose. It may end in success, or in a failure that names its cause;",
            "after `reconcile` nothing is left behind. The observer judges every run as it judges every scenario.",
            "*Missed* are runs in which the fault met nothing.",
            "",
            "| fault | workflow | runs | succeeded | failed, with its cause | violations | missed |",
            "|---|---|---|---|---|---|---|",
        )
        for (fault, workflow), c in sorted(self.counts.items()):
            yield f"| {fault} | {workflow} | {c.runs} | {c.succeeded} | {c.failed} | {c.violations} | {c.missed} |"
        if self.violations:
            yield from (
                "",
                "## Violations",
                "",
                "| workflow | what failed | rule | what broke it |",
                "|---|---|---|---|",
            )
        for v in self.violations:
            yield f"| {v.workflow} | `{'; '.join(map(_short, v.moments))}` | {v.rule} | {v.what} |"


def _short(moment: dict[str, Any]) -> str:
    about = moment.get("fault") or moment["interrupt"]
    return ", ".join(f"{key} {value}" for key, value in about.items())
