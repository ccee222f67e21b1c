"""`gpuops smoke`: the verdict and its evidence, and an exit code that tells a bad node from one that was not tried."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.smoke import cluster_of

ARN = "arn:execution"
PASSED = {"status": "passed", "reason": "driver 580", "evidence": ["GPU 0: Tesla T4"], "uuids": ["GPU-1"]}
VERDICT = {"status": "failed", "reason": "1 distinct UUIDs", "evidence": ["overlap: GPU-1 seen by 4 pods at once"]}


class Stack:
    """CloudFormation with one stack, and Step Functions with one execution that has ended."""

    def __init__(self, ended: dict[str, Any], held: dict[str, Any] | None = None) -> None:
        self.ended, self.held, self.given = ended, held, ""
        self.parameters = [{"ParameterKey": "ClusterName", "ParameterValue": "demo"}]

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto3's name
        """Its outputs and parameters."""
        outputs = [{"OutputKey": "SmokeNodeMachineArn", "OutputValue": "arn:smoke"}]
        return {"Stacks": [{"Outputs": outputs, "Parameters": self.parameters}]}

    def start_execution(self, stateMachineArn: str, input: str) -> Any:  # noqa: A002, N803 - boto3's names
        """Remember what was asked for."""
        self.given = input
        return {"executionArn": ARN}

    def describe_execution(self, executionArn: str) -> Any:  # noqa: N803 - boto3's name
        """Over."""
        return self.ended

    def get_paginator(self, operation: str) -> Any:
        """Only the history is paged."""
        return self

    def paginate(self, executionArn: str) -> Any:  # noqa: N803 - boto3's name
        """The last state, if it had anything to hold."""
        if self.held is None:
            return []
        details = {"name": "SmokeFailed", "input": json.dumps(self.held)}
        return [{"events": [{"id": 7, "timestamp": 0, "stateEnteredEventDetails": details}]}]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask for a smoke of one node with this end."""

    def ask(stack: Stack, *more: str) -> Result:
        monkeypatch.setattr("cli.smoke.client", lambda _: stack)
        monkeypatch.setattr("cli.run._entered", lambda *_: iter(()))
        return CliRunner().invoke(app, ["smoke", "node-1", "--json", *more])

    return ask


def test_a_smoke_that_passed_exits_0_with_its_evidence(asked: Any) -> None:
    """The cluster is the stack's own, unless another one is named."""
    stack = Stack({"status": "SUCCEEDED", "output": json.dumps(PASSED)})
    result = asked(stack)

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"execution": ARN, "node": "node-1", **PASSED}
    assert json.loads(stack.given) == {"cluster": "demo", "node": "node-1"}
    assert "GPU 0: Tesla T4" in result.stderr
    asked(stack, "--cluster", "prod", "--group", "gpu")
    assert json.loads(stack.given) == {"cluster": "prod", "node": "node-1", "group": "gpu"}


def test_a_smoke_that_failed_exits_1_with_the_evidence_of_its_last_state(asked: Any) -> None:
    """An execution that fails has no output; without its history there is still the reason."""
    ended = {"status": "FAILED", "error": "Unhealthy", "cause": "1 distinct UUIDs"}
    result = asked(Stack(ended, {"verdict": VERDICT}))
    bare = asked(Stack(ended))

    assert (result.exit_code, json.loads(result.stdout)) == (1, {"execution": ARN, "node": "node-1", **VERDICT})
    assert "seen by 4 pods" in result.stderr
    assert (bare.exit_code, json.loads(bare.stdout)["reason"]) == (1, "1 distinct UUIDs")


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        ({"status": "FAILED", "error": "Refused", "cause": "0 free shares"}, "Refused: 0 free shares"),
        ({"status": "FAILED", "error": "Invalid", "cause": "no node"}, "Invalid: no node"),
        ({"status": "ABORTED"}, "ABORTED: no cause given"),
        ({"status": "SUCCEEDED", "output": '{"status": "skipped", "reason": "MIG"}'}, "skipped: MIG"),
    ],
)
def test_what_could_not_be_tried_exits_2(asked: Any, ended: dict[str, Any], says: str) -> None:
    """It says nothing about the node."""
    result = asked(Stack(ended))

    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"status": "error", "error": f"node-1: {says}"}


def test_a_stack_that_names_no_cluster_asks_for_one() -> None:
    """Rather than smoking a node of the same name elsewhere."""
    stack = Stack({})
    stack.parameters = []

    with pytest.raises(LookupError, match="--cluster"):
        cluster_of("gpuops", stack)
