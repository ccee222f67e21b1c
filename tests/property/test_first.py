"""Old nodes go first, in any order of events: the floor holds, nobody is taken twice, and every node is replaced.

Covered: any number of slots, any floor below the size, successors that come late and in any order, slots that look at
the same moment and read the same claims, and newcomers that somebody else asked for.
"""

import random
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.rotation.change import Moved, Undo
from gpuops.domain.rotation.claim import Claim, claimable, decide_turn
from gpuops.domain.rotation.first import Limits, in_service, why_not_out
from gpuops.domain.rotation.group import Group, Template
from gpuops.domain.rotation.opening import originals
from tests.fakes.rotation import LT, NEW, NOW, TARGET, group, instance, node, run

MOVED = Moved(
    source=Template(id=LT, version="1"), resolved=Template(id=LT, version="1"), new=Template(id=LT, version="2")
)


@dataclass
class Roll:
    """One group whose old nodes go first, and what chance decides about it."""

    chance: random.Random
    limits: Limits
    undo: Undo
    group: Group
    claims: dict[str, Claim] = field(default_factory=dict)
    seen: list[Claim] = field(default_factory=list)
    """Claims as somebody read them a moment ago."""
    launched: int = 0

    @property
    def serving(self) -> frozenset[str]:
        """Whoever is in service and not taken out; what is claimed for is drained at once here."""
        going = {claim.old for claim in self.claims.values()}
        nodes = [node(i) for i in self.group.staying if i.id not in going]
        return in_service(self.group, nodes)

    def look(self) -> None:
        """Somebody reads the claims, and acts on them later."""
        self.seen = list(self.claims.values())

    def launch(self) -> None:
        """Auto Scaling fills one empty place, and the newcomer is admitted."""
        if len(self.group.staying) < self.group.desired:
            self.launched += 1
            new = instance(1000 + self.launched, NEW, version="2")
            self.group = replace(self.group, instances=(*self.group.instances, new))

    def scale_up(self, extra: int) -> None:
        """An autoscaler asks for one more, up to so many."""
        if self.group.desired < self.undo.desired + extra:
            self.group = replace(self.group, desired=self.group.desired + 1)

    def step(self, slot: str) -> None:
        """One call of claim_node for the slot, and what follows it at once."""
        mine = self.claims.get(slot)
        if mine and mine.out and self.group.instance(mine.old):
            self._retire(mine.old)
        elif mine and mine.out:
            self._fill(mine)
        elif mine is None:
            self._take(slot)

    def _take(self, slot: str) -> None:
        turn = decide_turn(self.group, self.undo, self.seen, decrement=False)
        if turn.old is None or turn.old.id in {claim.old for claim in self.claims.values()}:
            return
        wanted = Claim(group="gpu", run="run-1", slot=slot, old=turn.old.id, decrement=False)
        free = claimable(self.group, self.undo, [c.new for c in self.seen], "")[sum(c.out for c in self.seen) :]
        if free and free[0].id not in {claim.new for claim in self.claims.values()}:
            self.claims[slot] = wanted.model_copy(update={"new": free[0].id, "node": "n"})
            self._retire(turn.old.id)
        elif self._may_go():
            self.claims[slot] = wanted.model_copy(update={"first": True})

    def _may_go(self) -> bool:
        """The decision by what was read, and the counter that lets only one go of all that read the same."""
        turns = [sum(claim.first for claim in claims) for claims in (self.seen, list(self.claims.values()))]
        why = why_not_out(self.group, self.undo, self.seen, self.serving, self.limits)
        return why is None and turns[0] == turns[1]

    def _fill(self, mine: Claim) -> None:
        free = claimable(self.group, self.undo, [claim.new for claim in self.claims.values()], "")
        if free:
            self.claims[mine.slot] = mine.model_copy(update={"new": free[0].id, "node": "n"})

    def _retire(self, old: str) -> None:
        left = tuple(i for i in self.group.instances if i.id != old)
        self.group = replace(self.group, instances=left)


def roll_of(size: int, out: int, floor: int, seed: int) -> Roll:
    """Return a group of old nodes, opened."""
    old = group([instance(number) for number in range(size)])
    order = tuple(i.id for i in old.instances)
    undo = originals(
        old, run(), target=TARGET, surge=0, moved=(MOVED,), now=NOW, order=order, strategy="terminate_first"
    )
    chance = random.Random(seed)  # noqa: S311 - nobody guards anything with it
    return Roll(chance, Limits(out=out, floor=floor), undo, replace(old, launch=undo.opened_launch))


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 7), st.integers(0, 10**6), st.integers(0, 2))
def test_the_floor_holds_and_every_node_goes_once(size: int, out: int, below: int, seed: int, extra: int) -> None:
    """Whatever the order: the worst of it is a wait."""
    floor = max(0, size - 1 - below)
    roll = roll_of(size, out, floor, seed)
    slots = [i.id for i in roll.group.instances]
    for _ in range(60 * size):
        what = roll.chance.random()
        if what < 0.3:
            roll.look()
        elif what < 0.5:
            roll.launch()
        elif what < 0.55:
            roll.scale_up(extra)
        else:
            roll.step(roll.chance.choice(slots))
        assert len(roll.serving) >= floor
        assert sum(claim.out for claim in roll.claims.values()) <= out
    for _ in range(4 * size):
        roll.look()
        for slot in slots:
            roll.step(slot)
            roll.launch()
            roll.look()

    olds = [claim.old for claim in roll.claims.values()]
    assert sorted(olds) == sorted(slots), "each exactly once"
    assert all(roll.undo.is_new(i) for i in roll.group.staying)
    news = [claim.new for claim in roll.claims.values()]
    assert len(set(news)) == size
    assert "" not in news
