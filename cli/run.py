"""`gpuops run`: start an execution by hand, follow it, and exit by its outcome.

`sam remote invoke` exits 0 even when the execution failed, so neither a script nor a person at night can rely on it.
Works against AWS and, with AWS_ENDPOINT_URL as `make local` prints it, against the rehearsal's region.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from gpuops.adapters.aws import client

POLL_SECONDS = 2.0
RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"


def command(
    machine: Annotated[str, typer.Argument(help="Such as rotate_ami; a file of statemachines/.", metavar="MACHINE")],
    event: Annotated[Path | None, typer.Option(help="Its input, such as events/rotate_ami.json.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end, and exit by its outcome.")] = False,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Start an execution; with --watch exit 0 only when it succeeded."""
    given = _read(event, as_json=as_json)
    try:
        arn = start(machine, given, stack, client("cloudformation"), client("stepfunctions"))
        say(f"started {arn}")
        ended = follow(arn, client("stepfunctions")) if watch else {"status": RUNNING}
    except (BotoCoreError, ClientError, LookupError) as error:
        give_up(f"{machine}: {error}", as_json=as_json)
    for key in ("error", "cause"):
        if ended.get(key):
            say(f"{key}: {ended[key]}")
    if as_json:
        answer({"execution": arn, **ended})
    raise typer.Exit(0 if ended["status"] in (SUCCEEDED, RUNNING) else 1)


def start(machine: str, given: str, stack: str, cloudformation: Any, states: Any) -> str:
    """Start the stack's machine on an input; the execution's ARN.

    Raises: LookupError naming the machines that there are, ClientError for a stack that is not there.
    """
    found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    outputs = {o["OutputKey"]: o["OutputValue"] for o in found}
    machines = {k.removesuffix("MachineArn"): v for k, v in outputs.items() if k.endswith("MachineArn")}
    name = "".join(word.capitalize() for word in machine.split("_"))
    if name not in machines:
        raise LookupError(f"stack {stack} has no such machine; it has: {', '.join(sorted(machines)) or 'none'}")
    return str(states.start_execution(stateMachineArn=machines[name], input=given)["executionArn"])


def follow(arn: str, states: Any, pause: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Say each state as it is entered; status, error, cause and output once it has ended."""
    told = 0
    while True:
        described = states.describe_execution(executionArn=arn)
        for number, line in _entered(arn, states, told):
            say(line)
            told = number
        if described["status"] != RUNNING:
            return {key: described[key] for key in ("status", "error", "cause", "output") if key in described}
        pause(POLL_SECONDS)


def _entered(arn: str, states: Any, told: int) -> Iterator[tuple[int, str]]:
    """Yield number and text of each state entered since event number `told`."""
    for page in states.get_paginator("get_execution_history").paginate(executionArn=arn):
        for event in page["events"]:
            details = event.get("stateEnteredEventDetails")
            if details and event["id"] > told:
                yield event["id"], f"{event['timestamp']:%H:%M:%S} {details['name']}"


def _read(event: Path | None, *, as_json: bool) -> str:
    """Return the input as text; a file that is no JSON is refused here, with its line."""
    if event is None:
        return "{}"
    try:
        text = event.read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        give_up(f"{event}: {error}", as_json=as_json)
    return text
