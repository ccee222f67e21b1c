"""What `bench roll` compares a roll with, what it counts, and that the large scenarios are its stories."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import roll
from bench.rolling.bill import GB_SECOND, MACHINES, MEMORY_GB, READ, REQUEST, TRANSITION, WRITE, bill_of
from bench.rolling.bound import ADMISSION_SECONDS, HANDOVER_SECONDS, LEAD_SECONDS, LEAVING_SECONDS, bound_seconds
from bench.rolling.story import story_of, surge_of
from cli.main import app
from rehearsal.region.autoscaling_loop import REACT_SECONDS
from rehearsal.report import ExecutionResult
from rehearsal.scenario import load
from tests.fakes.stack import template

ROOT = Path(__file__).parents[2]
ROUND = REACT_SECONDS + ADMISSION_SECONDS + HANDOVER_SECONDS
"""What one newcomer takes beside its boot."""


def test_one_slot_goes_round_once_for_each_node() -> None:
    """Nothing of it can overlap: the next launch begins with the termination before it."""
    assert bound_seconds([100, 200, 300], 1) == LEAD_SECONDS + 3 * ROUND + 600 + LEAVING_SECONDS


def test_slots_go_round_beside_each_other_and_a_slow_boot_holds_one_alone() -> None:
    """The third newcomer goes to whichever slot is free first."""
    assert bound_seconds([100, 300, 100], 2) == LEAD_SECONDS + max(2 * ROUND + 200, ROUND + 300) + LEAVING_SECONDS


def test_more_surge_never_takes_longer() -> None:
    """Up to all at once, where the slowest boot decides."""
    boots = [150 + 7 * (n % 8) for n in range(40)]
    bounds = [bound_seconds(boots, surge) for surge in (1, 2, 5, 10, 40)]

    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == LEAD_SECONDS + ROUND + max(boots) + LEAVING_SECONDS


def execution(machine: str, states: int) -> ExecutionResult:
    """One that entered so many states."""
    entered = tuple((float(n), f"State{n}") for n in range(states))
    return ExecutionResult(machine, "one", "SUCCEEDED", 0.0, 1.0, None, None, entered)


def test_a_bill_counts_what_the_rolls_own_machines_did(tmp_path: Path) -> None:
    """Neither reconcile's function nor a call of the machine; a transaction as its parts, a query by its size."""
    role = "arn:aws:iam::123456789012:role/gpuops-{}Role-1A2B"
    function = "arn:aws:lambda:us-east-1:123456789012:function:gpuops-{}Function-1"
    calls = [
        {"role": role.format("ReplaceNode"), "service": "lambda", "action": "Invoke", "of": "ClaimNode"},
        {"role": role.format("Reconcile"), "service": "lambda", "action": "Invoke", "of": "ListLeftovers"},
        {"caller": "ClaimNode", "service": "dynamodb", "action": "GetItem"},
        {"caller": "ClaimNode", "service": "dynamodb", "action": "Query"},
        {"caller": "ClaimNode", "service": "dynamodb", "action": "TransactWriteItems"},
        {"caller": "ClaimNode", "service": "kube", "action": "get nodes"},
        {"caller": "ListLeftovers", "service": "dynamodb", "action": "Query"},
    ]
    wire = tmp_path / "wire.jsonl"
    lines = [
        {
            "role": call.get("role"),
            "caller": function.format(call["caller"]).rpartition(":")[2] if "caller" in call else "states",
            "service": call["service"],
            "action": call["action"],
            "resource": function.format(call["of"]) if "of" in call else "*",
        }
        for call in calls
    ]
    wire.write_text("".join(json.dumps(line) + "\n" for line in lines))

    bill = bill_of([execution("replace_node", 7), execution("smoke_node", 5), execution("reconcile", 9)], wire, 23)

    assert (bill.transitions, bill.calls) == (12, 4)
    assert bill.dollars == pytest.approx(12 * TRANSITION + REQUEST + MEMORY_GB * GB_SECOND + 4 * READ + 6 * WRITE)


def test_the_bill_knows_the_template() -> None:
    """Its memory, and the machines by their roles' names."""
    whole = template()

    assert whole["Globals"]["Function"]["MemorySize"] == MEMORY_GB * 1024
    assert {name for name in MACHINES.values() if name not in whole["Resources"]} == set()


@pytest.mark.parametrize(("name", "nodes"), [("hundred", 100), ("five_hundred", 500)])
def test_the_large_scenarios_are_the_measured_stories(name: str, nodes: int) -> None:
    """Whoever rehearses one sees what the bench measured."""
    file, measured = load(str(ROOT / "scenarios" / "large" / f"{name}.yaml")), story_of(nodes)
    told = {"name", "description"}

    assert file.model_dump(exclude=told) == measured.model_dump(exclude=told)


def test_the_surge_is_a_tenth_between_one_and_forty() -> None:
    """Forty is the most that one Map runs at once."""
    assert [surge_of(nodes) for nodes in (1, 20, 100, 500)] == [1, 2, 10, 40]


@pytest.mark.parametrize(
    ("worse", "met"),
    [({}, True), ({"ratio": 1.11}, False), ({"transitions_per_node": 41}, False), ({"calls_per_node": 111}, False)],
)
def test_goals_hold_for_each_size_and_calls_do_not_grow(worse: dict[str, float], *, met: bool) -> None:
    """A tenth more calls for each node of the larger group is growth."""
    small = {"nodes": 20, "ratio": 1.1, "transitions_per_node": 40, "dollars_per_node": 0.005, "calls_per_node": 100}

    assert roll._met([small, {**small, "nodes": 500, "calls_per_node": 110, **worse}]) is met


def test_a_bench_takes_its_own_options_and_no_others() -> None:
    """They are the parameters of its function; an unknown one ends the command before anything is measured."""
    refused = CliRunner().invoke(app, ["bench", "roll", "--waves", "3"])
    unknown = CliRunner().invoke(app, ["bench", "nothing", "--json"])

    assert (refused.exit_code, "--waves" in refused.output) == (2, True)
    assert (
        unknown.exit_code,
        "there are: coldstart, load, plan, rebalance" in " ".join(unknown.output.split()),
    ) == (2, True)
