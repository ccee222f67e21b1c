"""Runs the stories, workflow by workflow in turn, with one trial after the other, on premises that are kept."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from rehearsal.sweep.cases import Case
from rehearsal.sweep.crew import Outcome, Worker
from rehearsal.sweep.tally import Tally, Violation
from rehearsal.sweep.trial import CROWD, Trial, alone
from rehearsal.sweep.verdict import Verdict

Todo = tuple[str, Trial]
"""Of one story."""
Plan = Callable[[Mapping[str, Sequence[Case]]], Mapping[str, Iterator[Trial]]]
"""What can go wrong in each story -> what is tried in it, in its order."""


def sweep(
    crew: Sequence[Worker],
    tally: Tally,
    workflows: Sequence[str],
    say: Callable[[str], None],
    *,
    plan: Plan,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Run what is planned until it is over, and count it in the tally while it goes on.

    Where one worker ends the others finish what they have in hand, which is counted, and begin nothing more.

    Raises: RuntimeError when a story does not pass even without a fault, or a worker ends.
    """
    todo = _Todo(_in_turn(plan({workflow: crew[0].cases(workflow) for workflow in workflows})), over)

    def work(worker: Worker) -> None:
        while (given := todo.take()) is not None:
            outcome = worker.run(*given)
            todo.again(*given, outcome[0])
            _count(tally, given, outcome, say)

    if len(crew) == 1:
        return work(crew[0])
    with ThreadPoolExecutor(len(crew)) as threads:
        try:
            for done in as_completed([threads.submit(work, worker) for worker in crew]):
                done.result()
        finally:
            todo.end()
    return None


class _Todo:
    """What is left, for several hands."""

    def __init__(self, left: Iterator[Todo], over: Callable[[], bool]) -> None:
        self._left, self._over, self._lock = left, over, threading.Lock()
        self._ended, self._missed = False, deque[Todo]()

    def take(self) -> Todo | None:
        """The next one, or None."""
        with self._lock:
            if self._ended or self._over():
                return None
            return next(self._left, None) or (self._missed.popleft() if self._missed else None)

    def again(self, workflow: str, trial: Trial, verdict: Verdict) -> None:
        """What met nothing in a crowd, since another thing had the story take another way, is tried alone at last."""
        if trial.fault == CROWD:
            missed = (case for case, met in zip(trial.cases, verdict.met, strict=True) if not met)
            self._missed.extend((workflow, alone(case)) for case in missed)

    def end(self) -> None:
        """Give nothing more."""
        self._ended = True


def _count(tally: Tally, given: Todo, outcome: Outcome, say: Callable[[str], None]) -> None:
    (workflow, trial), (verdict, found) = given, outcome
    number = tally.add(workflow, trial, verdict, found)
    say(f"{number}: {workflow} {trial.name}: {verdict.outcome}{_told(found)}")


def _in_turn(planned: Mapping[str, Iterator[Trial]]) -> Iterator[Todo]:
    """One trial of each story, then the second of each, until all are through."""
    begun = list(planned.items())
    while begun:
        tried = [(story, left, next(left, None)) for story, left in begun]
        yield from ((story, trial) for story, _, trial in tried if trial)
        begun = [(story, left) for story, left, trial in tried if trial]


def _told(found: Sequence[Violation]) -> str:
    return "".join(f"; VIOLATION {violation.rule}: {violation.what}" for violation in found)
