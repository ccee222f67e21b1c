"""`gpuops events`: what an event from EventBridge would come to, before a rule sends it to anybody."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.output import answer, give_up, say
from gpuops.domain.errors import Invalid
from gpuops.signals.read import read_signal

app = typer.Typer(no_args_is_help=True, help="Read events as the functions do.")


@app.callback()
def _group() -> None:
    """Keep `parse` a subcommand: a Typer app of one command would swallow its name."""


@app.command()
def parse(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An event in EventBridge's envelope, as JSON.")],
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Show the signal and its faults; exit 2 for what is no event, or has another shape than its service documents."""
    try:
        signal = read_signal(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, Invalid) as error:
        give_up(f"{file}: {error}", as_json=as_json)
    say(f"{file}: {signal.state}: {signal.reason}")
    for fault in signal.faults:
        where = fault.node or fault.instance or fault.uuid
        say(f"  {where}: {fault.kind}{f' {fault.xid}' if fault.xid else ''}: {'; '.join(fault.evidence)}")
    if as_json:
        answer(signal.model_dump(mode="json"))
