"""Kept premises and the sweep over them.

Covered: a second world on the same premises is what a cold one is, to the second; what can go wrong is listed from a
run, each thing once; some cases of a fixed seed hold; a failing case is kept as a scenario that can be loaded; a defect
that only shows where several things go wrong is found and shrunk, once in a fake world and once in a real one; a run
that breaks is a finding. Which cases stand for others, and the page: tests/unit/test_sweep_classes.py.
"""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from rehearsal.control_plane import find_or_build
from rehearsal.premises import Premises
from rehearsal.report import ExecutionResult, Result
from rehearsal.run import rehearse
from rehearsal.scenario import SCENARIOS, Moment, Scenario, load
from rehearsal.sweep.cases import Case, cases_of
from rehearsal.sweep.conduct import Asked, Conduct
from rehearsal.sweep.crew import Here, Worker
from rehearsal.sweep.stage import Stage
from rehearsal.sweep.story import Story
from rehearsal.sweep.trial import SEQUENCE, Trial, sequences, shrunk, trials
from rehearsal.sweep.verdict import Verdict, judge
from rehearsal.world import World

SWEEP = SCENARIOS / "sweep"
RUNS, TOGETHER = 2, 6


def call(caller: str, service: str, action: str, resource: str = "") -> dict[str, Any]:
    """A line of the wire's record, as far as it matters."""
    about = {"at": 0.0, "role": f"arn:aws:iam::123456789012:role/{caller}Role", "status": 200, "keys": []}
    return {"caller": caller, "service": service, "action": action, "resource": resource, **about}


CALLS = [
    call("eventbridge", "states", "StartExecution"),
    call("states", "lambda", "Invoke", "arn:aws:lambda:us-east-1:123456789012:function:Plan"),
    call("Plan", "s3", "GetObject"),
    call("Plan", "kube", "list nodes"),
    call("Plan", "s3", "GetObject"),
    call("outside", "s3", "PutObject"),
]


def execution(machine: str, *states: str, status: str = "SUCCEEDED", cause: str | None = None) -> ExecutionResult:
    """One execution that entered these states, one a second."""
    entered = tuple((float(at), state) for at, state in enumerate(states))
    return ExecutionResult(machine, f"{machine}-1", status, 0.0, 9.0, cause and "Unavailable", cause, entered)


def result(
    *executions: ExecutionResult, unmet: tuple[str, ...] = (), violations: tuple[dict[str, str], ...] = ()
) -> Result:
    """A rehearsal that ended like that."""
    observed = {"violations": list(violations), "quarantined": 0}
    return Result("rotate", "passed", executions, observed, unmet, 1.0, 1.0, "", {"failures": []})


def test_every_call_fails_in_every_way_but_what_is_no_function_neither_waits_nor_dies() -> None:
    """A call of EventBridge's has five faults, one of a function seven; nobody outside is disturbed."""
    cases = cases_of(CALLS, [])

    counted = Counter((case.fault, case.moment["fault"]["caller"]) for case in cases)
    assert counted["throttle", "eventbridge"] == 1
    assert counted["slow", "eventbridge"] == 0
    assert counted["slow", "Plan"] == 3
    assert all(case.moment["fault"]["caller"] != "outside" for case in cases)


def test_a_call_that_fails_fails_in_each_try_of_the_sdk_and_a_lost_answer_once_or_always() -> None:
    """Otherwise the SDK's next try hides it; the apiserver's client tries once, so there once is always."""
    struck = {
        (case.fault, case.moment["fault"]["service"]): case.moment["fault"].get("persists", False)
        for case in cases_of(CALLS, [])
        if case.moment["fault"]["caller"] == "Plan"
    }

    persisting = {fault for (fault, service), persists in struck.items() if service == "s3" and persists}
    assert persisting == {"throttle", "error_5xx", "reset_before", "unanswered"}
    assert ("unanswered", "kube") not in struck


def test_a_repeated_call_fails_by_its_number() -> None:
    """As `nth` of a fault counts: among the calls of the same caller, service and action."""
    throttled = [case.moment["fault"] for case in cases_of(CALLS, []) if case.fault == "throttle"]

    assert [(f["action"], f["nth"]) for f in throttled if f["caller"] == "Plan"] == [
        ("GetObject", 1),
        ("list nodes", 1),
        ("GetObject", 2),
    ]


def test_an_invocation_ends_at_the_call_in_its_middle_and_is_run_twice() -> None:
    """Of three calls the second; the Invoke itself is none of the function's calls."""
    cases = {case.fault: case.moment["fault"] for case in cases_of(CALLS, [])}

    assert (cases["killed"]["action"], cases["timed_out"]["action"]) == ("list nodes", "list nodes")
    assert (cases["twice"]["caller"], cases["twice"]["action"], cases["twice"]["nth"]) == ("Plan", "Invoke", 1)


def test_every_state_is_interrupted_and_a_child_is_not_started_again() -> None:
    """Nobody outside has a child's event."""
    cases = cases_of([], [execution("rotate_ami", "Plan", "Plan"), execution("replace_node", "Drain")])

    assert [case.moment["interrupt"] for case in cases if case.fault == "aborted"] == [
        {"machine": "replace_node", "state": "Drain", "nth": 1},
        {"machine": "rotate_ami", "state": "Plan", "nth": 1, "again": 60.0},
        {"machine": "rotate_ami", "state": "Plan", "nth": 2, "again": 60.0},
    ]


def test_every_execution_is_redriven_at_once_and_after_reconcile_has_cleaned_up() -> None:
    """A child, too: whoever sees it in the console may redrive it."""
    at_once, late = (case for case in cases_of([], [execution("replace_node", "Drain")]) if case.fault != "aborted")

    stopped = {"machine": "replace_node", "state": "Drain", "nth": 1}
    assert (at_once.fault, at_once.moment["interrupt"]) == ("redriven", {**stopped, "redriven": 60.0})
    assert (late.fault, late.moment["interrupt"]) == ("redriven_late", {**stopped, "redriven": 1860.0})
    assert late.later == 1860.0


def test_each_case_is_a_moment_that_a_scenario_takes() -> None:
    """Otherwise a failing one could not be written down."""
    for case in cases_of(CALLS, [execution("rotate_ami", "Plan")]):
        assert Moment.model_validate(case.moment)


def test_each_fault_has_its_turn_before_any_has_a_second_one() -> None:
    """So a short sweep is a wide one; the same seed chooses the same; a sequence comes after as many as faults."""
    cases = cases_of(CALLS, [execution("rotate_ami", "Plan", "Open")])
    faults = {case.fault for case in cases}

    tried = list(trials(cases, "1"))

    first = [trial.fault for trial in tried[: len(faults) + 1]]
    assert (set(first[:-1]), first[-1]) == (faults, SEQUENCE)
    assert tried == list(trials(cases, "1")) != list(trials(cases, "2"))
    alone = [trial.name for trial in trials(cases, "2") if trial.fault != SEQUENCE]
    assert sorted(alone) == sorted(case.name for case in cases)


def test_a_sequence_has_a_few_things_of_any_kind_and_its_seed_draws_it_again() -> None:
    """A kind of which there are a thousand cases is drawn no more often than one of which there are ten."""
    cases = [Case("throttle", {"at": 0, "fault": {"nth": n}}) for n in range(1, 1000)]
    cases.append(Case("aborted", {"at": 0, "interrupt": {"state": "Plan"}}))

    drawn = list(islice(sequences(cases, "1"), 100))

    assert {len(trial.cases) for trial in drawn} == {2, 3, 4}
    aborted = sum(case.fault == "aborted" for trial in drawn for case in trial.cases)
    assert aborted > sum(len(trial.cases) for trial in drawn) / 3
    assert drawn == list(islice(sequences(cases, "1"), 100)) != list(islice(sequences(cases, "2"), 100))


@pytest.mark.parametrize("needed", [{1}, {0, 3}, {0, 1, 2, 3}], ids=str)
def test_a_sequence_is_shrunk_to_what_it_needs(needed: set[int]) -> None:
    """Nothing of it can be left out any more."""
    cases = tuple(Case("throttle", {"at": 0, "fault": {"nth": n}}) for n in range(4))

    def breaks(trial: Trial) -> bool:
        return needed <= {case.moment["fault"]["nth"] for case in trial.cases}

    least = shrunk(Trial("sequence-1", SEQUENCE, cases), breaks)
    assert {case.moment["fault"]["nth"] for case in least.cases} == needed


def test_a_failure_without_a_cause_and_a_success_that_did_nothing_are_violations() -> None:
    """A failure whose cause is named is none."""
    good, short = result(execution("rotate_ami")), result(execution("rotate_ami"), unmet=("nodes replaced: 1",))
    named = result(execution("rotate_ami", status="FAILED", cause="EC2 does not answer"), unmet=("nodes replaced: 1",))
    silent = result(execution("rotate_ami", status="FAILED"))
    stopped = execution("rotate_ami", status="ABORTED")
    again = replace(execution("rotate_ami", "Find", "Ignored"), ignored=True)

    assert judge(good, "rotate_ami", (True,)) == Verdict("succeeded", ())
    assert judge(named, "rotate_ami", (True,)) == Verdict("failed", ())
    assert judge(short, "rotate_ami", (True,)).violations == (("short", "nodes replaced: 1"),)
    assert judge(silent, "rotate_ami", (True,)).violations[0][0] == "unexplained"
    assert judge(result(stopped, again, unmet=("none",)), "rotate_ami", (True,)) == Verdict("failed", ())


def test_a_story_falls_short_where_another_workflow_failed_and_said_why() -> None:
    """As it does where its own did; a child of its own is no excuse, nor a failure that names nothing."""
    done, unmet = execution("rebalance_slicing"), ("some node is shared",)
    failed = execution("apply_gpu_config", status="FAILED", cause="denied")
    child = execution("share_node", status="FAILED", cause="denied")

    assert judge(result(done, failed, unmet=unmet), "rebalance_slicing", (True,)) == Verdict("failed", ())
    assert judge(result(done, child, unmet=unmet), "rebalance_slicing", (True,)).violations == (("short", *unmet),)
    silent = judge(result(done, replace(failed, cause=None), unmet=unmet), "rebalance_slicing", (True,))
    assert silent.violations[0][0] == "unexplained"


def test_a_report_is_missed_unless_it_was_denied() -> None:
    """Nobody else's denial excuses it, and nothing else is excused."""
    missing = {"rule": "no_report", "what": "admit_node/1"}
    seen = result(execution("rotate_ami"), violations=(missing, {"rule": "taint", "what": "ip-1"}))

    assert judge(seen, "rotate_ami", (True,), {"WriteReport"}).violations == (("taint", "ip-1"),)
    assert len(judge(seen, "rotate_ami", (True,), {"PlanRotation"}).violations) == 2


def test_what_the_observer_saw_is_a_violation() -> None:
    """Under the observer's own name for it."""
    seen = result(execution("rotate_ami"), violations=({"rule": "cordon", "what": "ip-1"},))

    assert judge(seen, "rotate_ami", (True,)).violations == (("cordon", "ip-1"),)


def test_a_node_is_left_to_people_only_where_they_were_called() -> None:
    """Once for each at least."""
    failed = result(execution("remediate_gpu", status="FAILED", cause="EC2 does not answer"))
    left = replace(failed, observed={**failed.observed, "quarantined": 1})

    assert judge(left, "remediate_gpu", (True,)).violations[0][0] == "untold"
    assert judge(replace(left, escalations=1), "remediate_gpu", (True,)).violations == ()


class Breaks(Stage):
    """A stage on which nothing can be rehearsed but the first story."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)

    def rehearse(self, scenario: object, out: Path, view: object = None) -> Result:
        """Raises: ChildProcessError."""
        raise ChildProcessError("the apiserver died")


def test_a_run_that_breaks_is_a_finding_and_is_kept_as_a_scenario(tmp_path: Path) -> None:
    """The file can be loaded, and holds the moment."""
    story = Story("rotate", Breaks(), tmp_path)
    moment = {"at": 0, "fault": {"kind": "throttle", "service": "s3", "action": "GetObject", "nth": 1}}

    verdict, (found,) = story.run(Trial("throttle-1", "throttle", (Case("throttle", moment),)))

    assert (verdict.outcome, found.rule) == ("failed", "rehearsal")
    kept = load(found.scenario)
    assert kept.timeline == (Moment.model_validate(moment),)
    assert kept.groups == story.scenario.groups


class Planted(Stage):
    """A stage on which a story breaks where a call is throttled and an execution is aborted; one alone is harmless."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)

    def rehearse(self, scenario: Scenario, out: Path, view: object = None) -> Result:
        """As the defect has it."""
        throttled = any(moment.fault and moment.fault.kind == "throttle" for moment in scenario.timeline)
        aborted = any(moment.interrupt for moment in scenario.timeline)
        out.mkdir(parents=True, exist_ok=True)
        (out / "wire.jsonl").write_text("")
        (out / "journal.jsonl").write_text("")
        left = ({"rule": "lock", "what": "lock#gpu-inference"},) if throttled and aborted else ()
        return result(execution("rotate_ami"), violations=left)


def test_a_planted_defect_is_found_and_shrunk_to_a_minimal_scenario_file(tmp_path: Path) -> None:
    """The file has the two moments that it takes and no other, and says so in the violation."""
    story = Story("rotate", Planted(), tmp_path)
    cases = cases_of(CALLS, [execution("rotate_ami", "Plan", "Open")])

    tried = [story.run(trial) for trial in islice(sequences(cases, "1"), 100)]
    found = [violation for _, violations in tried for violation in violations]

    assert 0 < len(found) < len(tried)
    for violation in found:
        kinds = {"fault" if moment.fault else "interrupt" for moment in load(violation.scenario).timeline}
        assert (kinds, len(violation.moments)) == ({"fault", "interrupt"}, 2)
        assert (violation.fault, violation.rule) == (SEQUENCE, "lock")


@pytest.fixture(scope="module")
def premises() -> Iterator[Premises]:
    """Kept for the tests of this module."""
    with Premises(find_or_build()) as made:
        yield made


@pytest.mark.cluster
def test_a_world_on_kept_premises_is_what_a_cold_one_is(premises: Premises, tmp_path: Path) -> None:
    """The same states in the same second, under the same observer; the second one finds no trace of the first.

    Nor does memory: a sweep of some hundred runs would fill it.
    """
    scenario, worlds = load("rotate", SWEEP).model_copy(update={"aftermath_seconds": 60}), []

    def beside(world: World) -> None:
        worlds.append(ref(world))

    cold = rehearse(scenario, out=tmp_path / "cold", beside=beside)
    kept = [rehearse(scenario, out=tmp_path / f"kept{n}", premises=premises, beside=beside) for n in range(RUNS)]
    gc.collect()

    assert [world() for world in worlds[:-1]] == [None] * RUNS
    for again in kept:
        assert again.status == "passed", (again.unmet, again.observed)
        assert again.executions == cold.executions
        assert again.observed == cold.observed
    logs = [sorted(p.name for p in (tmp_path / name / "logs").iterdir()) for name in ("cold", "kept0", "kept1")]
    assert logs[0] == logs[1] == logs[2]


class Kept(Stage):
    """A stage on the premises of this module."""

    def __init__(self, premises: Premises) -> None:
        super().__init__(lambda _: None)
        self._premises = premises


@pytest.mark.cluster
def test_cases_of_a_fixed_seed_hold(premises: Premises, tmp_path: Path) -> None:
    """Several in each run; the whole is `make sweep`. What is run is said in the page."""
    page = tmp_path / "page.md"
    asked = Asked(("rotate",), "1", tmp_path, "gpuops sweep --limit 2", limit=RUNS, together=TOGETHER, page=page)

    def crew(_workers: int, out: Path) -> list[Worker]:
        return [Here(out, out, Kept(premises))]

    conduct = Conduct(asked, lambda _: None, crew)
    conduct.run()

    assert conduct.tally.violations == []
    assert sum(count.runs for count in conduct.tally.counts.values()) > RUNS
    assert f"`gpuops sweep --limit 2` on {time.strftime('%Y')}" in page.read_text()


@pytest.mark.cluster
def test_a_defect_of_a_real_world_is_shrunk_to_what_shows_it(premises: Premises, tmp_path: Path) -> None:
    """Nobody reconciles here, so a run that is stopped in its middle leaves everything; a throttled call none."""
    story = Story("rotate", Kept(premises), tmp_path)
    alone = {"parameters": {"ReconcileSchedule": "rate(1 day)"}, "aftermath_seconds": 60}
    story.scenario = story.scenario.model_copy(update=alone)
    throttled = {"kind": "throttle", "caller": "*PlanRotation*", "service": "s3", "action": "GetObject", "nth": 1}
    stopped = {"machine": "rotate_ami", "state": "RollCanary", "nth": 1}
    moments = ({"at": 0, "fault": throttled}, {"at": 0, "interrupt": stopped})

    verdict, found = story.run(Trial("sequence-1", SEQUENCE, tuple(Case("x", moment) for moment in moments)))

    assert "undo" in {rule for rule, _ in verdict.violations}
    (file,) = {violation.scenario for violation in found}
    (moment,) = load(file).timeline
    assert moment.interrupt
    assert moment.interrupt.state == "RollCanary"
