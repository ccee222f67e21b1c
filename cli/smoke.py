"""`gpuops smoke`: prove now that a node's GPUs work and are shared as declared, and see the lines that say so.

It starts the state machine and follows it. A smoke that fails ends its execution in Fail, which hands on a reason and
no more, so its evidence is read from the state that the execution failed in.
"""

import json
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from cli.run import SUCCEEDED, follow, start
from gpuops.adapters.aws import client

FAILED_IN = "SmokeFailed"


def command(
    node: Annotated[str, typer.Argument(help="Name of the Node.", metavar="NODE")],
    cluster: Annotated[str | None, typer.Option(help="Name of the EKS cluster; not given: the stack's.")] = None,
    group: Annotated[str | None, typer.Option(help="For a node in no Auto Scaling group: whose policy holds.")] = None,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Smoke one node: exit 0 passed, 1 failed, 2 could not be tried. Beside tenants only free shares are touched."""
    cloudformation, states = client("cloudformation"), client("stepfunctions")
    try:
        where = cluster or cluster_of(stack, cloudformation)
        given = {"cluster": where, "node": node} | ({"group": group} if group else {})
        arn = start("smoke_node", json.dumps(given), stack, cloudformation, states)
        say(f"started {arn}")
        verdict = verdict_of(follow(arn, states), arn, states)
    except (BotoCoreError, ClientError, LookupError) as error:
        give_up(f"{node}: {error}", as_json=as_json)
    if verdict["status"] not in {"passed", "failed"}:
        give_up(f"{node}: {verdict['status']}: {verdict['reason']}", as_json=as_json)
    for line in (*verdict.get("evidence", ()), f"{node}: {verdict['status']}: {verdict['reason']}"):
        say(line)
    if as_json:
        answer({"execution": arn, "node": node, **verdict})
    raise typer.Exit(0 if verdict["status"] == "passed" else 1)


def cluster_of(stack: str, cloudformation: Any) -> str:
    """The cluster that the stack was deployed for. Raises: LookupError, ClientError for a stack that is not there."""
    given = cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Parameters", [])
    found = next((p["ParameterValue"] for p in given if p["ParameterKey"] == "ClusterName"), "")
    if not found:
        raise LookupError(f"stack {stack} does not say its cluster: give --cluster")
    return str(found)


def verdict_of(ended: dict[str, Any], arn: str, states: Any) -> dict[str, Any]:
    """The smoke's answer; of one that failed, what its last state held. Another end says nothing of the node."""
    if ended["status"] == SUCCEEDED:
        return dict(json.loads(ended["output"]))
    if ended.get("error") != "Unhealthy":
        return {"status": ended.get("error", ended["status"]), "reason": ended.get("cause", "no cause given")}
    verdict = _held(arn, states).get("verdict", {})
    return {**verdict, "status": "failed", "reason": ended.get("cause", "")}


def _held(arn: str, states: Any) -> dict[str, Any]:
    """The data with which the execution came to its end."""
    for page in states.get_paginator("get_execution_history").paginate(executionArn=arn):
        for event in page["events"]:
            entered = event.get("stateEnteredEventDetails", {})
            if entered.get("name") == FAILED_IN:
                return dict(json.loads(entered.get("input") or "{}"))
    return {}
