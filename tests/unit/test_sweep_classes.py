"""Which cases of a sweep stand for others, and what its page says of that.

Covered: names and numbers do not tell two calls apart, but state, decision, answer and what went before do; what makes
the same run as another is left out; of a class three are run, over all stories together; of several errors that are one
each step meets one and each operation all; each part of the page stays when the other is written; how a sweep ends.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rehearsal.report import ExecutionResult
from rehearsal.sweep.cases import Case, cases_of
from rehearsal.sweep.classes import UNAVAILABLE, Extent, choose, classes, extents
from rehearsal.sweep.conduct import Asked, Conduct
from rehearsal.sweep.crew import Beside, Outcome, Worker
from rehearsal.sweep.page import ALONE, SEQUENCES, Told, page
from rehearsal.sweep.sweep import sweep
from rehearsal.sweep.tally import Tally, Violation
from rehearsal.sweep.trial import Trial
from rehearsal.sweep.verdict import Verdict

FUNCTION, ROLE = "gpuops-ClaimNodeFunction-A66CD6837532", "arn:aws:iam::123456789012:role/gpuops-ReplaceNodeRole-9C4724"
WRITE_DENIED = "access_denied", ("PutItem",)
TOLD = Told("gpuops sweep --seed 7", "2026-11-28", 2, 2, 700)


def line(at: float, service: str, action: str, resource: str = "", status: int = 200) -> dict[str, Any]:
    """One call that the function makes."""
    return {
        "at": at, "caller": FUNCTION, "role": "", "service": service, "action": action, "resource": resource,
        "status": status, "keys": [],
    }  # fmt: skip


def invoked(at: float, *made: dict[str, Any]) -> list[dict[str, Any]]:
    """An invocation by the machine, with what the function did in it."""
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{FUNCTION}"
    return [{**line(at, "lambda", "Invoke", arn), "caller": "states", "role": ROLE}, *made]


def look(at: float, node: str, status: int = 200) -> list[dict[str, Any]]:
    """One round of a poll: two reads and a write."""
    instance = f"arn:aws:ec2:us-east-1:123456789012:instance/{node}"
    return invoked(
        at,
        line(at, "autoscaling", "DescribeAutoScalingGroups", "*"),
        line(at, "ec2", "DescribeInstances", instance, status),
        line(at, "dynamodb", "PutItem", "table/State"),
    )


def execution(*states: tuple[float, str], ended: float = 99.0) -> ExecutionResult:
    """One that entered these states."""
    return ExecutionResult("replace_node", "replace-1", "SUCCEEDED", 0.0, ended, None, None, states)


RUN = execution(*((float(at), "ClaimNode") for at in range(10)))


def ways(calls: Sequence[Mapping[str, Any]], *, status: str = "waiting", run: ExecutionResult = RUN) -> list[object]:
    """The distinct ways of the last call of each invocation."""
    decided = {("claim_node", float(at)): "waiting" for at in range(10)} | {("claim_node", 1.0): status}
    cases = cases_of(calls, [run], decided)
    return [case.way for case in cases if (case.fault, case.operation[-1:]) == ("throttle", ("PutItem",))]


def test_the_next_round_of_a_poll_and_another_instance_are_the_same_step() -> None:
    """All that tells them apart is a name."""
    first, second = ways([*look(0.0, "i-0a202607140000001"), *look(1.0, "i-0b202611200000002")])

    assert first == second


@pytest.mark.parametrize(
    ("second", "more"),
    [
        (look(1.0, "i-0a202607140000001", status=404), {}),
        (look(1.0, "i-0a202607140000001"), {"status": "claimed"}),
        (look(1.0, "i-0a202607140000001"), {"run": execution((0.0, "ClaimNode"), (1.0, "ClaimAnother"))}),
        (invoked(1.0, line(1.0, "dynamodb", "PutItem", "table/State")), {}),
    ],
    ids=["answered otherwise", "decided otherwise", "in another state", "after other calls"],
)
def test_two_steps_differ_by(second: list[dict[str, Any]], more: dict[str, Any]) -> None:
    """Then the one does not stand for the other."""
    one, other = ways([*look(0.0, "i-0a202607140000001"), *second], **more)

    assert one != other


def told(calls: Sequence[Mapping[str, Any]], *runs: ExecutionResult) -> Counter[tuple[str, str]]:
    """What is left out, by fault and by call or state."""
    cases = cases_of(calls, runs)
    names = ((case, case.operation[-1:] or (case.moment["interrupt"]["state"],)) for case in cases if case.told)
    return Counter((case.fault, name) for case, (name,) in names)


def test_the_lost_answer_of_a_read_is_as_if_it_had_not_been_asked_and_of_a_write_it_is_not() -> None:
    """Two reads and one write: of each read both ways to lose the answer are left out."""
    assert told(look(0.0, "i-1")) == {
        ("reset_after", "DescribeAutoScalingGroups"): 1,
        ("unanswered", "DescribeAutoScalingGroups"): 1,
        ("reset_after", "DescribeInstances"): 1,
        ("unanswered", "DescribeInstances"): 1,
    }


def test_an_execution_is_stopped_where_it_rests() -> None:
    """It passes the choice in the instant in which it comes to its wait, and the last state in which it ends."""
    run = execution((0.0, "Claim"), (1.0, "Claimed?"), (1.0, "Wait"), (9.0, "Done"), ended=9.0)

    assert {state for _, state in told([], run)} == {"Claimed?", "Done"}


def rounds(number: int) -> list[Case]:
    """The cases of a poll of so many rounds."""
    decided = {("claim_node", float(at)): "waiting" for at in range(number)}
    return cases_of([each for at in range(number) for each in look(float(at), f"i-{at}")], [RUN], decided)


def test_of_a_class_the_first_the_last_and_one_between_stand_for_all() -> None:
    """Over all stories together; the seed draws the one between."""
    stories = {"rotate": rounds(5), "remediate": rounds(5)}
    between = set()
    for seed in "1234567":
        chosen = choose(stories, classes(stories), seed)
        denied = {
            story: [case.moment["fault"]["nth"] for case in cases if (case.fault, case.operation[-1:]) == WRITE_DENIED]
            for story, cases in chosen.items()
        }
        assert (denied["rotate"][0], denied["remediate"][-1]) == (1, 5)
        assert sum(map(len, denied.values())) == 3
        between.add(tuple(denied["rotate"][1:] + denied["remediate"][:-1]))
    assert len(between) > 1


def test_of_errors_that_are_one_each_step_meets_one_and_each_operation_all() -> None:
    """Three steps of a class share them; a single step has all three."""
    for number in (1, 3, 9):
        stories = {"rotate": rounds(number)}
        chosen = choose(stories, classes(stories), "1")["rotate"]
        chosen = [case for case in chosen if case.fault in UNAVAILABLE]

        for action in ("PutItem", "DescribeInstances"):
            mine = [case for case in chosen if case.operation[-1] == action]
            assert Counter(case.fault for case in mine) == dict.fromkeys(UNAVAILABLE, 1)
            assert len({case.moment["fault"]["nth"] for case in mine}) == min(number, 3)
        assert all(case.moment["fault"]["kind"] == case.fault for case in chosen)


def test_one_read_of_each_operation_is_slow_and_three_writes() -> None:
    """Each takes twenty real seconds, and a client waits as long for whatever it reads."""
    stories = {"rotate": rounds(9)}
    chosen = choose(stories, classes(stories), "1")["rotate"]

    assert Counter(case.operation[-1] for case in chosen if case.fault == "slow") == {
        "DescribeAutoScalingGroups": 1,
        "DescribeInstances": 1,
        "PutItem": 3,
    }


def test_the_extent_counts_cases_classes_and_what_is_run() -> None:
    """A class counts for the story that has its first case."""
    stories = {"rotate": rounds(4), "remediate": rounds(1)}
    found = extents(stories, classes(stories), choose(stories, classes(stories), "1"))
    calls, invocations, states = 4 * 3 * 7, 4 * 3, len(RUN.states) * 3

    assert found["rotate"].cases == calls + invocations + states
    assert found["rotate"].distinct == found["rotate"].cases - 4 * 4  # of two reads in each round two lost answers
    assert (found["rotate"].classes > 0, found["remediate"].classes) == (True, 0)
    assert sum(extent.chosen for extent in found.values()) < sum(extent.distinct for extent in found.values())


def tally_of(*faults: str) -> Tally:
    """One run with each."""
    tally = Tally({"rotate": Extent(4622, 3543, 1402, 1529)})
    for fault in faults:
        tally.add("rotate", Trial("x", fault, ()), Verdict("succeeded", ()), [])
    return tally


def test_the_page_counts_by_fault_and_workflow_and_names_each_violation() -> None:
    """With the command, the day, the extent and the pace."""
    tally = tally_of("slow")
    moment = {"at": 0, "fault": {"kind": "throttle", "action": "GetObject"}}
    aborted = {"at": 0, "interrupt": {"machine": "rotate_ami", "state": "Plan"}}
    found = [Violation("rotate", "throttle", (moment, aborted), "cordon", "ip-1", "x.yaml")]
    tally.add("rotate", Trial("x", "throttle", ()), Verdict("failed", (("cordon", "ip-1"),)), found)

    text = page(tally, TOLD, ALONE)
    assert "| throttle | rotate | 1 | 0 | 1 | 1 | 0 |" in text
    assert "| slow | rotate | 1 | 1 | 0 | 0 | 0 |" in text
    assert "| rotate | 4,622 | 3,543 | 1,402 | 1,529 | 2 |" in text
    broke = "fault: kind throttle, action GetObject; interrupt: machine rotate_ami, state Plan"
    assert f"| rotate | `{broke}` | cordon | ip-1 |" in text
    assert (
        "Written by `gpuops sweep --seed 7` on 2026-11-28: 2 runs, 700 an hour (2 of them at a time, 2 cores)." in text
    )
    assert tally.to_json(3600.0)["runs_per_hour"] == 2


def test_a_part_of_the_page_stays_when_the_other_is_written() -> None:
    """Whichever comes first, and again and again."""
    alone = page(tally_of("slow"), TOLD, ALONE)
    both = page(tally_of("sequence"), TOLD, SEQUENCES, alone)

    assert both.startswith(alone.rstrip())
    assert "| sequence | rotate | 1 | 1 | 0 | 0 | 0 |" in both
    assert page(tally_of("slow"), TOLD, ALONE, both) == both
    assert page(tally_of("sequence"), TOLD, SEQUENCES, both) == both
    assert page(tally_of("slow"), TOLD, ALONE, page(tally_of("sequence"), TOLD, SEQUENCES)) == both


class Hand:
    """A worker that runs nothing, and breaks where it is told to."""

    def __init__(self, breaks: int | None = None) -> None:
        self.ran: list[str] = []
        self.closed = False
        self._breaks = breaks

    def cases(self, workflow: str) -> list[Case]:
        """Of a poll."""
        return rounds(9)

    def run(self, workflow: str, trial: Trial) -> Outcome:
        """Raises: RuntimeError at its time."""
        if len(self.ran) == self._breaks:
            raise RuntimeError("a worker ended with exit code 1")
        self.ran.append(trial.name)
        return Verdict("succeeded", ()), []

    def close(self) -> None:
        """Noted."""
        self.closed = True


def conduct(tmp_path: Path, *hands: Hand, **asked: Any) -> Conduct:
    """A sweep by these."""

    def crew(_workers: int, _out: Path) -> list[Worker]:
        return list(hands)

    return Conduct(Asked(("rotate",), "1", tmp_path, "gpuops sweep", **asked), lambda _: None, crew)


def test_several_workers_share_the_runs_and_none_is_done_twice(tmp_path: Path) -> None:
    """And together they do all that is chosen."""
    hands = Hand(), Hand(), Hand()
    done = conduct(tmp_path, *hands)

    done.run()

    names = [name for hand in hands for name in hand.ran]
    alone = [name for name in names if not name.startswith("sequence-")]
    assert len(alone) == len(set(alone)) == done.tally.extents["rotate"].chosen
    assert all(hand.closed for hand in hands)


def test_every_case_is_run_where_that_is_asked_for(tmp_path: Path) -> None:
    """Also those that make the same run as another."""
    done = conduct(tmp_path, hand := Hand(), every=True)

    done.run()

    assert len([name for name in hand.ran if not name.startswith("sequence-")]) == len(rounds(9))


def test_no_minutes_are_no_runs(tmp_path: Path) -> None:
    """Zero is not the same as none given."""
    done = conduct(tmp_path, hand := Hand(), minutes=0.0)

    done.run()

    assert hand.ran == []


def test_a_sequence_bears_its_seed(tmp_path: Path) -> None:
    """So that those of two sweeps can lie in one folder."""
    done = conduct(tmp_path, hand := Hand(), sequences=True, limit=2)

    done.run()

    assert hand.ran == ["sequence-1-1", "sequence-1-2"]


def test_what_was_run_before_a_worker_broke_is_on_the_page(tmp_path: Path) -> None:
    """Hours would be lost otherwise."""
    done = conduct(tmp_path, hand := Hand(breaks=2), page=tmp_path / "page.md")

    with pytest.raises(RuntimeError, match="exit code 1"):
        done.run()

    assert hand.closed
    assert ": 2 runs," in (tmp_path / "page.md").read_text()


def test_a_worker_that_ends_in_its_process_is_told_here(tmp_path: Path) -> None:
    """It knows no such story."""
    worker = Beside(tmp_path, tmp_path / "1")

    with pytest.raises(RuntimeError, match="a worker ended with exit code 1"):
        worker.cases("nothing")
    worker.close()


class Slow(Hand):
    """One that takes a moment for each run."""

    def run(self, workflow: str, trial: Trial) -> Outcome:
        """After that."""
        time.sleep(0.001)
        return super().run(workflow, trial)


def test_where_one_worker_ends_the_others_begin_nothing_more() -> None:
    """A night is not run to its end with one worker fewer; what was run before is counted."""
    planned = [Trial(f"slow-{number}", "slow", ()) for number in range(5000)]
    crew: list[Worker] = [Hand(breaks=1), hand := Slow()]
    tally = Tally()

    with pytest.raises(RuntimeError, match="exit code 1"):
        sweep(crew, tally, ["rotate"], lambda _: None, plan=lambda _: {"rotate": iter(planned)})

    assert tally.runs == 1 + len(hand.ran) < len(planned) / 2
