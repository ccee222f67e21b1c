"""The simulated region, started empty for each test that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehearsal import engine
from rehearsal.clock import Clock
from rehearsal.deploy import BuiltCode, deploy
from rehearsal.lambdas import Lambdas
from rehearsal.region.server import Region
from tests.contract.engine_world import await_rest

EPOCH = 1_900_000_000.0
TINY = Path(__file__).parents[1] / "fixtures" / "tiny" / "template.yaml"


@dataclass(frozen=True)
class Keys:
    """A pair as the wire would issue it, telling whose it is."""

    access_key: str
    secret_key: str = "x" * 40


class OpenWire:
    """Lets everything through to the region, and remembers who asked for keys."""

    def __init__(self) -> None:
        self.region: Region | None = None
        self.issued: list[tuple[str, str]] = []

    @property
    def aws_url(self) -> str:
        """Straight to the region."""
        assert self.region is not None
        return self.region.url

    def credentials(self, role_arn: str, caller: str) -> Keys:
        """The same keys for everybody."""
        self.issued.append((role_arn, caller))
        return Keys("AKIAREHEARSAL")


class World:
    """A region with its clock and functions, and shortcuts for tests."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(EPOCH)
        self.wire = OpenWire()
        self.lambdas = Lambdas(self.clock, lambda: self.wire, folder / "logs")
        self.region = self.wire.region = Region(self.clock, self.lambdas)
        self.client: Callable[[str], Any] = self.region.account.client

    def deploy(self, template: Path = TINY, **parameters: str) -> dict[str, str]:
        """Create or update the tiny stack."""
        return deploy(template, BuiltCode(), self.region.account, parameters, stack="tiny")

    def executions(self, machine: str) -> list[dict[str, Any]]:
        """Every execution of a machine, first started first, with its input and output."""
        states = self.client("stepfunctions")
        listed = states.list_executions(stateMachineArn=machine)["executions"]
        described = [states.describe_execution(executionArn=found["executionArn"]) for found in listed]
        return sorted(described, key=lambda found: (found["startDate"], found["name"]))

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """What lies in a queue of the stack."""
        call = {"QueueUrl": self.physical(queue), "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        return list(self.client("sqs").receive_message(**call).get("Messages", []))

    def physical(self, logical: str) -> str:
        """What a resource of the stack became."""
        found = self.client("cloudformation").describe_stack_resource(StackName="tiny", LogicalResourceId=logical)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty account at the epoch; time passes only while the test sleeps on the clock."""
    made = World(tmp_path)
    engine.install(made.clock, made.lambdas.invoke, listener=made.region.listen)
    made.region.start()
    made.clock.start()
    with made.clock.lease("test"):
        yield made
    made.clock.stop()
    await_rest(made.clock)
    made.region.stop()
    made.lambdas.close()
