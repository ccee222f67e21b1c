"""`gpuops run`: the exit code is the execution's outcome, which `sam remote invoke` does not give.

Covers: the machine's ARN from the stack's outputs, an unknown machine, each state said once, success and failure.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from cli.run import follow, start

OUTPUTS = [
    {"OutputKey": "RotateAmiMachineArn", "OutputValue": "arn:rotate"},
    {"OutputKey": "StateTableName", "OutputValue": "t"},
]
AT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


class Stack:
    """CloudFormation with one stack."""

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto3's name
        """Its outputs."""
        return {"Stacks": [{"Outputs": OUTPUTS}]}


class States:
    """Step Functions with one execution, which ends at the second look."""

    def __init__(self, status: str = "SUCCEEDED") -> None:
        self.looks, self.started = 0, ("", "")
        self.end = (
            {"status": status, "error": "Refused", "cause": "freeze"} if status == "FAILED" else {"status": status}
        )

    def start_execution(self, stateMachineArn: str, input: str) -> Any:  # noqa: A002, N803 - boto3's names
        """Remember what was started."""
        self.started = (stateMachineArn, input)
        return {"executionArn": "arn:execution"}

    def describe_execution(self, executionArn: str) -> Any:  # noqa: N803 - boto3's name
        """Running once, then ended."""
        self.looks += 1
        return {"status": "RUNNING"} if self.looks == 1 else self.end

    def get_paginator(self, operation: str) -> Any:
        """Only the history is paged."""
        return self

    def paginate(self, executionArn: str) -> Any:  # noqa: N803 - boto3's name
        """One more state at each look."""
        states = ["KeepEvent", "PlanRotation"][: self.looks]
        events = [{"id": i, "timestamp": AT, "stateEnteredEventDetails": {"name": n}} for i, n in enumerate(states, 1)]
        return [{"events": [*events, {"id": 9, "timestamp": AT}]}]


def test_the_machine_is_found_in_the_stacks_outputs() -> None:
    """Nobody has to look up an ARN at night."""
    states = States()

    assert start("rotate_ami", "{}", "gpuops", Stack(), states) == "arn:execution"
    assert states.started == ("arn:rotate", "{}")


def test_an_unknown_machine_is_answered_with_those_there_are() -> None:
    """A typo must not start anything."""
    with pytest.raises(LookupError, match="it has: RotateAmi"):
        start("rotate", "{}", "gpuops", Stack(), States())


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_following_says_each_state_once_and_returns_the_outcome(
    status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The outcome carries error and cause as the machine gave them."""
    states = States(status)

    assert follow("arn:execution", states, pause=lambda _: None) == states.end
    said = capsys.readouterr().err
    assert (said.count("KeepEvent"), said.count("PlanRotation")) == (1, 1)
