"""`gpuops breaker`: see which failures in a row hold a group up, and let it go on once their cause is mended.

It writes a wish into the table and nothing else: what was suspended is resumed by the next tick of `reconcile`.
"""

from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from cli.table import FAULTS, open_memory
from gpuops.domain.faults.breaker import KINDS, Breaker, Kind

app = typer.Typer(no_args_is_help=True, help="Failures in a row that hold a group up.")
Group = Annotated[str, typer.Argument(metavar="GROUP", help="Name of the Auto Scaling group.")]
OfKind = Annotated[Kind | None, typer.Option("--kind", help="`launch` or `sharing`; not given: both.")]
Stack = Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]


@app.command()
def show(group: Group, kind: OfKind = None, stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Say how many attempts failed in a row, why the last one did, and what is suspended because of it."""
    try:
        memory = open_memory(stack)
        found = [known for one in _kinds(kind) if (known := memory.breaker(one, group))]
    except (BotoCoreError, ClientError, *FAULTS) as error:
        give_up(f"{group}: {error}", as_json=as_json)
    for breaker in found:
        say(_line(breaker))
    if not found:
        say(f"{group}: no failures since the last success")
    if as_json:
        answer({"group": group, "breakers": [breaker.model_dump(mode="json") for breaker in found]})


@app.command()
def close(group: Group, kind: OfKind = None, stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Forget the failures. Where Launch is suspended because of them, the next tick of `reconcile` resumes it."""
    try:
        memory = open_memory(stack)
        closed = {one: memory.close_breaker(one, group) for one in _kinds(kind)}
    except (BotoCoreError, ClientError, *FAULTS) as error:
        give_up(f"{group}: {error}", as_json=as_json)
    for one, forgotten in closed.items():
        say(f"{group}: {one}: " + ("nothing holds it up" if forgotten else "reconcile will resume Launch"))
    if as_json:
        answer({"group": group, "closed": {one: "now" if done else "next tick" for one, done in closed.items()}})


def _kinds(kind: Kind | None) -> tuple[Kind, ...]:
    return (kind,) if kind else KINDS


def _line(breaker: Breaker) -> str:
    """One breaker for a person."""
    state = "half-open" if breaker.opened else "closed"
    if breaker.suspended:
        state = "closing, reconcile will resume Launch" if breaker.closed else "open, Launch is suspended by gpuops"
    since = f" since {breaker.opened.isoformat()}" if breaker.opened else ""
    return f"{breaker.group}: {breaker.kind}: {state}{since}; {breaker.failures} in a row, the last: {breaker.why}"
