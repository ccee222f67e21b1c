"""docs/reliability.md: what a sweep ran and found, in parts, each written by the runs of its kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rehearsal.sweep.tally import Tally

ALONE: Final = "One thing at a time"
TOGETHER: Final = "Each thing once, in company"
SEQUENCES: Final = "Several things at a time"
PARTS: Final = (ALONE, TOGETHER, SEQUENCES)
INTRODUCTION: Final = """# Reliability

Each run is a rehearsal of a small story (`scenarios/sweep`) in which something fails. It may end in success, or in a
failure that names its cause; after `reconcile` nothing may be left behind, but for a faulty node that a failed repair
keeps closed, with its report written and people called. The observer judges every run as it judges every scenario.
*Missed* are runs in which the fault met nothing: the story took another way, or was over.
"""
CLASSES: Final = """
A *case* is one thing that can go wrong in a story: each call in up to seven ways, each invocation in three, each state
in three. *Distinct* are those that do not make the same run as another (a state in which an execution does not rest,
the lost answer of a call that changes nothing). A *class* is the same step of the same function or machine, gone again:
for another node, in the next round of a poll, in another story (the first counts it); names and numbers are all that
tells its members apart. Of each class the first, the last and one that the seed draws are *chosen*. Throttled, broken
and unreachable calls are one error to all but the adapter: each step meets one of them, and each operation all three;
of each operation one read is slow. `--every` runs every case. Beside these come a few *sequences*, as below.
"""
COMPANY: Final = """
Cases that strike different functions share a run, with one at most that no retry mends (a denied call, a stopped
execution); what met nothing, since another thing had the story take another way, is tried once more alone. *Runs* are
those in which such a fault struck. A run that breaks something is made again without one case after the other: what is
named is what it takes.
"""
DRAWN: Final = """
A *sequence* is two to four cases that chance puts together; of one that breaks something only what it takes is kept.
"""


@dataclass(frozen=True)
class Told:
    """How the runs came about."""

    command: str
    on: str
    """The day."""
    workers: int
    cores: int
    per_hour: int


def page(tally: Tally, told: Told, part: str, old: str = "") -> str:
    """The whole page: one part of this tally, the other as the page has it."""
    kept = _parts(old)
    written = {**kept, part: "\n".join(_part(tally, told, part))}
    return INTRODUCTION + "".join(f"\n## {name}\n{written[name].rstrip()}\n" for name in PARTS if name in written)


def _parts(old: str) -> dict[str, str]:
    """What an older page says of each kind."""
    found = (piece.partition("\n") for piece in f"\n{old}".split("\n## ")[1:])
    return {name: text for name, _, text in found if name in PARTS}


def _part(tally: Tally, told: Told, part: str) -> Iterator[str]:
    where = f"{told.workers} of them at a time, {told.cores} cores"
    yield f"Written by `{told.command}` on {told.on}: {tally.runs:,} runs, {told.per_hour:,} an hour ({where})."
    yield {ALONE: CLASSES, TOGETHER: COMPANY, SEQUENCES: DRAWN}[part]
    if part != SEQUENCES:
        yield from _extents(tally)
    yield "| fault | workflow | runs | succeeded | failed | violations | missed |"
    yield "|---|---|---|---|---|---|---|"
    for (fault, workflow), c in sorted(tally.counts.items()):
        yield f"| {fault} | {workflow} | {c.runs} | {c.succeeded} | {c.failed} | {c.violations} | {c.missed} |"
    if tally.violations:
        yield "\n| workflow | what failed | rule | what broke it |\n|---|---|---|---|"
    for v in tally.violations:
        yield f"| {v.workflow} | `{'; '.join(map(_short, v.moments))}` | {v.rule} | {v.what} |"


def _extents(tally: Tally) -> Iterator[str]:
    yield "| workflow | cases | distinct | classes | chosen | run |"
    yield "|---|---|---|---|---|---|"
    for name, e in tally.extents.items():
        run = sum(count.runs for (_, workflow), count in tally.counts.items() if workflow == name)
        yield f"| {name} | {e.cases:,} | {e.distinct:,} | {e.classes:,} | {e.chosen:,} | {run:,} |"
    yield ""


def _short(moment: dict[str, Any]) -> str:
    kind = "fault" if "fault" in moment else "interrupt"
    return f"{kind}: " + ", ".join(f"{key} {value}" for key, value in moment[kind].items())
