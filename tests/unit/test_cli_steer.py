"""`gpuops approve` and its sisters: one word, with the caller's ARN, to one function; exit code by its answer."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

import cli.steer
from cli.main import app

ME = "arn:aws:sts::123456789012:assumed-role/operator/ann"


class Account:
    """CloudFormation, STS and Lambda of an account in which the function answers as a test says."""

    def __init__(self, told: dict[str, Any], error: str | None = None) -> None:
        self.told, self.error = told, error
        self.sent: list[dict[str, Any]] = []

    def __call__(self, service: str) -> "Account":
        """See adapters.aws.client."""
        return self

    def describe_stack_resource(self, **which: str) -> dict[str, Any]:
        """See CloudFormation."""
        if which["StackName"] != "gpuops":
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no stack"}}, "DescribeStackResource")
        return {"StackResourceDetail": {"PhysicalResourceId": f"gpuops-{which['LogicalResourceId']}-1"}}

    def get_caller_identity(self) -> dict[str, str]:
        """See STS."""
        return {"Arn": ME}

    def invoke(self, **call: Any) -> dict[str, Any]:
        """See Lambda."""
        self.sent.append(json.loads(call["Payload"]) | {"function": call["FunctionName"]})
        more = {"FunctionError": self.error} if self.error else {}
        return {"Payload": io.BytesIO(json.dumps(self.told).encode()), **more}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Account]:
    """Make an account, and let the commands find it."""

    def make(told: dict[str, Any], error: str | None = None) -> Account:
        made, real = Account(told, error), cli.steer.steer
        monkeypatch.setattr(cli.steer, "steer", lambda word, stack: real(word, stack, made))
        return made

    return make


def run(*arguments: str) -> Any:
    """The command's result."""
    return CliRunner().invoke(app, list(arguments))


WORDS = [
    (("approve", "roll-1"), {"wish": "approve", "run": "roll-1"}),
    (("approve", "roll-1", "--reject", "--reason", "no"), {"wish": "reject", "run": "roll-1", "reason": "no"}),
    (("pause", "arn:aws:states:us-east-1:1:execution:gpuops-rotate-ami:roll-1"), {"wish": "pause", "run": "roll-1"}),
    (("resume", "roll-1"), {"wish": "resume", "run": "roll-1"}),
    (("cancel", "roll-1", "--roll-back"), {"wish": "cancel", "run": "roll-1", "roll_back": True}),
    (("stop", "--reason", "incident"), {"wish": "stop", "reason": "incident"}),
    (("start",), {"wish": "start"}),
]


@pytest.mark.parametrize(("asked", "word"), WORDS, ids=[" ".join(asked[:1]) for asked, _ in WORDS])
def test_each_command_hands_on_one_word_and_who_said_it(
    account: Callable[..., Account], asked: tuple[str, ...], word: dict[str, Any]
) -> None:
    """The ARN is the caller's own, whatever else is given."""
    made = account({"status": "done", "reason": "ok", "stop": None})

    result = run(*asked, "--json")

    assert result.exit_code == 0, result.output
    assert {key: made.sent[0].get(key) for key in word} == word
    assert (made.sent[0]["by"], made.sent[0]["function"]) == (ME, "gpuops-SteerRunFunction-1")
    assert json.loads(result.stdout.splitlines()[-1])["status"] == "done"


def test_an_answer_that_is_no_is_exit_code_1_with_its_reason(account: Callable[..., Account]) -> None:
    """The function's own error, by its name."""
    account({"errorType": "Refused", "errorMessage": "no run roll-1 is under way"}, "Unhandled")

    result = run("approve", "roll-1", "--json")

    assert result.exit_code == 1
    told = json.loads(result.stdout.splitlines()[-1])
    assert (told["status"], told["error"], told["reason"]) == ("failed", "Refused", "no run roll-1 is under way")


def test_what_cannot_be_tried_is_exit_code_2(account: Callable[..., Account]) -> None:
    """No such stack."""
    account({})

    assert run("stop", "--stack", "other", "--json").exit_code == 2


@pytest.mark.parametrize("command", ["stop", "start"])
def test_both_show_the_stop_that_stood_before(account: Callable[..., Account], command: str) -> None:
    """Since when, and by whom."""
    account({"status": "ok", "reason": "r", "stop": {"at": "2026-11-23T10:00:00Z", "by": "arn:bob"}})

    assert "it was stopped since 2026-11-23T10:00:00Z by arn:bob" in run(command).stderr
