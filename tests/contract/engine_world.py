"""A tiny world for the interpreter's contract tests: a clock, moto in this process, callables as functions."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from moto import mock_aws

from rehearsal import engine
from rehearsal.clock import Clock
from rehearsal.engine import Progress

EPOCH = 1_795_428_000.0  # 2026-11-23T10:00:00Z
ROLE = "arn:aws:iam::123456789012:role/machine"
LAMBDA = "arn:aws:states:::lambda:invoke"
CHILD = "arn:aws:states:::states:startExecution.sync:2"
Function = Callable[[Any], Any]


@dataclass
class Result:
    """How an execution ended."""

    status: str
    seconds: float
    output: Any = None
    error: str | None = None
    cause: str | None = None
    path: list[str] = field(default_factory=list)


@cache
def client(service: str) -> Any:
    """A client of moto in this process; made once, because making one takes longer than most tests."""
    session = boto3.Session(aws_access_key_id="machine", aws_secret_access_key="x", region_name="us-east-1")  # noqa: S106
    return session.client(service)  # type: ignore[call-overload]


class World:
    """Runs definitions; everything it tells happened in simulated time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.functions: dict[str, Function] = {}
        self.story: list[Progress] = []
        self.upon: dict[str, Callable[[], object]] = {}
        """What somebody does in the instant in which a state of this name is entered."""
        self.refused: set[tuple[str, str]] = set()
        self._ended: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.sfn = client("stepfunctions")

    def machine(self, name: str, definition: dict[str, Any]) -> str:
        """Creates a state machine; returns its ARN."""
        text = json.dumps({"QueryLanguage": "JSONata", **definition})
        arn: str = self.sfn.create_state_machine(name=name, definition=text, roleArn=ROLE)["stateMachineArn"]
        return arn

    def start(self, arn: str, data: Any = None, **options: str) -> str:
        """Starts an execution, under a lease as the region's server does it; returns its ARN."""
        with self.clock.lease("start"):
            text = json.dumps({} if data is None else data)
            started = self.sfn.start_execution(stateMachineArn=arn, input=text, **options)
        execution: str = started["executionArn"]
        return execution

    def result(self, arn: str) -> Result:
        """Waits for the end of an execution."""
        assert self._ended[arn].wait(15), (self.clock.stats(), [(p.name, p.state) for p in self.story])
        mine = [progress for progress in self.story if progress.arn == arn]
        first, last = mine[0], next(p for p in mine if p.status != "RUNNING")
        output = None if last.output is None else json.loads(last.output)
        path = [progress.state for progress in mine if progress.state]
        return Result(last.status, round(last.at - first.at, 3), output, last.error, last.cause, path)

    def run(self, states: dict[str, Any], data: Any = None, **options: Any) -> Result:
        """Runs a machine of these states, the first of them first."""
        name = f"m{len(self.story)}"
        return self.result(self.start(self.machine(name, chain(states, **options)), data))

    def authorise(self, role: str, function: str) -> bool:
        """The machine's role may call what no test forbids it."""
        return (role, function) not in self.refused

    def tell(self, progress: Progress) -> None:
        """The engine's listener."""
        self.story.append(progress)
        self.upon.get(progress.state or "", lambda: None)()
        if progress.status != "RUNNING":
            self._ended[progress.arn].set()

    def invoke(self, name: str, payload: bytes) -> tuple[bytes, str | None]:
        """Runs a function, and answers as Lambda does."""
        try:
            return json.dumps(self.functions[name](json.loads(payload))).encode(), None
        except KeyError:
            raise
        except Exception as error:  # noqa: BLE001 - a function's failure is an answer
            body = {"errorMessage": str(error), "errorType": type(error).__name__}
            return json.dumps(body).encode(), "Unhandled"


@contextmanager
def world(*, seed: str = "1", clients: Mapping[str, Any] | None = None) -> Iterator[World]:
    """A fresh clock and region; `clients` stand in for services that moto does not know well enough."""
    own = clients or {}
    clock = Clock(EPOCH, seed=seed, settle_seconds=0.0)
    with mock_aws():
        made = World(clock)
        engine.install(
            clock,
            made.invoke,
            client_for=lambda service, _: own.get(service) or client(service),
            authorise=made.authorise,
            listener=made.tell,
        )
        clock.start()
        try:
            yield made
        finally:
            clock.stop()
            await_rest(clock)


def await_rest(clock: Clock) -> None:
    """An execution that was in the middle of something goes on until it next waits: not in the next test's world."""
    deadline = time.monotonic() + 15
    while holders := clock.stats()["holders"]:
        assert time.monotonic() < deadline, holders
        time.sleep(0.001)


def chain(states: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A machine that runs the states one after the other, where they say nothing else."""
    names = list(states)
    ends = ("Next", "End", "Default")
    linked = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        state = states[name]
        terminal = state["Type"] in ("Fail", "Succeed") or any(key in state for key in ends)
        link = {} if terminal else {"Next": following} if following else {"End": True}
        linked[name] = {**state, **link}
    return {"StartAt": names[0], "States": linked, **options}


def call(function: str, payload: Any = "{% $states.input %}", **more: Any) -> dict[str, Any]:
    """A Lambda task that answers with the payload."""
    arguments = {"FunctionName": function, "Payload": payload}
    output = "{% $states.result.Payload %}"
    return {"Type": "Task", "Resource": LAMBDA, "Arguments": arguments, "Output": output, **more}


def wait(seconds: Any) -> dict[str, Any]:
    """A Wait state."""
    return {"Type": "Wait", "Seconds": seconds}


def give(output: Any, **more: Any) -> dict[str, Any]:
    """A Pass state."""
    return {"Type": "Pass", "Output": output, **more}


def catch(*errors: str, to: str) -> dict[str, Any]:
    """A Catch that gives the error's name and cause to the next state."""
    output = "{% {'error': $states.errorOutput.Error, 'cause': $states.errorOutput.Cause} %}"
    return {"Catch": [{"ErrorEquals": list(errors), "Output": output, "Next": to}]}
