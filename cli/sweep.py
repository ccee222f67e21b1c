"""`gpuops sweep`: break one thing a run in a small story of each workflow, and exit by whether everything held."""

import time
from enum import StrEnum
from functools import partial
from itertools import islice
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from cli.output import answer, give_up, only_the_result, say
from rehearsal.sweep.tally import Tally

SECONDS_A_MINUTE = 60


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
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Begin no run after so many minutes.")] = None,
    sequences: Annotated[
        bool, typer.Option("--sequences", help="Only sequences of several faults, drawn for as long as there is time.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
    out: Annotated[Path, typer.Option(help="Where failing scenarios and what they left are kept.")] = Path("out/sweep"),
    page: Annotated[
        Path | None, typer.Option(help="Write the table to this file, such as docs/reliability.md.")
    ] = None,
) -> None:
    """Break every call, invocation and state of a small story once, each in a run of its own, then several at once."""
    from rehearsal.sweep.sweep import sweep  # noqa: PLC0415 - it imports moto, which takes seconds
    from rehearsal.sweep.trial import sequences as only_sequences  # noqa: PLC0415 - it imports the wire
    from rehearsal.sweep.trial import trials  # noqa: PLC0415 - as above

    if sequences and limit is None and minutes is None:
        give_up("sequences have no end: say --minutes or --limit", as_json=as_json)
    tally, started = Tally(seed), time.monotonic()
    names = [workflow.value] if workflow else [each.value for each in Workflow]
    choose = only_sequences if sequences else trials
    over = partial(_is_later_than, started + (minutes or inf) * SECONDS_A_MINUTE)
    try:
        with only_the_result(as_json=as_json):
            sweep(tally, names, out, say, choose=lambda cases: islice(choose(cases, seed), limit), over=over)
    except RuntimeError as error:
        give_up(str(error), as_json=as_json)
    _tell(tally, page)
    if as_json:
        answer(tally.to_json(time.monotonic() - started))
    raise typer.Exit(1 if tally.violations else 0)


def _is_later_than(moment: float) -> bool:
    return time.monotonic() > moment


def _tell(tally: Tally, page: Path | None) -> None:
    """Say what was found, and write the page."""
    for violation in tally.violations:
        say(f"  VIOLATION {violation.rule}: {violation.what} ({violation.scenario})")
    say(f"{tally.runs} runs, {len(tally.violations)} violations")
    if page:
        page.write_text(tally.page(time.strftime("%Y-%m-%d")), encoding="utf-8")
