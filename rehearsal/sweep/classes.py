"""Which cases stand for the others: to run them all takes more than a night, and most are one way gone again.

Left out is what makes the same run as another case (`Case.told`): a state in which an execution does not rest, for it
is stopped where it comes to in the same instant; the lost answer of a call that changes nothing, for it might as well
never have been carried out. The others fall into classes; of each, all stories together, the first, the last and one
that the seed draws are run.

- Where a call fails: the calls with one way (`ways.py`).
- Throttled, broken or not reached a call of a function is the same `Unavailable` to all but its adapter: of these three
  each one of a class is struck by one, and each operation of each function by all.
- A client waits as long for whatever it reads: one read of each operation of each function is slow.
"""

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rehearsal.sweep.cases import MORE, Case

UNAVAILABLE: Final = ("throttle", "error_5xx", "reset_before")
READ: Final = "slow read"
Stories = Mapping[str, Sequence[Case]]
Of = tuple[str, Case]
"""A case and its story."""
Classes = Mapping[tuple[Hashable, Hashable], Sequence[Of]]
"""The members of each class, in the order of the stories."""


@dataclass(frozen=True)
class Extent:
    """How much there is of one story."""

    cases: int
    distinct: int
    """Without those that make the same run as another."""
    classes: int
    """Each counted where its first case is."""
    chosen: int
    """To be run."""


def choose(stories: Stories, found: Classes, seed: str) -> dict[str, list[Case]]:
    """The cases that are run unless every one is asked for."""
    chance = random.Random(seed)  # noqa: S311 - a draw, not a secret
    operations: defaultdict[Hashable, list[Of]] = defaultdict(list)
    chosen: dict[str, list[Case]] = {story: [] for story in stories}
    for key, members in found.items():
        for story, case in _some(members, 1 if key[0] == READ else 3, chance):
            if key[0] == UNAVAILABLE:
                operations[case.operation].append((story, case))
            else:
                chosen[story].append(case)
    for members in operations.values():
        for story, case in _by_turns(members, chance):
            chosen[story].append(case)
    return chosen


def classes(stories: Stories) -> Classes:
    """Put every case into its class; where several errors are one, each call once."""
    found: defaultdict[tuple[Hashable, Hashable], list[Of]] = defaultdict(list)
    for story, case in _distinct(stories):
        if case.operation and case.fault in UNAVAILABLE[1:]:
            continue
        found[_class(case)].append((story, case))
    return dict(found)


def extents(stories: Stories, found: Classes, chosen: Mapping[str, Sequence[Case]]) -> dict[str, Extent]:
    """What there is of each story, and what is run."""
    firsts = [members[0][0] for members in found.values()]
    distinct = [story for story, _ in _distinct(stories)]
    return {
        story: Extent(len(cases), distinct.count(story), firsts.count(story), len(chosen[story]))
        for story, cases in stories.items()
    }


def _distinct(stories: Stories) -> Iterator[Of]:
    return ((story, case) for story, cases in stories.items() for case in cases if not case.told)


def _class(case: Case) -> tuple[Hashable, Hashable]:
    if case.operation and case.fault == UNAVAILABLE[0]:
        return UNAVAILABLE, case.way
    if case.fault == "slow" and case.reads:
        return READ, case.operation
    return case.fault, case.way


def _some(members: Sequence[Of], most: int, chance: random.Random) -> Sequence[Of]:
    """The first, the last, and one between them."""
    if len(members) <= most:
        return members
    return [chance.choice(members)] if most == 1 else [members[0], chance.choice(members[1:-1]), members[-1]]


def _by_turns(members: Sequence[Of], chance: random.Random) -> Iterable[Of]:
    """Each member with one of the errors that are one, and each of these at least once."""
    first = chance.randrange(len(UNAVAILABLE))
    for turn in range(max(len(members), len(UNAVAILABLE))):
        story, case = members[turn % len(members)]
        kind = UNAVAILABLE[(first + turn) % len(UNAVAILABLE)]
        fault = {**case.moment["fault"], "kind": kind, **MORE[kind]}
        yield story, replace(case, fault=kind, moment={**case.moment, "fault": fault})
