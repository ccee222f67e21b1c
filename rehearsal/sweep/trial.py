"""What one run tries: one thing that goes wrong, or several that chance put together, or that do not touch one another.

What breaks something is shrunk: what need not go wrong for that is left out, one thing after the other.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from rehearsal.sweep.cases import Case, Json, slug

SEQUENCE: Final = "sequence"
CROWD: Final = "crowd"
FEWEST, MOST = 2, 4
"""Things that go wrong in one sequence."""


@dataclass(frozen=True)
class Trial:
    """What goes wrong in one run."""

    name: str
    """For its scenario."""
    fault: str
    """Under which it is counted; a crowd under each of its cases'."""
    cases: tuple[Case, ...]

    @property
    def moments(self) -> tuple[Json, ...]:
        """Of a scenario's timeline."""
        return tuple(case.moment for case in self.cases)


def alone(case: Case) -> Trial:
    """This and nothing else."""
    return Trial(case.name, case.fault, (case,))


def trials(cases: Sequence[Case], seed: str) -> Iterator[Trial]:
    """Every case once, in an order of this seed's: each fault has its turn before any has a second one.

    After as many as there are faults comes a sequence, so that a short sweep is a wide one.
    """
    mixed, faults = sequences(cases, seed), len({case.fault for case in cases})
    for number, case in enumerate(_ranked(cases, random.Random(seed)), 1):  # noqa: S311 - an order, not a secret
        yield alone(case)
        if number % faults == 0:
            yield next(mixed)


def sequences(cases: Sequence[Case], seed: str) -> Iterator[Trial]:
    """Sequences without end: of each fault there are as many as of any other, however many calls it can strike."""
    faults = sorted({case.fault for case in cases})
    for number in count(1):
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - an order, not a secret
        kinds = (chance.choice(faults) for _ in range(chance.randint(FEWEST, MOST)))
        drawn = (chance.choice([case for case in cases if case.fault == kind]) for kind in kinds)
        yield Trial(slug(f"{SEQUENCE}-{seed}-{number}"), SEQUENCE, tuple(drawn))


def crowds(cases: Sequence[Case], seed: str, most: int) -> Iterator[Trial]:
    """Every case once, up to so many in a run: each strikes another function, and one at most may end executions.

    Those of which most are left come first, which makes the fewest runs.
    """
    shuffled, left = list(cases), defaultdict[str, list[Case]](list)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    for case in shuffled:
        left[case.whom].append(case)
    for number in count(1):
        fullest = sorted((whom for whom in left if left[whom]), key=lambda whom: (-len(left[whom]), whom))[:most]
        if not fullest:
            return
        yield Trial(slug(f"{CROWD}-{seed}-{number}"), CROWD, tuple(left[whom].pop() for whom in fullest))


def shrunk(trial: Trial, breaks: Callable[[Trial], bool]) -> Trial:
    """The trial without everything that need not be there for it to break something."""
    for case in trial.cases:
        fewer = replace(trial, cases=tuple(other for other in trial.cases if other is not case))
        if fewer.cases and breaks(fewer):
            return shrunk(fewer, breaks)
    return trial


def _ranked(cases: Sequence[Case], chance: random.Random) -> list[Case]:
    """By the turn that each has among those of its fault."""
    shuffled, turns = list(cases), Counter[str]()
    chance.shuffle(shuffled)
    ranked = []
    for case in shuffled:
        turns[case.fault] += 1
        ranked.append((turns[case.fault], case))
    return [case for _, case in sorted(ranked, key=lambda pair: pair[0])]
