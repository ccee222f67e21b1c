"""`gpuops approve`, `pause`, `resume`, `cancel` a run; `gpuops stop` and `start` them all.

Each hands one word to the function that takes them, with the caller's own ARN: who may invoke that function may steer.
RUN is the name of an execution of rotate_ami, as the request for approval, its report and `gpuops run` show it, or of
one of remediate_gpu, as the annotation gpuops/fault-run of its node shows it; that one asks for no approval.
"""

import json
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from gpuops.adapters.aws import client

FUNCTION = "SteerRunFunction"
Run = Annotated[str, typer.Argument(metavar="RUN", help="Name or ARN of an execution of rotate_ami or remediate_gpu.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded and told with the caller's ARN.")]
Stack = Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]
Reject = Annotated[bool, typer.Option("--reject", help="Say no: the run ends without a change.")]
RollBack = Annotated[bool, typer.Option("--roll-back", help="Replace back the nodes that were replaced already.")]


def approve(
    run: Run, reject: Reject = False, reason: Reason = "", stack: Stack = "gpuops", as_json: AsJson = False
) -> None:
    """Let a run begin that asks for approval, or with --reject end it."""
    _say({"wish": "reject" if reject else "approve", "run": _name(run), "reason": reason}, stack, as_json=as_json)


def pause(run: Run, reason: Reason = "", stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Begin no further node: a roll finishes the one in hand, a repair evicts no more; resume lets it go on."""
    _say({"wish": "pause", "run": _name(run), "reason": reason}, stack, as_json=as_json)


def resume(run: Run, reason: Reason = "", stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Let a paused run go on."""
    _say({"wish": "resume", "run": _name(run), "reason": reason}, stack, as_json=as_json)


def cancel(
    run: Run, roll_back: RollBack = False, reason: Reason = "", stack: Stack = "gpuops", as_json: AsJson = False
) -> None:
    """End a roll after the node in hand, and put back what it changed; a repair leaves its node closed, for you."""
    word = {"wish": "cancel", "run": _name(run), "reason": reason, "roll_back": roll_back}
    _say(word, stack, as_json=as_json)


def stop(reason: Reason = "", stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Stop everything: nothing is begun, evicted or terminated any more, in no group, until `gpuops start`."""
    _say({"wish": "stop", "reason": reason}, stack, as_json=as_json)


def start(reason: Reason = "", stack: Stack = "gpuops", as_json: AsJson = False) -> None:
    """Let everything go on after `gpuops stop`."""
    _say({"wish": "start", "reason": reason}, stack, as_json=as_json)


def steer(word: dict[str, Any], stack: str, clients: Any = client) -> dict[str, Any]:
    """Hand the word on with the caller's ARN; return the function's answer, or {"status": "failed", "reason"}.

    Raises: BotoCoreError, ClientError for a stack that is not there or a right that is missing.
    """
    found = clients("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=FUNCTION)
    by = clients("sts").get_caller_identity()["Arn"]
    called = clients("lambda").invoke(
        FunctionName=found["StackResourceDetail"]["PhysicalResourceId"], Payload=json.dumps(word | {"by": by}).encode()
    )
    told = dict(json.loads(called["Payload"].read()))
    if called.get("FunctionError"):
        return {"status": "failed", "error": told.get("errorType", ""), "reason": told.get("errorMessage", "")}
    return told


def _say(word: dict[str, Any], stack: str, *, as_json: bool) -> None:
    """Exit 0 when it is so now, 1 when the answer was no."""
    subject = word.get("run") or stack
    try:
        told = steer(word, stack)
    except (BotoCoreError, ClientError) as error:
        give_up(f"{subject}: {error}", as_json=as_json)
    before = told.get("stop")
    if before:
        say(f"{subject}: it was stopped since {before['at']} by {before['by']}")
    say(f"{subject}: {told['status']}: {told['reason']}")
    if as_json:
        answer({"run": word.get("run"), "wish": word["wish"], **told})
    raise typer.Exit(1 if told["status"] == "failed" else 0)


def _name(run: str) -> str:
    """The execution's name, of its ARN too."""
    return run.rpartition(":")[2]
