"""`gpuops breaker` and `gpuops gpu` over a stack's table in moto: what they say, and the little that they write.

Covers: nothing known, failures counted, Launch suspended, closing at once and at the next tick, one kind only, a stack
that is not there, a GPU that is known, forgotten, and was never known.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner, Result

import cli.table
from cli.main import app
from gpuops.adapters.memory import Memory
from tests.fakes.rotation import NOW
from tests.fakes.world import table

UUID = "GPU-6f0e6cba-3d31-4e6a-9c5c-0f8f4f9f0a01"


class Stack:
    """CloudFormation with one stack, and DynamoDB with its table."""

    def __init__(self) -> None:
        self.memory = Memory(table())

    def client(self, service: str) -> Any:
        """Either of the two."""
        return self if service == "cloudformation" else self.memory._table._dynamodb

    def describe_stack_resource(self, **asked: str) -> Any:
        """The table of the stack `gpuops`."""
        if asked != {"StackName": "gpuops", "LogicalResourceId": "StateTable"}:
            message = f"Stack '{asked['StackName']}' does not exist"
            answer = {"Error": {"Code": "ValidationError", "Message": message}}
            raise ClientError(answer, "DescribeStackResource")  # type: ignore[arg-type]
        return {"StackResourceDetail": {"PhysicalResourceId": "gpuops"}}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """The stack's table, as the commands open it."""
    with mock_aws():
        stack = Stack()
        monkeypatch.setattr(cli.table, "client", stack.client)
        yield stack.memory


def run(*arguments: str) -> Result:
    """The command as a shell would start it."""
    return CliRunner().invoke(app, arguments)


def last_object(result: Result) -> Any:
    """What a program reads."""
    return json.loads(result.stdout.splitlines()[-1])


def suspended(memory: Memory) -> None:
    """Launch is suspended after one failure."""
    failed = memory.count_failure("launch", "gpu", NOW, "no GPU", of="i-1")
    memory.open_breaker(failed, NOW, "run-1", suspended=True)


def test_a_sound_group_has_nothing_to_show(memory: Memory) -> None:
    """Said in words, and as an empty list."""
    result = run("breaker", "show", "gpu", "--json")

    assert (result.exit_code, last_object(result)["breakers"]) == (0, [])
    assert "no failures since the last success" in result.stderr


def test_what_holds_a_group_up_is_told_with_its_reason(memory: Memory) -> None:
    """Both kinds, and what is suspended because of them."""
    suspended(memory)
    memory.count_failure("sharing", "gpu", NOW, "allocatable stays 1", of="run-2")

    result = run("breaker", "show", "gpu", "--json")

    assert [found["kind"] for found in last_object(result)["breakers"]] == ["launch", "sharing"]
    assert "launch: open, Launch is suspended by gpuops since 2026-11-23T10:00:00+00:00; 1 in a row" in result.stderr
    assert "sharing: closed; 1 in a row, the last: allocatable stays 1" in result.stderr


def test_closing_what_suspended_launch_leaves_the_resuming_to_reconcile(memory: Memory) -> None:
    """The command never touches a group: it has no right to, and reconcile acts but once."""
    suspended(memory)

    result = run("breaker", "close", "gpu", "--json")

    assert last_object(result)["closed"] == {"launch": "next tick", "sharing": "now"}
    assert "reconcile will resume Launch" in run("breaker", "show", "gpu").stderr
    wished = memory.breaker("launch", "gpu")
    assert wished is not None
    assert wished.closed


def test_one_kind_is_closed_alone(memory: Memory) -> None:
    """The other goes on holding the group up."""
    suspended(memory)
    memory.count_failure("sharing", "gpu", NOW, "no", of="run-2")

    assert run("breaker", "close", "gpu", "--kind", "sharing").exit_code == 0
    assert memory.breaker("sharing", "gpu") is None
    left = memory.breaker("launch", "gpu")
    assert left is not None
    assert not left.closed


@pytest.mark.parametrize("asked", [("breaker", "show"), ("breaker", "close"), ("gpu", "show"), ("gpu", "forget")])
def test_a_stack_that_is_not_there_is_exit_code_2(memory: Memory, asked: tuple[str, str]) -> None:
    """Not a traceback."""
    result = run(*asked, "gpu", "--stack", "other", "--json")

    assert result.exit_code == 2
    assert "does not exist" in last_object(result)["error"]


def test_a_faulty_gpu_is_shown_and_forgotten(memory: Memory) -> None:
    """After that, nodes with it are admitted again."""
    memory.remember_gpu(UUID, "Xid 79", "i-1", "n1", NOW)

    shown = run("gpu", "show", UUID, "--json")
    gone = run("gpu", "forget", UUID, "--json")
    unknown = run("gpu", "forget", UUID, "--json")

    assert last_object(shown)["faulty"]["fault"] == "Xid 79"
    assert f"{UUID} (Xid 79 on i-1, 2026-11-23)" in shown.stderr
    assert (last_object(gone)["status"], last_object(unknown)["status"]) == ("forgotten", "unknown")
    assert memory.faulty_gpus([UUID]) == []
    assert last_object(run("gpu", "show", UUID, "--json"))["faulty"] is None
