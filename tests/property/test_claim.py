"""Which old node goes when, against an Auto Scaling that breaks every tie at random.

Covered: a surge of one, and slots one after the other, end balanced; overlapping slots end at most the surge apart;
each instance goes once, and the surge is given back exactly; where the zones leave a choice, the plan's order holds.
Canaries first: the group bakes at its own size, the others follow, and an autoscaler's node in between stays. The way
back, from any moment: what was moved goes, once, and what was not stays.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.rotation.change import Moved, Undo
from gpuops.domain.rotation.claim import Claim, claimable, decide_turn, unsettled
from gpuops.domain.rotation.group import Group, Instance, Template
from gpuops.domain.rotation.opening import open_goals, originals
from gpuops.domain.rotation.order import NodeLoad, order_nodes
from gpuops.domain.rotation.shrink import owed_nodes, plan_shrink
from gpuops.domain.rotation.stage import next_stage
from tests.fakes.rotation import LT, NEW, NOW, OLD, TARGET, group, instance, run

MOVED = Moved(
    source=Template(id=LT, version="1"),
    resolved=Template(id=LT, version="1"),
    new=Template(id=LT, version="2"),
    back=Template(id=LT, version="3"),
)


@dataclass
class Roll:
    """One group, its slots, and what chance decides about both."""

    chance: random.Random
    zones: tuple[str, ...]
    undo: Undo
    group: Group
    slots: list[tuple[str, bool]]
    """Those that have not begun, with whether each gives back the surge."""
    begun: list[tuple[str, bool]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    draining: list[Claim] = field(default_factory=list)
    launched: int = 0

    @property
    def sizes(self) -> dict[str, int]:
        """Instances by zone, the empty ones too."""
        return {zone: sum(i.zone == zone for i in self.group.instances) for zone in self.zones}

    @property
    def apart(self) -> int:
        """How far the fullest and the emptiest zone are apart."""
        return max(self.sizes.values()) - min(self.sizes.values())

    def launch(self) -> bool:
        """Auto Scaling fills the emptiest zone, whichever of them it likes."""
        if len(self.group.instances) >= self.group.desired:
            return False
        sizes = self.sizes
        zone = self.chance.choice([zone for zone in self.zones if sizes[zone] == min(sizes.values())])
        self.launched += 1
        ami, version = (OLD, "3") if self.undo.stage == "back" else (NEW, "2")
        new = replace(instance(1000 + self.launched, ami, version=version), zone=zone)
        self.group = replace(self.group, instances=(*self.group.instances, new))
        return True

    def begin(self) -> bool:
        """The next slot waits for its claim, where fewer than the surge are under way."""
        if not self.slots or len(self.begun) + len(self.draining) >= self.undo.surge:
            return False
        self.begun.append(self.slots.pop(0))
        return True

    def claim(self) -> bool:
        """One of the waiting slots may go, and finds a newcomer."""
        self.chance.shuffle(self.begun)
        return any(self._claim(*slot) for slot in self.begun)

    def _claim(self, slot: str, decrement: bool) -> bool:  # noqa: FBT001 - a pair of the plan
        decided = decide_turn(self.group, self.undo, self.claims, decrement=decrement)
        assert decided.status != "gone", "every slot has an instance to take"
        if (old := decided.old) is None:
            return False
        free = claimable(self.group, self.undo, [claim.new for claim in self.claims], old.zone)
        if not free or (decrement and unsettled(self.group, self.undo, self.claims)):
            return False
        mine = Claim(
            group="gpu",
            run="run-1",
            slot=slot,
            old=old.id,
            new=free[0].id,
            node="n",
            decrement=decrement,
            stage=self.undo.stage,
        )
        self.begun.remove((slot, decrement))
        self.claims.append(mine)
        self.draining.append(mine)
        return True

    def retire(self) -> bool:
        """One of the draining instances is empty, and goes."""
        if not self.draining:
            return False
        claim = self.chance.choice(self.draining)
        self.draining.remove(claim)
        left = tuple(i for i in self.group.instances if i.id != claim.old)
        self.group = replace(self.group, instances=left, desired=self.group.desired - claim.decrement)
        if claim.decrement:
            self.undo = self.undo.model_copy(update={"decremented": self.undo.decremented | {claim.old}})
        return True

    def open(self, undo: Undo, slots: list[tuple[str, bool]]) -> None:
        """The next stage begins, with the size that it asks for."""
        self.undo, self.slots = undo, slots
        self.group = replace(self.group, desired=open_goals(self.group, undo).desired or self.group.desired)

    def widen(self, surge: int) -> None:
        """After the canaries, the others."""
        rest = [name for name in self.undo.order if any(i.id == name and i.ami == OLD for i in self.group.instances)]
        surge = min(surge, len(rest))
        slots = [(name, place >= len(rest) - surge) for place, name in enumerate(rest)]
        self.open(next_stage(self.undo, self.group, "forward", surge=surge, order=self.undo.order), slots)

    def go_back(self, surge: int) -> None:
        """Whatever was under way is returned; newcomers that nobody has claimed carry nothing, and go first."""
        self.begun, self.draining = [], []
        claimed = {claim.new for claim in self.claims}
        ours = [i for i in self.group.instances if self.undo.is_ours(i)]
        shrink = plan_shrink(self.group, self.undo, {i.id: "busy" if i.id in claimed else "idle" for i in ours})
        left = tuple(i for i in self.group.instances if i.id not in shrink.terminate)
        desired = (self.group.desired if shrink.desired is None else shrink.desired) - len(shrink.terminate)
        self.undo = self.undo.model_copy(update={"decremented": self.undo.decremented | set(shrink.terminate)})
        self.group = replace(self.group, instances=left, desired=desired)
        order = tuple(i.id for i in left if self.undo.is_ours(i))
        surge = min(surge, len(order))
        slots = [(name, place >= len(order) - surge) for place, name in enumerate(order)]
        self.open(next_stage(self.undo, self.group, "back", surge=surge, order=order), slots)


def roll_of(zones: int, size: int, surge: int, seed: int, canaries: int = 0) -> Roll:
    """Return a balanced group of old nodes, busy ones among them, planned and opened: for its canaries, if any."""
    chance = random.Random(seed)  # noqa: S311 - nobody guards anything with it
    names = tuple("abcd"[:zones])
    start = chance.randrange(zones)
    old = [replace(instance(n), zone=names[(start + n) % zones]) for n in range(size)]
    order = order_nodes(_load(one, chance) for one in old)
    canaries = min(canaries, size)
    surge = canaries or min(surge, size)
    kind = order[canaries - 1].kind
    idle = canaries if kind > 1 else sum(load.kind <= kind for load in order)
    undo = originals(
        group(old),
        run(),
        target=TARGET,
        surge=surge,
        moved=(MOVED,),
        now=NOW,
        order=tuple(load.instance for load in order),
        candidates=tuple(load.instance for load in order)[:idle] if canaries else (),
    )
    slots = [(name, place >= size - surge) for place, name in enumerate(undo.order)]
    slots = [(name, True) for name in undo.order[:canaries]] or slots
    return Roll(chance, names, undo, replace(group(old), desired=size + surge), slots)


def _load(one: Instance, chance: random.Random) -> NodeLoad:
    """Idle, with pods that move, or with a Job of whatever age."""
    pods = chance.randrange(3)
    jobs = chance.randrange(2) if pods else 0
    return NodeLoad(one.id, one.zone, pods, jobs, f"2026-11-23T0{chance.randrange(9)}:00:00Z" if jobs else "")


def in_turn(roll: Roll) -> None:
    """One slot after the other, each with the group at its full size."""
    while roll.slots:
        while roll.launch():
            pass
        steps = roll.begin(), roll.claim(), roll.retire()
        assert all(steps)


def overlapping(roll: Roll) -> None:
    """As many slots at once as the surge, launches as late as they like."""
    while overlapped(roll):
        pass


def overlapped(roll: Roll) -> bool:
    """Whether anything was left to happen, at random."""
    steps = [roll.launch, roll.begin, roll.claim, roll.retire]
    roll.chance.shuffle(steps)
    return any(step() for step in steps)


zone_counts, group_sizes, seeds = st.integers(1, 4), st.integers(1, 20), st.integers(0, 2**32)


def assert_rolled(roll: Roll, size: int) -> None:
    """Every old instance went once, each newcomer was claimed once or came last, the size is what it was."""
    assert sorted(claim.old for claim in roll.claims) == sorted(roll.undo.order)
    assert len({claim.new for claim in roll.claims}) == size
    assert (len(roll.group.instances), roll.group.desired) == (size, size)
    assert all(one.ami == NEW for one in roll.group.instances)


@given(zone_counts, group_sizes, seeds)
def test_a_surge_of_one_ends_balanced(zones: int, size: int, seed: int) -> None:
    """However ties fall, and whoever is busy: resuming AZRebalance finds nothing to do."""
    roll = roll_of(zones, size, 1, seed)

    in_turn(roll)

    assert_rolled(roll, size)
    assert roll.apart <= 1


@given(zone_counts, group_sizes, st.integers(2, 3), seeds)
def test_a_larger_surge_ends_balanced_while_slots_do_not_overlap(zones: int, size: int, surge: int, seed: int) -> None:
    """With a node for each zone at least: fewer leave no choice, and the surge goes where it likes."""
    roll = roll_of(zones, size, surge, seed)

    in_turn(roll)

    assert_rolled(roll, size)
    assert roll.apart <= (1 if size >= zones else 2)


@given(zone_counts, group_sizes, st.integers(1, 3), seeds)
def test_late_launches_leave_the_zones_at_most_the_surge_apart(zones: int, size: int, surge: int, seed: int) -> None:
    """They meet zones that others left meanwhile."""
    roll = roll_of(zones, size, surge, seed)

    overlapping(roll)

    assert_rolled(roll, size)
    assert roll.apart <= surge


@given(zone_counts, st.integers(1, 40), st.integers(1, 12), seeds)
def test_overlapping_slots_end_as_even_as_the_surge_lets_them(zones: int, size: int, surge: int, seed: int) -> None:
    """As long as Auto Scaling launches within seconds: the last slots wait until the others' old nodes went."""
    roll = roll_of(zones, size, surge, seed)

    while overlapped(roll):
        while roll.launch():
            pass

    assert_rolled(roll, size)
    assert roll.apart <= (2 if min(surge, size) % zones else 1)


@given(zone_counts, st.integers(5, 20), seeds)
def test_the_plans_order_holds_while_a_zone_has_old_ones_to_spare(zones: int, size: int, seed: int) -> None:
    """Each slot takes the plan's first whose zone keeps another; the rest are one for each zone."""
    roll = roll_of(zones, size, 1, seed)
    places = {name: place for place, name in enumerate(roll.undo.order)}
    zone = {one.id: one.zone for one in roll.group.instances}

    in_turn(roll)

    left = dict(places)
    for claim in roll.claims:
        by_zone = Counter(zone[name] for name in left)
        spare = [name for name in left if by_zone[zone[name]] > 1]
        assert claim.old == min(spare, key=places.__getitem__) if spare else max(by_zone.values()) == 1
        del left[claim.old]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.booleans())
def test_no_slot_is_left_without_an_instance_to_give_back(zones: Sequence[str], decrement: bool) -> None:  # noqa: FBT001
    """Once as many old ones are left as give back the surge, no other slot takes one; theirs begin where most are."""
    old = [replace(instance(n), zone=zone) for n, zone in enumerate(zones)]
    undo = originals(group(old), run(), target=TARGET, surge=len(old), moved=(MOVED,), now=NOW)

    turn = decide_turn(group(old), undo, [], decrement=decrement)

    assert turn.status == ("take" if decrement else "gone")
    assert turn.old is None or zones.count(turn.old.zone) == max(map(zones.count, zones))


counts = st.integers(1, 3)


@given(zones=zone_counts, size=group_sizes, canaries=counts, surge=counts, grown=st.integers(0, 3), seed=seeds)
def test_canaries_go_first_and_give_back_their_surge_before_the_others_follow(
    *, zones: int, size: int, canaries: int, surge: int, grown: int, seed: int
) -> None:
    """What an autoscaler adds during the bake is the group's, and stays when the last of the surge is given back.

    As balanced as without canaries, unless only some nodes are idle enough to be one.
    """
    roll = roll_of(zones, size, surge, seed, canaries)

    in_turn(roll)
    baked = roll.group
    assert (len(baked.instances), baked.desired) == (size, size)
    assert sum(one.ami == NEW for one in baked.instances) == min(canaries, size)
    roll.group = replace(baked, desired=size + grown)
    roll.widen(surge)
    in_turn(roll)
    while roll.launch():
        pass

    assert sorted(claim.old for claim in roll.claims) == sorted(roll.undo.order)
    assert (len(roll.group.instances), roll.group.desired) == (size + grown, size + grown)
    assert all(one.ami == NEW for one in roll.group.instances)
    assert owed_nodes(roll.group, roll.undo) == 0
    free = roll.undo.candidates == roll.undo.order and not grown
    assert roll.apart <= (1 if surge == canaries == 1 and free else 1 + surge)


@given(
    zones=zone_counts,
    size=group_sizes,
    canaries=st.integers(0, 3),
    surge=counts,
    steps=st.integers(0, 40),
    seed=seeds,
)
def test_from_any_moment_what_was_moved_goes_back_and_nothing_else(
    *, zones: int, size: int, canaries: int, surge: int, steps: int, seed: int
) -> None:
    """Nodes of the old version that had not gone stay; the group ends at its own size, and owes nothing."""
    roll = roll_of(zones, size, surge, seed, canaries)
    for _ in range(steps):
        if not overlapped(roll) and roll.undo.stage == "canary" and not roll.slots:
            roll.widen(surge)
    kept = {one.id for one in roll.group.instances if not roll.undo.is_ours(one)}

    roll.go_back(surge)
    moved = set(roll.undo.order)
    in_turn(roll)
    left = plan_shrink(roll.group, roll.undo, {i.id: "idle" for i in roll.group.instances if roll.undo.is_ours(i)})

    assert {claim.old for claim in roll.claims if claim.stage == "back"} == moved
    assert all(one.ami == OLD for one in roll.group.instances)
    assert kept <= {one.id for one in roll.group.instances}
    assert len(roll.group.instances) - len(left.terminate) == size == roll.group.desired - len(left.terminate)
