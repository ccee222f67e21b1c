"""`gpuops sweep`: break one thing a run in a small story of each workflow, and exit by whether everything held."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import answer, give_up, only_the_result, say

if TYPE_CHECKING:
    from rehearsal.sweep.tally import Tally

SILENT = ("as_json", "out", "page")
"""Options that change nothing of what is run."""


class Workflow(StrEnum):
    """Those that have a story."""

    ROTATE = "rotate"
    ADMIT = "admit"
    APPLY = "apply"
    REBALANCE = "rebalance"
    REMEDIATE = "remediate"


def command(
    context: typer.Context,
    workflow: Annotated[Workflow | None, typer.Option(help="Of this one only.")] = None,
    seed: Annotated[str, typer.Option(help="Which cases come first, and which stand for their like.")] = "1",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many runs of each workflow.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Begin no run after so many minutes.")] = None,
    sequences: Annotated[
        bool, typer.Option("--sequences", help="Only sequences of several faults, drawn for as long as there is time.")
    ] = False,
    together: Annotated[
        int, typer.Option(min=1, help="So many cases in a run, each in another function; what met nothing runs alone.")
    ] = 1,
    every: Annotated[
        bool, typer.Option("--every", help="Every case, not only those that stand for their like.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="So many runs beside each other.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
    out: Annotated[Path, typer.Option(help="Where failing scenarios and what they left are kept.")] = Path("out/sweep"),
    page: Annotated[
        Path | None, typer.Option(help="Write what was run into this page, such as docs/reliability.md.")
    ] = None,
) -> None:
    """Break every call, invocation and state of a small story once, each in a run of its own, then several at once."""
    from rehearsal.sweep.conduct import Asked, Conduct  # noqa: PLC0415 - it imports moto, which takes seconds

    if sequences and limit is None and minutes is None:
        give_up("sequences have no end: say --minutes or --limit", as_json=as_json)
    if sequences and together > 1:
        give_up("--together is for cases, and sequences are together already", as_json=as_json)
    names = (workflow.value,) if workflow else tuple(each.value for each in Workflow)
    said = " ".join(["gpuops sweep", *_given(context)])
    conduct = Conduct(Asked(names, seed, out, said, limit, minutes, sequences, together, every, workers, page), say)
    try:
        with only_the_result(as_json=as_json):
            conduct.run()
    except RuntimeError as error:
        _tell(conduct.tally)
        give_up(str(error), as_json=as_json)
    _tell(conduct.tally)
    if as_json:
        answer(conduct.to_json())
    raise typer.Exit(1 if conduct.tally.violations else 0)


def _given(context: typer.Context) -> Iterator[str]:
    """The options that are not as they are by themselves."""
    for option in context.command.params:
        name, value = option.name or "", context.params.get(option.name or "")
        if name in SILENT or value == option.default:
            continue
        yield option.opts[0] if value is True else f"{option.opts[0]} {value}"


def _tell(tally: "Tally") -> None:
    """Say what was found."""
    for violation in tally.violations:
        say(f"  VIOLATION {violation.rule}: {violation.what} ({violation.scenario})")
    say(f"{tally.runs} runs, {len(tally.violations)} violations")
