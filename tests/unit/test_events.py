"""events/ holds one valid payload for each function and machine: somebody will send it, by hand, at night.

A function's payload must fit its request model; a machine's must fit the first function behind it, in the payload
that the machine makes of its input.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gpuops.domain.admission.event import Launch, read_event
from tests.machines.machine_world import models

ROOT = Path(__file__).parents[2]
EVENTS = sorted(path.stem for path in (ROOT / "events").glob("*.json"))
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
MACHINES = sorted(path.name.split(".")[0] for path in (ROOT / "statemachines").glob("*.asl.json"))
EXECUTION = {"id": "arn:aws:states:us-east-1:123456789012:execution:m:by-hand-1", "name": "by-hand-1", "machine": "m"}
NOW = "2026-11-02T08:00:00Z"


def event(name: str) -> Any:
    """One payload as the file has it."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def first_call(machine: str, data: Any) -> tuple[str, Any]:
    """The first function of a machine, and what it gets for this input."""
    states = json.loads((ROOT / "statemachines" / f"{machine}.asl.json").read_text())
    name = states["StartAt"]
    if states["States"][name]["Type"] == "Pass":
        data, name = {"event": data, "execution": EXECUTION}, states["States"][name]["Next"]
    arguments = states["States"][name]["Arguments"]
    if "'event': $states.context.Execution.Input" in arguments["Payload"]:
        data = {"event": data, "execution": EXECUTION}
    return arguments["FunctionName"].removeprefix("${").removesuffix("Function}"), {**data, "now": NOW}


def test_every_function_and_machine_has_a_payload_and_no_other_is_kept() -> None:
    """A payload for something that is gone would only mislead."""
    assert sorted(FUNCTIONS + MACHINES) == EVENTS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_payload_fits_its_request(function: str) -> None:
    """`sam remote invoke` sends it as it is."""
    request, _ = models("".join(word.title() for word in function.split("_")))
    payload = event(function)

    assert request.model_validate(payload)
    assert payload["now"] == NOW


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machines_payload_fits_the_first_function_behind_it(machine: str) -> None:
    """What the function refuses, the machine can only fail on."""
    function, payload = first_call(machine, event(machine))

    assert models(function)[0].model_validate(payload)


@pytest.mark.parametrize("payload", [event("admit_node"), event("find_node")["event"]], ids=["machine", "function"])
def test_the_launch_events_are_ones_that_we_act_on(payload: Any) -> None:
    """find_node takes any event and ignores what is not ours: fitting its request says little."""
    assert isinstance(read_event(payload), Launch)


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if "run" in event(name)])
def test_a_payload_without_its_run_is_refused(function: str) -> None:
    """The models do say no; where the run may be missing, a run that makes no sense is still refused."""
    request, _ = models("".join(word.title() for word in function.split("_")))
    payload = {**event(function), "run": {"id": 1}}

    with pytest.raises(ValidationError, match="run"):
        request.model_validate(payload)
