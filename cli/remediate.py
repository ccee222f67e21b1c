"""`gpuops remediate NODE --xid 79`: have one node's fault answered now, as an alarm would, and follow it.

The execution is started under the caller's own rights, as `sam remote invoke RemediateGpu` does. What becomes of the
fault is the machine's to decide: by the policy, the table of Xids and the fleet's budget, and in the group's mode.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from cli.run import RUNNING, SUCCEEDED, follow, start
from gpuops.adapters.aws import client
from gpuops.domain.faults.fault import GpuFault, lines

MACHINE = "remediate_gpu"
INSTANCE_PREFIX = "i-"


def command(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the Node, or its instance's id.")],
    xid: Annotated[int | None, typer.Option(min=1, max=999, help="The Xid that was seen.")] = None,
    kind: Annotated[str, typer.Option(help="What it is where no Xid says it, such as thermal or link.")] = "hardware",
    gpu: Annotated[str, typer.Option(help="UUID of the GPU, where it is known.")] = "",
    cluster: Annotated[str, typer.Option(help="Where the policy names more than one.")] = "",
    reason: Annotated[str, typer.Option(help="What was seen; it is told with the outcome.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end, and exit by its outcome.")] = False,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Close a node because of a fault, and have it repaired; with --watch exit 0 only when that succeeded."""
    where = {"cluster": cluster, "uuid": gpu, "instance" if node.startswith(INSTANCE_PREFIX) else "node": node}
    try:
        now = datetime.now(UTC)  # noqa: TID251 - a person asks, no state machine
        given = order(where, xid, kind, reason, now)
        arn = start(MACHINE, given, stack, client("cloudformation"), client("stepfunctions"))
        say(f"started {arn}")
        ended = follow(arn, client("stepfunctions")) if watch else {"status": RUNNING}
    except (BotoCoreError, ClientError, LookupError, ValueError) as error:
        give_up(f"{node}: {error}", as_json=as_json)
    _say(ended)
    if as_json:
        answer({"execution": arn, **ended})
    raise typer.Exit(0 if ended["status"] in (SUCCEEDED, RUNNING) else 1)


def order(where: Mapping[str, str], xid: int | None, kind: str, reason: str, now: datetime) -> str:
    """Return the machine's input. Raises: ValueError for a kind that there is not."""
    what: dict[str, Any] = {"kind": "xid" if xid else kind, "xid": xid}
    said = lines(f"by hand: {reason}" if reason else "by hand")
    fault = GpuFault.model_validate({**where, **what, "evidence": said, "first_seen": now})
    return json.dumps({"fault": fault.model_dump(mode="json")})


def _say(ended: Mapping[str, Any]) -> None:
    for key in ("error", "cause", "output"):
        if ended.get(key):
            say(f"{key}: {ended[key]}")
