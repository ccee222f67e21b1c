"""`gpuops redrive`: bring back what reached nobody, once it can be taken.

Two queues hold such things. `QuarantinedSignals`: messages that were no event of a known shape, or failed five times;
they go to the queue of signals again. `UndeliveredEvents`: what EventBridge could not hand over; each goes
to the target that it names. Only what lies there at the beginning is taken: what comes back is not taken twice.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import answer, give_up, say
from gpuops.adapters.aws import client

SIGNALS, QUARANTINED, UNDELIVERED = "Signals", "QuarantinedSignals", "UndeliveredEvents"
TARGET, REASON = "TARGET_ARN", ("reason", "ERROR_MESSAGE")
"""Attributes of a message: EventBridge's, and ours."""
AT_ONCE = 10
Message = dict[str, Any]


def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what lies there, and leave it.")] = False,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Send quarantined signals and undelivered events on; exit 1 when some could not be."""
    done: list[dict[str, str]] = []
    try:
        for one in redrive(stack, dry_run=dry_run):
            done.append(one)
            say(f"{one['queue']}: {one['status']}: {one['reason'] or 'no reason given'}")
    except (BotoCoreError, ClientError) as error:
        give_up(f"{stack}: {error}", as_json=as_json)
    failed = sum(one["status"] == "failed" for one in done)
    if as_json:
        answer({"messages": done, "failed": failed})
    raise typer.Exit(1 if failed else 0)


def redrive(stack: str, *, dry_run: bool, clients: Any = client) -> Iterator[dict[str, str]]:
    """Yield what became of each message. A message is deleted once it was sent on: rather twice than never.

    Raises: BotoCoreError, ClientError for a stack that is not there or a right that is missing.
    """
    sqs, urls = clients("sqs"), {name: _url(stack, name, clients) for name in (SIGNALS, QUARANTINED, UNDELIVERED)}
    for queue in (QUARANTINED, UNDELIVERED):
        for message in _messages(sqs, urls[queue]):
            told = {"queue": queue, "message": message["MessageId"], "reason": _reason(message)}
            if dry_run:
                sqs.change_message_visibility(
                    QueueUrl=urls[queue], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
                yield {**told, "status": "waiting"}
                continue
            try:
                _send(message, urls[SIGNALS] if queue == QUARANTINED else None, clients)
            except (ClientError, LookupError) as error:
                yield {**told, "status": "failed", "reason": str(error)}
                continue
            sqs.delete_message(QueueUrl=urls[queue], ReceiptHandle=message["ReceiptHandle"])
            yield {**told, "status": "sent"}


def _url(stack: str, name: str, clients: Any) -> str:
    found = clients("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=name)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def _messages(sqs: Any, url: str) -> list[Message]:
    """As many messages as lay in the queue when it was asked; all are received before any is sent on."""
    attribute = "ApproximateNumberOfMessages"
    left = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"][attribute])
    found: list[Message] = []
    while len(found) < left:
        most = min(AT_ONCE, left - len(found))
        page = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, MessageAttributeNames=["All"])
        if not page.get("Messages"):
            break
        found += page["Messages"]
    return found


def _send(message: Message, signals: str | None, clients: Any) -> None:
    """To the queue of signals, or to the target that EventBridge could not reach. Raises: ClientError, LookupError."""
    if signals is not None:
        clients("sqs").send_message(QueueUrl=signals, MessageBody=message["Body"])
        return
    target = message.get("MessageAttributes", {}).get(TARGET, {}).get("StringValue", "")
    service = target.split(":")[2] if target.startswith("arn:") else ""
    if service == "states":
        clients("stepfunctions").start_execution(stateMachineArn=target, input=message["Body"])
    elif service == "lambda":
        clients("lambda").invoke(FunctionName=target, InvocationType="Event", Payload=message["Body"].encode())
    elif service == "sqs":
        url = clients("sqs").get_queue_url(QueueName=target.rpartition(":")[2])["QueueUrl"]
        clients("sqs").send_message(QueueUrl=url, MessageBody=message["Body"])
    elif service == "sns":
        clients("sns").publish(TopicArn=target, Message=message["Body"])
    else:
        raise LookupError(f"it names no target: {json.dumps(target)}")


def _reason(message: Message) -> str:
    given = message.get("MessageAttributes", {})
    return next((given[name]["StringValue"] for name in REASON if name in given), "")
