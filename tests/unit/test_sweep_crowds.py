"""Several cases in one run, each in another function, so that a whole sweep takes hours and not a night.

Covered: each case has its turn once, and no two of a run touch one function; what met nothing is tried alone, and
counted once; of what broke only what it takes is blamed; the page's part; nothing is drawn twice by two workers.
"""

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehearsal.report import ExecutionResult, Result
from rehearsal.scenario import Scenario, load
from rehearsal.sweep.cases import Case
from rehearsal.sweep.crew import Outcome
from rehearsal.sweep.page import TOGETHER, Told, page
from rehearsal.sweep.stage import Stage
from rehearsal.sweep.story import Story
from rehearsal.sweep.sweep import sweep
from rehearsal.sweep.tally import Tally, Violation
from rehearsal.sweep.trial import CROWD, Trial, crowds
from rehearsal.sweep.verdict import Verdict

SEED = "1"


def throttled(caller: str, nth: int) -> Case:
    """One call of a function."""
    call = {"caller": caller, "service": "s3", "action": "GetObject"}
    return Case("throttle", {"at": 0, "fault": {"kind": "throttle", **call, "nth": nth}})


def stopped(state: str) -> Case:
    """One state of an execution."""
    return Case("aborted", {"at": 0, "interrupt": {"machine": "rotate_ami", "state": state, "nth": 1}})


CASES = [
    *(throttled(f"F{number}", nth) for number in range(5) for nth in range(1, number + 2)),
    stopped("A"),
    stopped("B"),
]


def test_each_case_has_its_turn_in_as_few_runs_as_may_be() -> None:
    """Fifteen calls and two states, at most four a run and five of one function: five runs."""
    drawn = list(crowds(CASES, SEED, 4))

    assert Counter(case.name for trial in drawn for case in trial.cases) == Counter(case.name for case in CASES)
    assert [len(trial.cases) for trial in drawn] == [4, 4, 4, 4, 1]
    assert len({trial.name for trial in drawn}) == len(drawn)


def test_no_two_of_a_run_strike_one_function_nor_two_executions() -> None:
    """Otherwise one would hide the other; the same seed draws the same."""
    drawn = list(crowds(CASES, SEED, 6))

    assert all(len({case.whom for case in trial.cases}) == len(trial.cases) for trial in drawn)
    assert drawn == list(crowds(CASES, SEED, 6)) != list(crowds(CASES, "2", 6))


class Hand:
    """A worker under whose hands nothing of F4 is met in company, and what F3 does breaks the story."""

    def __init__(self) -> None:
        self.ran: list[Trial] = []

    def cases(self, workflow: str) -> list[Case]:
        """These."""
        del workflow
        return CASES

    def run(self, workflow: str, trial: Trial) -> Outcome:
        """As above."""
        self.ran.append(trial)
        met = tuple(case.whom != "F4" or len(trial.cases) == 1 for case in trial.cases)
        guilty = tuple(case.moment for case in trial.cases if case.whom == "F3")
        found = [Violation(workflow, trial.fault, guilty, "lock", "lock#x", "x.yaml")] if guilty else []
        return Verdict("failed" if found else "succeeded", (), met), found

    def close(self) -> None:
        """Nothing is open."""


def swept(*hands: Hand) -> Tally:
    """By these."""
    tally = Tally()
    sweep(hands, tally, ["rotate"], lambda _: None, plan=lambda told: {"rotate": crowds(told["rotate"], SEED, 4)})
    return tally


def test_what_met_nothing_in_company_is_tried_alone_and_counted_once() -> None:
    """At the end; of the five calls of F4 one had no company in the first place."""
    tally = swept(hand := Hand())

    lone = [trial for trial in hand.ran if trial.fault != CROWD]
    assert {trial.cases[0].whom for trial in lone} == {"F4"}
    assert (len(lone), tally.runs) == (4, len(hand.ran))
    assert hand.ran[-4:] == lone
    assert (tally.counts["throttle", "rotate"].runs, tally.counts["throttle", "rotate"].missed) == (15, 0)
    assert tally.counts["aborted", "rotate"].runs == 2


def test_only_what_it_takes_is_blamed() -> None:
    """Others of the run are counted as failed with it, not as what broke it."""
    tally = swept(Hand())

    assert tally.counts["throttle", "rotate"].violations == 4  # F3 has four calls
    assert tally.counts["aborted", "rotate"].violations == 0


def test_two_workers_try_everything_once() -> None:
    """Also what met nothing."""
    hands = Hand(), Hand()
    tally = swept(*hands)

    assert tally.counts["throttle", "rotate"].runs == 15
    assert tally.runs == sum(len(hand.ran) for hand in hands)


def test_the_page_has_a_part_for_them() -> None:
    """With the extent, beside the parts of other sweeps."""
    text = page(swept(Hand()), Told("gpuops sweep --together 4", "2026-11-28", 1, 2, 700), TOGETHER)

    assert "## Each thing once, in company\nWritten by `gpuops sweep --together 4`" in text
    assert "| throttle | rotate | 15 | " in text


def test_what_goes_through_a_workers_pipe_is_the_same_behind_it() -> None:
    """Cases, trials and what became of them."""
    trial = next(crowds(CASES, SEED, 4))
    outcome = Verdict("failed", (("lock", "lock#x"),), (True, False)), Hand().run("rotate", trial)[1]

    for sent in (CASES, trial, outcome):
        assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 - our own


class Staged(Stage):
    """A stage on which only F1 is ever called, and that is too much for the story."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)

    def rehearse(self, scenario: Scenario, out: Path, view: object = None) -> Result:
        """As the wire would record it."""
        del view
        struck = [moment.fault for moment in scenario.timeline if moment.fault and moment.fault.caller == "F1"]
        out.mkdir(parents=True, exist_ok=True)
        (out / "wire.jsonl").write_text("".join(json.dumps(_line(fault)) + "\n" for fault in struck))
        (out / "journal.jsonl").write_text("")
        return _result([{"rule": "lock", "what": "lock#x"}] if struck else [])


def _line(fault: Any) -> dict[str, Any]:
    return {"caller": fault.caller, "service": fault.service, "action": fault.action, "fault": fault.kind}


def _result(violations: Sequence[dict[str, str]]) -> Result:
    run = ExecutionResult("rotate_ami", "rotate_ami-1", "SUCCEEDED", 0.0, 9.0, None, None, ((0.0, "A"),))
    return Result(
        "rotate",
        "passed",
        (run,),
        {"violations": list(violations), "quarantined": 0},
        (),
        1.0,
        1.0,
        "",
        {"failures": []},
    )


def test_a_story_says_of_each_case_whether_it_met_anything_and_keeps_what_it_takes(tmp_path: Path) -> None:
    """By caller, service and action, and the kind; of an execution by its end."""
    story = Story("rotate", Staged(), tmp_path)

    verdict, (found,) = story.run(Trial("crowd-1-1", CROWD, (throttled("F0", 1), throttled("F1", 1), stopped("A"))))

    assert verdict.met == (False, True, False)
    (moment,) = load(found.scenario).timeline
    assert moment.fault
    assert moment.fault.caller == "F1"
