"""Was the run with the fault all right? It ended in success, or in a failure that names its cause, and left nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rehearsal.report import ExecutionResult, Result

SUCCEEDED, FAILED, ABORTED = "SUCCEEDED", "FAILED", "ABORTED"


@dataclass(frozen=True)
class Verdict:
    """What became of one run."""

    outcome: str
    """succeeded, or failed: some execution that others wait for did."""
    violations: tuple[tuple[str, str], ...]
    """Rule and what broke it; none is what is wanted."""
    struck: bool = True
    """Whether the fault met what it was meant for."""


def judge(result: Result, reference: Result, main: str, *, struck: bool) -> Verdict:
    """Compare with the run in which nothing failed; `main` is the machine that the story is about."""
    runs = [run for run in result.executions if run.machine == main]
    ended = [run.status for run in runs if run.status != ABORTED]
    outcome = "succeeded" if ended and SUCCEEDED in ended else "failed"
    seen = [(str(v["rule"]), str(v["what"])) for v in result.observed["violations"]]
    found = [*seen, *_unexplained(result.executions), *_short(result, reference, outcome), *_broken(result)]
    return Verdict(outcome, tuple(found), struck)


def _unexplained(executions: Sequence[ExecutionResult]) -> Iterator[tuple[str, str]]:
    for run in executions:
        if run.status == FAILED and not (run.error and run.cause):
            yield "unexplained", f"{run.machine}/{run.name} failed without a cause"


def _short(result: Result, reference: Result, outcome: str) -> Iterator[tuple[str, str]]:
    """A success has done what the run without a fault did."""
    done, wanted = (each.observed["nodes_replaced"] for each in (result, reference))
    if outcome == "succeeded" and done < wanted:
        yield "short", f"succeeded with {done} of {wanted} nodes replaced"


def _broken(result: Result) -> Iterator[tuple[str, str]]:
    """Nothing in the world itself may have failed, or the run proves nothing."""
    for failure in result.clock["failures"]:
        yield "rehearsal", failure
