"""Whole rehearsals of small scenarios, on the real control plane with our real handlers.

Covered: every scenario but the default one holds under the observer; what each of them is there to show beyond that;
the same scenario twice, once beside a busy neighbour. The default scenario is what `make rehearse` runs.

A test's first parameter is the scenario that it looks at (`of`): where tests are dealt out to processes, those of one
scenario stay together, and it is rehearsed once.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from rehearsal.scenario import load, names
from rehearsal.sweep.stage import Stage
from tests.rehearsal.rehearsed import Rehearsed, run, run_on

LONG = {"launch_storm": 1200}
"""Seconds that a large scenario may take on a busy machine; the others have the usual limit."""
LIMITS = {name: [pytest.mark.timeout(seconds)] for name, seconds in LONG.items()}
SCENARIOS = [pytest.param(name, marks=LIMITS.get(name, [])) for name in names() if name != "roll"]
READS = ("Describe", "Get", "Query", "get ", "list ")
SECRET = re.compile(
    r"k8s-aws-v1\.|X-Amz-(?:Signature|Credential|Security-Token)|\bASIA[0-9A-Z]{16}\b|Bearer |[Aa]uthorization:"
    r"|[Tt]ask_?[Tt]oken\W{1,4}\w|\btoken\W{1,4}[\w-]{16}|a-pods-own-secret"
)
"""A cluster's token, a presigned URL, an access key, a header, a task's token, a variable of a pod of `checkpoint`."""
SHOWN: dict[str, set[tuple[str, str]]] = {}
"""By scenario, the rights of roles that docs/grants.yaml says it shows."""
for role, grants in yaml.safe_load((Path(__file__).parents[2] / "docs" / "grants.yaml").read_text()).items():
    for grant, shown_by in grants.items():
        if " " not in shown_by:
            SHOWN.setdefault(shown_by, set()).add((role, grant))
OWN = ("dynamodb", "s3")
"""Journal and report."""

Play = Callable[[str], Rehearsed]
pytestmark = pytest.mark.cluster


def of(*names: str) -> pytest.MarkDecorator:
    """The scenarios that a test looks at."""
    return pytest.mark.parametrize("name", names)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Runs a scenario when it is asked for the first time, where the one before left off (ADR 0031)."""
    played: dict[str, Rehearsed] = {}
    stage = Stage(lambda _: None)

    def once(name: str) -> Rehearsed:
        if name not in played:
            played[name] = run_on(stage, load(name), tmp_path_factory.mktemp("rehearsed") / name)
        return played[name]

    yield once
    stage.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_holds_under_the_observer(play: Play, name: str) -> None:
    """No rule broken, and everything happened that the scenario expects."""
    result = play(name).result

    assert (result.observed["violations"], result.unmet, result.status) == ([], (), "passed")


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_log_has_a_secret_in_it(play: Play, name: str) -> None:
    """Neither tokens of clusters and tasks nor signatures, keys or what stands in a pod's environment."""
    written = [path for path in play(name).out.rglob("*") if path.is_file()]
    found = {(path.name, match[0]) for path in written for match in SECRET.finditer(path.read_text(errors="replace"))}

    assert [path for path in written if path.suffix == ".log"]
    assert found == set()


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_scenario_shows_the_rights_that_it_is_named_for(play: Play, name: str) -> None:
    """Each right in the template is needed by somebody; docs/grants.yaml says where to see it."""
    used = json.loads((play(name).out / "grants.json").read_text())

    assert SHOWN[name] - {(role, grant) for role, grants in used.items() for grant in grants} == set()


@of("aborted")
def test_an_aborted_roll_is_back_within_fifteen_minutes_of_its_death(play: Play, name: str) -> None:
    """An owner is dead 900 seconds after its end, since a function may run so long; reconcile looks every 900."""
    aborted = play(name)
    (end,) = [e.ended for e in aborted.result.executions if e.status == "ABORTED" and e.machine == "rotate_ami"]
    closed = [line for line in aborted.journal("gpuops-rotate-ami-1") if line["function"] == "close_change"]

    assert [line["status"] for line in closed] == ["closed"]
    assert "draining" in _statuses(aborted, "drain_node")
    assert end is not None
    assert _seconds(aborted, closed[0]["at"]) - end <= 900 + 900


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("smoke_fails", "no passed CUDA sample"),
        ("never_registers", "has registered no node"),
        ("plugin_crashes", "offers 0 of 1 GPUs"),
    ],
)
def test_a_broken_release_costs_no_old_node(play: Play, name: str, why: str) -> None:
    """The newcomer is abandoned, nothing is drained for it, and the end of the run says what was wrong with it."""
    broken = play(name)
    calls = [(line["action"], line["status"]) for line in broken.lines("wire.jsonl")]

    assert ("CompleteLifecycleAction", 200) in calls
    assert not [state for e in broken.result.executions for _, state in e.states if state in {"DrainNode", "Replaced"}]
    assert not [action for action, _ in calls if "eviction" in action]
    (rotation,) = [e for e in broken.result.executions if e.machine == "rotate_ami"]
    assert why in str(rotation.cause)
    assert all("draining" not in life for life in broken.lives().values())


@of("budget")
def test_a_budget_is_asked_again_until_it_lets_go(play: Play, name: str) -> None:
    """Each pass is refused until the Deployment has a second replica."""
    passes = [line for line in play(name).journal("gpuops-rotate-ami-1") if line["function"] == "drain_node"]

    assert [line["status"] for line in passes[:3]] == ["draining"] * 3
    assert "disruption budget" in passes[0]["reason"]
    assert passes[-1]["status"] == "drained"


@of("duplicate")
def test_a_roll_to_what_runs_already_says_so(play: Play, name: str) -> None:
    """It succeeds, because its goal holds, and touches nothing; those before it named the run that had the group."""
    duplicate = play(name)
    (line,) = [line for line in duplicate.journal("gpuops-rotate-ami-4") if line["function"] == "plan_rotation"]
    twins = [e for e in duplicate.result.executions if e.error == "Conflict"]

    assert (line["status"], "run 1.36.3-20261120" in line["reason"]) == ("current", True)
    assert len(twins) == 2
    for twin in twins:
        assert any(words in str(twin.cause) for words in ("held by", "has the group"))
        assert str(twin.cause).count("gpuops-rotate-ami-") == 1
        assert twin.name not in str(twin.cause)


@of("faults")
def test_every_fault_struck_and_nothing_happened_twice(play: Play, name: str) -> None:
    """A lost answer is not a lost call: the second attempt has to find what the first one did."""
    faults = play(name)
    struck = {(line["fault"], line["action"]) for line in faults.lines("wire.jsonl") if line["fault"]}
    planned = {(moment.fault.kind, moment.fault.action) for moment in load("faults").timeline if moment.fault}
    lines = faults.journal("gpuops-rotate-ami-1")
    opened = [line["reason"] for line in lines if line["function"] == "open_change" and line.get("status") == "open"]

    assert {kind for kind, _ in planned} == {kind for kind, _ in struck}
    assert len(struck) == len(planned)
    assert ["version 2" in reason for reason in opened] == [True]
    assert len(faults.lives()) == 2, "one old node and one new one"


@of("bad_input")
def test_bad_input_has_one_clear_reason_everywhere_and_touches_nothing(play: Play, name: str) -> None:
    """In the execution's cause and in the journal, to the letter."""
    bad = play(name)
    rotations = [e for e in bad.result.executions if e.machine == "rotate_ami"]
    calls = [line for line in bad.lines("wire.jsonl") if line["caller"].startswith("gpuops-")]
    acts = [line for line in calls if not line["action"].startswith(READS) and "dryRun" not in line["resource"]]

    for rotation in rotations:
        journalled = {line["reason"] for line in bad.journal(rotation.name) if line.get("error")}
        assert journalled == {rotation.cause}, rotation.name
        assert "\n" not in str(rotation.cause)
        assert len(str(rotation.cause)) < 250
    assert {line["service"] for line in acts} <= set(OWN), acts
    assert {e.error for e in rotations} == {"Invalid", "Unavailable"}


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Somebody else's process that wants a whole core, as long as we live."""
    code = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
    burner = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()


@of("budget")
def test_the_same_scenario_goes_the_same_way_on_a_busy_machine(
    play: Play, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same states at the same simulated times, and the same order of events for each node."""
    quiet = play(name)

    with busy_neighbour():
        busy = run(load(name), tmp_path_factory.mktemp("busy") / name)

    assert busy.states() == quiet.states()
    assert busy.lives() == quiet.lives()
    assert busy.result.simulated_seconds == quiet.result.simulated_seconds
    assert busy.result.observed == quiet.result.observed


def _statuses(rehearsed: Rehearsed, function: str) -> set[str]:
    return {line["status"] for line in rehearsed.lines("journal.jsonl") if line["function"] == function}


def _seconds(rehearsed: Rehearsed, at: str) -> float:
    """Seconds since the story's start of a time in the journal."""
    return datetime.fromisoformat(at).timestamp() - load(rehearsed.result.scenario).epoch
