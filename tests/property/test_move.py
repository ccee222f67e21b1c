"""A move between two node groups, whatever the order of its slots, and wherever it is interrupted and repeated.

Covered: the group never has fewer nodes than it wants, the new node group ends at the whole size and the old one empty;
a repeated step grows nothing twice; turned back at any moment, the old one ends at the whole size, and nothing that
never went is touched.
"""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim, claimable, decide_turn
from gpuops.domain.rotation.group import Instance
from gpuops.domain.rotation.move import Move
from gpuops.domain.rotation.stage import next_stage
from tests.fakes.moving import Groups, home, there, two
from tests.fakes.rotation import NEW, NOW, OLD, TARGET, run

INTO = "eks-new-1"


class Story:
    """Both Auto Scaling groups, and what chance decides about the order."""

    def __init__(self, size: int, surge: int, chance: random.Random) -> None:
        self.chance, self.size, self.launched = chance, size, 0
        self.groups: Groups = two(size)
        self.groups.change("eks-ng-1", min=0, max=size)
        move = Move(old=self.groups.homes[0], nodegroup="new", min=0, max=size, into=INTO)
        self.groups.homes.append(home("new", NEW, 0, min=0, max=size))
        order = tuple(i.id for i in self.groups.instances)
        self.undo = Undo(
            run=run(), at=NOW, target=TARGET, surge=surge, max=size, desired=size, launch={}, suspended=frozenset(),
            protects_new=False, moved=(), strategy="managed_blue_green", order=order, move=move,
        )  # fmt: skip
        self.claims: list[Claim] = []

    def grow(self) -> None:
        """As `moving.grow` does."""
        wanted = max(self.groups.one(self.undo.receiver).desired, self.undo.receiver_size)
        self.groups.change(self.undo.receiver, desired=wanted)

    def launch(self) -> None:
        """Auto Scaling gives the receiver what it wants."""
        of, ami = self.groups.one(self.undo.receiver), OLD if self.undo.stage == "back" else NEW
        while sum(i.home == of.name for i in self.groups.instances) < of.desired:
            self.launched += 1
            self.groups.instances.append(there(1000 + self.launched, of, ami))

    def slot(self, *, decrement: bool) -> None:
        """Claim, and retire once or twice over."""
        turn = decide_turn(self.groups.group, self.undo, self.claims, decrement=decrement)
        free = claimable(self.groups.group, self.undo, [claim.new for claim in self.claims], "")
        assert turn.old is not None, turn.reason
        assert free, "nobody is there for it"
        claim = Claim(
            group="gpu",
            run="run-1",
            slot=turn.old.id,
            old=turn.old.id,
            new=free[0].id,
            decrement=decrement,
            stage=self.undo.stage,
        )
        self.claims.append(claim)
        self.retire(turn.old, decrement=decrement)

    def retire(self, old: Instance, *, decrement: bool) -> None:
        """As `moving.send_away` does, interrupted before the termination as often as chance likes."""
        for _ in range(self.chance.randint(1, 3)):
            if decrement:
                self.undo = self.undo.model_copy(update={"decremented": self.undo.decremented | {old.id}})
            else:
                self.undo = self.undo.model_copy(update={"grown": self.undo.grown | {old.id}})
                self.grow()
        self.groups.terminate(old.id, decrement=True)
        assert len(self.groups.group.staying) >= self.size

    def roll(self, slots: int) -> None:
        """So many slots, those that give back the surge last."""
        self.grow()
        for place in range(slots):
            self.launch()
            self.slot(decrement=place >= len(self.undo.order) - self.undo.surge)


sizes, chances = st.integers(1, 8), st.randoms(use_true_random=False)


@given(sizes, st.integers(1, 4), chances)
def test_a_whole_move_ends_with_the_whole_size_in_the_new_node_group(
    size: int, surge: int, chance: random.Random
) -> None:
    """However often a step is repeated."""
    story = Story(size, min(surge, size), chance)

    story.roll(size)
    story.launch()

    assert {h.nodegroup: h.desired for h in story.groups.homes} == {"ng": 0, "new": size}
    assert {i.ami for i in story.groups.instances} == {NEW}


@given(sizes, st.integers(1, 4), st.integers(0, 8), chances)
def test_a_move_turned_back_ends_as_it_began(size: int, surge: int, moved: int, chance: random.Random) -> None:
    """Of the surge that was not given back nothing is asked for here: `take_out_spare` has taken it out before."""
    story = Story(size, min(surge, size), chance)
    moved = min(moved, size)
    story.roll(moved)
    claimed = {claim.new for claim in story.claims}
    story.groups.change(INTO, desired=len(claimed))
    story.groups.instances = [i for i in story.groups.instances if i.home != INTO or i.id in claimed]
    owed = story.undo.surge - sum(claim.decrement for claim in story.claims)
    gone = {f"i-spare-{n}" for n in range(owed)}
    story.undo = story.undo.model_copy(update={"decremented": story.undo.decremented | gone})
    stayed = {i.id for i in story.groups.instances if i.home == "eks-ng-1"}
    order = tuple(i.id for i in story.groups.instances if i.home == INTO)
    assert len(story.groups.instances) == size

    story.undo = next_stage(story.undo, story.groups.group, "back", surge=min(surge, len(order)), order=order)
    story.roll(len(order))
    story.launch()

    assert {h.nodegroup: h.desired for h in story.groups.homes} == {"ng": size, "new": 0}
    assert stayed <= {i.id for i in story.groups.instances}
    assert replace(story.groups.group).desired == size
