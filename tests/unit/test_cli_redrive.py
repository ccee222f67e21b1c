"""`gpuops redrive`: what lies in quarantine goes to the signals again, what was not delivered to its own target."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

import cli.redrive
from cli.main import app

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:gpuops-rotate-ami"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:gpuops-detect"


class Account:
    """Three queues in moto; CloudFormation that knows them; machines and functions that remember."""

    def __init__(self) -> None:
        sdk: Any = boto3
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
        self.sqs = sdk.client("sqs", region_name="us-east-1", **keys)
        names = ("Signals", "QuarantinedSignals", "UndeliveredEvents")
        self.urls = {name: self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
        self.got: list[tuple[str, str]] = []
        self.refused = ""

    def __call__(self, service: str) -> Any:
        """See adapters.aws.client."""
        return self.sqs if service == "sqs" else self

    def describe_stack_resource(self, **which: str) -> dict[str, Any]:
        """See CloudFormation."""
        return {"StackResourceDetail": {"PhysicalResourceId": self.urls[which["LogicalResourceId"]]}}

    def start_execution(self, **call: str) -> None:
        """See Step Functions."""
        if call["input"] == self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "StartExecution")
        self.got.append((call["stateMachineArn"], call["input"]))

    def invoke(self, **call: Any) -> None:
        """See Lambda."""
        self.got.append((call["FunctionName"], call["Payload"].decode()))

    def put(self, queue: str, body: str, **attributes: str) -> None:
        """Somebody put it there."""
        given = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=body, MessageAttributes=given)

    def lies_in(self, queue: str) -> list[str]:
        """Every message's body."""
        page = self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10, VisibilityTimeout=0)
        return sorted(message["Body"] for message in page.get("Messages", ()))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account that the command finds."""
    with mock_aws():
        made, real = Account(), cli.redrive.redrive
        monkeypatch.setattr(cli.redrive, "redrive", lambda stack, **more: real(stack, **more, clients=made))
        yield made


def run(*arguments: str) -> Any:
    """The command's result."""
    return CliRunner().invoke(app, ["redrive", *arguments, "--json"])


def told(result: Any) -> list[tuple[str, str, str]]:
    """Queue, status and reason of each message."""
    messages = json.loads(result.stdout.splitlines()[-1])["messages"]
    return [(one["queue"], one["status"], one["reason"]) for one in messages]


def test_quarantined_signals_are_read_again(account: Account) -> None:
    """More than fit into one answer, too; nothing is left behind."""
    for number in range(12):
        account.put("QuarantinedSignals", f"{number:02}", reason="source: Field required")
    result = run()

    assert result.exit_code == 0
    assert told(result) == [("QuarantinedSignals", "sent", "source: Field required")] * 12
    assert account.lies_in("QuarantinedSignals") == []
    assert len(account.lies_in("Signals")) == 10  # as many as one look shows


def test_undelivered_events_go_to_the_targets_that_they_name(account: Account) -> None:
    """A machine, a function, a queue."""
    account.put("UndeliveredEvents", "1", TARGET_ARN=MACHINE, ERROR_MESSAGE="throttled")
    account.put("UndeliveredEvents", "2", TARGET_ARN=FUNCTION)
    account.put("UndeliveredEvents", "3", TARGET_ARN="arn:aws:sqs:us-east-1:123456789012:Signals")
    result = run()

    assert result.exit_code == 0
    assert sorted(account.got) == sorted([(MACHINE, "1"), (FUNCTION, "2")])
    assert account.lies_in("Signals") == ["3"]
    assert account.lies_in("UndeliveredEvents") == []


def test_what_could_not_be_sent_on_stays(account: Account) -> None:
    """And keeps nothing else back."""
    account.refused = "1"
    account.put("UndeliveredEvents", "1", TARGET_ARN=MACHINE)
    account.put("UndeliveredEvents", "2", TARGET_ARN=MACHINE)
    account.put("UndeliveredEvents", "3")
    result = run()

    assert result.exit_code == 1
    assert sorted(status for _, status, _ in told(result)) == ["failed", "failed", "sent"]
    assert account.got == [(MACHINE, "2")]


def test_a_dry_run_shows_and_leaves(account: Account) -> None:
    """Each message can be seen again at once."""
    account.put("QuarantinedSignals", "a", reason="no JSON")
    result = run("--dry-run")

    assert told(result) == [("QuarantinedSignals", "waiting", "no JSON")]
    assert account.lies_in("QuarantinedSignals") == ["a"]


def test_a_stack_that_is_not_there_exits_two() -> None:
    """Nothing was tried."""
    with mock_aws():
        assert (
            CliRunner().invoke(app, ["redrive", "--stack", "none"], env={"AWS_DEFAULT_REGION": "us-east-1"}).exit_code
            == 2
        )
