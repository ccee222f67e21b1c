"""`gpuops sweep`: break one thing a run in a small story of each workflow, and exit by whether everything held."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.output import answer, give_up, only_the_result, say
from rehearsal.sweep.tally import Tally


class Workflow(StrEnum):
    """Those that have a story."""

    ROTATE = "rotate"
    ADMIT = "admit"
    APPLY = "apply"
    REBALANCE = "rebalance"
    REMEDIATE = "remediate"


def command(
    workflow: Annotated[Workflow | None, typer.Option(help="Of this one only.")] = None,
    seed: Annotated[str, typer.Option(help="Which cases come first.")] = "1",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many runs of each workflow.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
    out: Annotated[Path, typer.Option(help="Where failing scenarios and what they left are kept.")] = Path("out/sweep"),
    page: Annotated[
        Path | None, typer.Option(help="Write the table to this file, such as docs/reliability.md.")
    ] = None,
) -> None:
    """Break every call, invocation and state of a small story once, each in a run of its own."""
    from rehearsal.sweep.sweep import sweep  # noqa: PLC0415 - it imports moto, which takes seconds

    tally, started = Tally(seed), time.monotonic()
    names = [workflow.value] if workflow else [each.value for each in Workflow]
    try:
        with only_the_result(as_json=as_json):
            sweep(tally, names, limit, out, say)
    except RuntimeError as error:
        give_up(str(error), as_json=as_json)
    for violation in tally.violations:
        say(f"  VIOLATION {violation.rule}: {violation.what} ({violation.scenario})")
    say(f"{tally.runs} runs, {len(tally.violations)} violations")
    if page:
        page.write_text(tally.page(time.strftime("%Y-%m-%d")), encoding="utf-8")
    if as_json:
        answer(tally.to_json(time.monotonic() - started))
    raise typer.Exit(1 if tally.violations else 0)
