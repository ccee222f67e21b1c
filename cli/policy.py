"""`gpuops policy`: check fleet.yaml before it is uploaded, because a broken one puts every group on hold."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import answer, give_up, say
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Policy, parse_policy

KEY = "fleet.yaml"
"""The object's key, as template.yaml gives it to the functions in POLICY_KEY."""

app = typer.Typer(no_args_is_help=True, help="Check and upload the operator's policy.")
PolicyFile = Annotated[Path, typer.Argument(metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]


@app.command()
def check(file: PolicyFile = Path(KEY), as_json: AsJson = False) -> None:
    """Say whether the policy is valid, and what it decides for each group."""
    policy = read_policy(file, as_json=as_json)
    for group in policy.groups:
        say(f"{group.cluster}/{group.group}: mode {group.mode}, {group.strategy} {group.surge}")
    if as_json:
        answer({"status": "valid", "groups": [group.model_dump(mode="json") for group in policy.groups]})


@app.command()
def push(
    file: PolicyFile = Path(KEY),
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: AsJson = False,
) -> None:
    """Validate the policy and upload it to the stack's bucket."""
    from gpuops.adapters.aws import client  # noqa: PLC0415 - boto3 takes its time, and `check` needs none

    read_policy(file, as_json=as_json)
    bucket, version = upload(file.read_bytes(), stack, client("cloudformation"), client("s3"))
    say(f"{file} is version {version} in s3://{bucket}/{KEY}")
    if as_json:
        answer({"status": "uploaded", "bucket": bucket, "key": KEY, "version": version})


def upload(content: bytes, stack: str, cloudformation: Any, s3: Any) -> tuple[str, str]:
    """Put the policy into the stack's bucket; bucket and version. A second upload makes a second version."""
    resource = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="PolicyBucket")
    bucket: str = resource["StackResourceDetail"]["PhysicalResourceId"]
    return bucket, s3.put_object(Bucket=bucket, Key=KEY, Body=content).get("VersionId", "")


def read_policy(file: Path, *, as_json: bool) -> Policy:
    """Return the policy of a local file; a fault in it ends the command, with its line."""
    try:
        return parse_policy(file.read_text(encoding="utf-8"), "local")
    except (OSError, UnicodeDecodeError, Invalid) as error:
        give_up(str(error), as_json=as_json)
