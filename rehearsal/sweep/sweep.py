"""Runs the stories, workflow by workflow in turn, with one trial after the other, on premises that are kept."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rehearsal.sweep.cases import Case
from rehearsal.sweep.stage import Stage
from rehearsal.sweep.story import Story
from rehearsal.sweep.tally import Tally, Violation
from rehearsal.sweep.trial import Trial

Choose = Callable[[Sequence[Case]], Iterator[Trial]]
"""What can go wrong in, what is tried out, in its order."""
Begun = tuple[Story, Iterator[Trial]]


def sweep(
    tally: Tally,
    workflows: Sequence[str],
    out: Path,
    say: Callable[[str], None],
    *,
    choose: Choose,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Run what is chosen of each workflow until it is over, and count it in the tally while it goes on.

    Raises: RuntimeError when a story does not pass even without a fault.
    """
    stage = Stage(say)
    try:
        begun = [_begin(Story(workflow, stage, out), tally, choose) for workflow in workflows]
        for story, trial in _in_turn(begun):
            if over():
                break
            verdict, found = story.run(trial)
            tally.add(story.workflow, trial.fault, verdict, found)
            say(f"{tally.runs}: {story.workflow} {trial.name}: {verdict.outcome}{_told(found)}")
    finally:
        stage.close()


def _begin(story: Story, tally: Tally, choose: Choose) -> Begun:
    """The story, with what is to be tried in it."""
    cases = story.reference()
    tally.possible[story.workflow] = len(cases)
    return story, choose(cases)


def _in_turn(begun: list[Begun]) -> Iterator[tuple[Story, Trial]]:
    """One trial of each story, then the second of each, until all are through."""
    while begun:
        tried = [(story, left, next(left, None)) for story, left in begun]
        yield from ((story, trial) for story, _, trial in tried if trial)
        begun = [(story, left) for story, left, trial in tried if trial]


def _told(found: Sequence[Violation]) -> str:
    return "".join(f"; VIOLATION {violation.rule}: {violation.what}" for violation in found)
