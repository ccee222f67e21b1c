"""`gpuops gpu`: GPUs that a smoke found faulty, by their UUIDs; a node that brings one again is not admitted."""

from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from cli.table import FAULTS, open_memory

app = typer.Typer(no_args_is_help=True, help="GPUs that are remembered as faulty.")
Uuid = Annotated[str, typer.Argument(metavar="UUID", help="Such as GPU-6f0e6cba-..., as nvidia-smi -L prints it.")]
Stack = Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]


@app.command()
def show(uuid: Uuid, stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Say what is known against a GPU."""
    try:
        found = open_memory(stack).faulty_gpus([uuid])
    except (BotoCoreError, ClientError, *FAULTS) as error:
        give_up(f"{uuid}: {error}", as_json=as_json)
    say(found[0].title if found else f"{uuid}: nothing is known against it")
    if as_json:
        answer({"uuid": uuid, "faulty": found[0].model_dump(mode="json") if found else None})


@app.command()
def forget(uuid: Uuid, stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Let nodes with this GPU be admitted again, once it was repaired or proved sound."""
    try:
        known = open_memory(stack).forget_gpu(uuid)
    except (BotoCoreError, ClientError, *FAULTS) as error:
        give_up(f"{uuid}: {error}", as_json=as_json)
    say(f"{uuid}: " + ("forgotten" if known else "nothing was known against it"))
    if as_json:
        answer({"uuid": uuid, "status": "forgotten" if known else "unknown"})
