"""Was the run with the fault all right? It ended in success, or in a failure that names its cause, and left nothing.

What a failed repair leaves to people is not left behind, if they were called.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rehearsal.report import ExecutionResult, Result
from rehearsal.sweep.cases import CHILDREN

REPORTER: Final = "WriteReport"
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"


@dataclass(frozen=True)
class Verdict:
    """What became of one run."""

    outcome: str
    """succeeded, or failed: the story's workflow did, or another one without which it had nothing to do."""
    violations: tuple[tuple[str, str], ...]
    """Rule and what broke it; none is what is wanted."""
    met: tuple[bool, ...] = (True,)
    """Of each thing that was to go wrong, whether it did."""


def judge(result: Result, main: str, met: tuple[bool, ...], denied: Collection[str] = ()) -> Verdict:
    """What became of the run; `main` is the machine that the story is about, `denied` whom a call was denied to.

    Who is not allowed to write a report cannot leave one: the execution's output says so, and goes on.
    """
    runs = [run for run in result.executions if run.machine == main and not run.ignored]
    done = any(run.status == SUCCEEDED for run in runs) and not (result.unmet and _hindered(result, main))
    outcome = "succeeded" if done else "failed"
    seen = [(str(v["rule"]), str(v["what"])) for v in result.observed["violations"]]
    lost = {"no_report"} if REPORTER in denied else set()
    found = [*(one for one in seen if one[0] not in lost), *_unexplained(result.executions), *_untold(result)]
    short = [("short", what) for what in result.unmet] if outcome == "succeeded" else []
    broken = [("rehearsal", failure) for failure in result.clock["failures"]]
    return Verdict(outcome, tuple(found + short + broken), met)


def _hindered(result: Result, main: str) -> bool:
    """Whether another workflow failed, which installs or admits what this one needs; its own schedule repeats it."""
    return any(run.status == FAILED and run.machine not in (main, *CHILDREN) for run in result.executions)


def _untold(result: Result) -> Iterator[tuple[str, str]]:
    """A node that is left to a person is one that a person hears of."""
    left = result.observed["quarantined"]
    if left > result.escalations:
        yield "untold", f"{left} nodes are left to people, who were called {result.escalations} times"


def _unexplained(executions: Sequence[ExecutionResult]) -> Iterator[tuple[str, str]]:
    for run in executions:
        if run.status == FAILED and not (run.error and run.cause):
            yield "unexplained", f"{run.machine}/{run.name} failed without a cause"
