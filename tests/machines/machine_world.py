"""Runs a definition as it deploys, with Python callables as its functions, and tells the way it took.

A callable gets a payload and answers with what differs from the happy answer below. Payloads and answers pass through
the functions' own models, so that a definition and a function that stop understanding each other fail here.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rehearsal.engine import Progress
from tests.contract.engine_world import EPOCH, World, call, catch, world
from tests.fakes.apps import load_app
from tests.machines.happy import HAPPY

STATEMACHINES = Path(__file__).parents[2] / "statemachines"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:"
PLAIN_CAUSE = "{% $parse($states.input.cause).errorMessage %}"

Answer = Callable[[Any], Any]
Given = Mapping[str, Answer | None]


@dataclass(frozen=True)
class Call:
    """One invocation of a function, by when and with what."""

    function: str
    at: float
    payload: Any


def answers(*given: str | dict[str, Any]) -> Answer:
    """Answer one after the other, the last one for ever; a text is a status with a reason to recognise."""
    left = list(given)

    def answer(_: Any) -> Any:
        one = left.pop(0) if len(left) > 1 else left[0]
        return {"status": one, "reason": f"because {one}"} if isinstance(one, str) else one

    return answer


@dataclass(frozen=True)
class Slow:
    """A callable whose answer takes simulated time."""

    seconds: float
    answer: Answer | None = None

    def __call__(self, payload: Any) -> Any:
        """Answer as the inner one does, or happily."""
        return self.answer(payload) if self.answer else {}


@dataclass(frozen=True)
class Child:
    """One execution of a child machine; the end is None while it still runs."""

    name: str
    started: float
    ended: float | None = None


@dataclass
class Result:
    """How an execution ended, and by which way."""

    status: str
    path: list[str]
    output: Any
    error: str | None
    cause: str | None
    seconds: float
    calls: list[Call] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)

    def called(self, function: str) -> list[Any]:
        """The payloads that a function got."""
        return [one.payload for one in self.calls if one.function == function]


def fails(error: Exception, times: int = 1_000) -> Answer:
    """Raise so many times, then give the happy answer."""
    left = [error] * times

    def answer(_: Any) -> Any:
        if left:
            raise left.pop()
        return {}

    return answer


def run(machine: str, data: Any, lambdas: Given | None = None, clients: Mapping[str, Any] | None = None) -> Result:
    """Run statemachines/<machine>.asl.json; functions that are not given answer happily.

    A child machine really runs, unless `lambdas` holds its name: then the callable's answer is its output, what it
    raises is its failure, and None means that there is no such machine. `clients` answer the machine's own calls.
    """
    with world(clients=clients) as here:
        stage = _Stage(here, dict(lambdas or {}))
        started = here.start(stage.machine(machine), data)
        result = here.result(started)
        children = _children(here.story, started)
    assert not stage.faults, stage.faults
    return Result(**vars(result), calls=stage.calls, children=children)


class _Stage:
    """The functions and machines that a run may reach."""

    def __init__(self, here: World, given: dict[str, Answer | None]) -> None:
        self.here, self.given = here, given
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.functions: dict[str, str] = {}
        for function in HAPPY:
            here.functions[function] = self._function(function)

    def machine(self, name: str) -> str:
        """Create a machine, and the children that its definition names; return its ARN."""
        text = (STATEMACHINES / f"{name}.asl.json").read_text()
        text = re.sub(r"\$\{(\w+)Function\}", rf"{FUNCTION_ARN}\1", text)
        text = re.sub(r"\$\{(\w+)Machine\}", lambda match: self._child(match[1]), text)
        return self.here.machine(name, json.loads(text))

    def _child(self, name: str) -> str:
        key = f"{name}Machine"
        stem = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        if key not in self.given:
            return self.machine(stem)
        answer = self.given[key]
        if answer is None:
            return f"{MACHINE_ARN}{stem}"
        self.here.functions[key] = self._recorded(key, answer)
        states = {
            "Answer": call(key, End=True, **catch("States.ALL", to="Failed")),
            "Failed": {"Type": "Fail", "Error": "{% $states.input.error %}", "Cause": PLAIN_CAUSE},
        }
        return self.here.machine(stem, {"StartAt": "Answer", "States": states})

    def _function(self, name: str) -> Answer:
        answer = self.given.get(name) or answers({})

        def invoke(payload: Any) -> Any:
            request, reply = models(name)
            self._check(name, request, payload)
            if not str(payload.get("now")).endswith("Z"):
                self.faults.append(f"{name}: not told the time")
            partial = answer(payload)
            whole = self._check(name, reply, {"reason": "ok", **HAPPY[name], **partial})
            return whole.model_dump(mode="json") if whole else {}

        return self._recorded(name, invoke)

    def _recorded(self, name: str, answer: Answer) -> Answer:
        given = self.given.get(name)

        def invoke(payload: Any) -> Any:
            self.calls.append(Call(name, self.here.clock.now() - EPOCH, payload))
            if isinstance(given, Slow):
                self.here.clock.sleep(given.seconds, name)
            return answer(payload)

        return invoke

    def _check(self, name: str, model: type[BaseModel], value: Any) -> BaseModel | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.faults.append(f"{name}: {error}")
            return None


@cache
def models(function: str) -> tuple[type[BaseModel], type[BaseModel]]:
    """What a function's handler takes and answers, by its own annotations."""
    folder = re.sub(r"(?<!^)(?=[A-Z])", "_", function).lower()
    signature = inspect.signature(load_app(folder).handler)
    return signature.parameters["request"].annotation, signature.return_annotation


def _children(story: list[Progress], parent: str) -> list[Child]:
    """Every other execution that began before the parent's end, in order of its start.

    What goes on after that end runs on beside the test: how far it came when the test looks is chance.
    """
    found: dict[str, Child] = {}
    for told in story:
        if told.arn == parent and told.status != "RUNNING":
            break
        if told.arn != parent:
            child = found.setdefault(told.arn, Child(told.name, told.at - EPOCH))
            if told.status != "RUNNING":
                found[told.arn] = Child(child.name, child.started, told.at - EPOCH)
    return list(found.values())
