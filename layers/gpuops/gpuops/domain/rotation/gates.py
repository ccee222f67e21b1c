"""The gates of a rotation, in the order in which they are asked: the first that holds gives the reason.

A gate is a pure function from the situation and the time to why it is closed, or to None when it is open. One more
gate is one more function and its place in GATES; what it looks at stands in `Situation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.closed import Closed
from gpuops.domain.rotation.fact_gates import first_refusal
from gpuops.domain.rotation.facts import NO_FACTS, Facts
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.move import MovePlan, why_no_move
from gpuops.domain.rotation.nodegroup import Nodegroup, busy, never
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.strategy import IN_PLACE, NOTHING_KNOWN, SWAP_UNKNOWN, Room, Swap
from gpuops.domain.rotation.target import Target
from gpuops.domain.rotation.windows import next_opening, wall_clock
from gpuops.domain.rotation.wish import GlobalStop

__all__ = ["GATES", "LAUNCH", "Closed", "Gate", "Situation", "Target", "first_closed"]

LAUNCH = "Launch"
"""The process of an Auto Scaling group that launches its instances."""


@dataclass(frozen=True)
class Situation:
    """Everything that the decision looks at."""

    group: Group
    policy: GroupPolicy
    target: Target
    template_amis: frozenset[str]
    """Images that the group would launch now: of its templates and of their overrides."""
    loads: Sequence[NodeLoad]
    """One for each staying instance that does not run the target."""
    adds_startup_taint: bool
    seen: datetime
    """When the release was first known to us."""
    stop: GlobalStop | None = None
    """The global stop, where it stands and is not waited out."""
    condemned: str | None = None
    """Why the release is held to be bad in this group; None, too, where a person ordered it nevertheless."""
    facts: Facts = NO_FACTS
    """What is known of the target and of what the group needs."""
    ringing: str | None = None
    """Which alarms of the policy ring before anything has begun."""
    gone: str | None = None
    """How it shows that the target's image cannot be launched at all."""
    withdrawn: str | None = None
    """How it shows that who published the target took it back."""
    older: str | None = None
    """Why the group would go backwards with it."""
    unrestored: str | None = None
    """Name of another run whose change of this group has not been put back yet."""
    broken: str | None = None
    """What failed in this group so often that it is not tried again."""
    full: str | None = None
    """Why no further node of the fleet may be closed now."""
    nodegroup: Nodegroup | None = None
    """The managed node group that the policy names, or that has followed it; of two, the one that nodes leave."""
    move: MovePlan | None = None
    """Between which node groups the nodes are to move."""
    namesake: Nodegroup | None = None
    """The node group that has the name of the one to be made."""
    room: Room = NOTHING_KNOWN
    """What is known of whether more instances could be had; looked at where the policy says `auto`."""
    swap: Swap = SWAP_UNKNOWN
    """Whether instances could get another root volume; looked at there, too, and where the policy wants that."""


Gate = Callable[[Situation, datetime], Closed | None]


def gate_originals_put_back(situation: Situation, _now: datetime) -> Closed | None:
    """Originals that nobody restored would be overwritten by ours."""
    first = situation.unrestored
    return Closed(f"run {first} has the group: its change is not put back yet", holder=first) if first else None


def gate_condemned(situation: Situation, _now: datetime) -> Closed | None:
    """What was rolled back once would be rolled back again, once a day: a person has to say that it is another try."""
    hint = f"to try it again: an order for {situation.policy.group} that names {situation.target.ami}"
    return Closed(f"{situation.condemned}; {hint}") if situation.condemned else None


def gate_facts(situation: Situation, _now: datetime) -> Closed | None:
    """Kubernetes' skew, boards, driver and CUDA: what they refuse would break nodes or workloads."""
    return first_refusal(situation.facts, situation.policy)


def gate_alarms(situation: Situation, _now: datetime) -> Closed | None:
    """An alarm that rings already would be taken for the release's doing, and the release for bad."""
    return Closed(f"{situation.ringing}, before anything has begun") if situation.ringing else None


def gate_withdrawn_or_older(situation: Situation, _now: datetime) -> Closed | None:
    """Nobody goes back by accident: what is taken back had a reason, and an older driver may fail a workload."""
    release = situation.target.release
    if situation.gone:
        return Closed(f"{release} cannot be launched: {situation.gone}", never=True)
    if situation.policy.allow_downgrade:
        return None
    if situation.withdrawn:
        return Closed(f"{release} is withdrawn: {situation.withdrawn} (allow_downgrade would roll to it)", never=True)
    if situation.older:
        return Closed(f"{release} goes backwards: {situation.older} (allow_downgrade would roll to it)", never=True)
    return None


def gate_managed(situation: Situation, _now: datetime) -> Closed | None:
    """What EKS manages only EKS may update, one thing at a time, and not to everything."""
    nodegroup, move, release = situation.nodegroup, situation.move, situation.target.release
    why = never(nodegroup, situation.group, situation.policy, release)
    if not why and move and nodegroup:
        why = why_no_move(move, situation.group, nodegroup, situation.namesake, release)
    at_work = busy(nodegroup) if nodegroup and not why else None
    return Closed(why, never=True) if why else Closed(at_work) if at_work else None


def gate_hold_days(situation: Situation, now: datetime) -> Closed | None:
    """A release may still be withdrawn: AWS marked two of 37 as abandoned in a year (amazon-eks-ami's changelog)."""
    until = situation.seen + timedelta(days=situation.policy.hold_days)
    reason = f"held for {situation.policy.hold_days} days, until {until.isoformat()}"
    return Closed(reason, until=until) if now < until else None


def gate_breaker(situation: Situation, _now: datetime) -> Closed | None:
    """What failed twice in a row would fail a third time, on a node that served."""
    return Closed(f"the breaker of {situation.group.name} is open: {situation.broken}") if situation.broken else None


def gate_budget(situation: Situation, _now: datetime) -> Closed | None:
    """A roll that may close no node now would pay for its surge to wait."""
    return Closed(situation.full) if situation.full and situation.loads else None


def gate_launches(situation: Situation, _now: datetime) -> Closed | None:
    """Without new instances no slot finds its newcomer; an operator suspended them, or our breaker did."""
    if LAUNCH not in situation.group.suspended or not situation.loads:
        return None
    return Closed(f"the {LAUNCH} process of {situation.group.name} is suspended: no new instance would come")


def gate_floor(situation: Situation, _now: datetime) -> Closed | None:
    """Where no node comes before an old one is out of service, a floor at the group's size would let none go, ever."""
    policy, size = situation.policy, situation.group.desired
    if policy.strategy not in {"terminate_first", IN_PLACE} or not situation.loads:
        return None
    floor = policy.floor.of(size, policy.surge)
    return Closed(f"a floor of {floor} leaves no node of {size} to begin with", never=True) if floor >= size else None


def gate_root_volume(situation: Situation, _now: datetime) -> Closed | None:
    """What EC2 would refuse of an emptied node is said before a node is emptied."""
    why = situation.swap.why_not if situation.policy.strategy == IN_PLACE else None
    return Closed(why, never=True) if why and situation.loads else None


def gate_global_stop(situation: Situation, _now: datetime) -> Closed | None:
    """Nothing is begun while an operator has stopped the stack; a run that has begun waits it out by itself."""
    return Closed(situation.stop.said) if situation.stop else None


def gate_window(situation: Situation, now: datetime) -> Closed | None:
    """Outside the group's windows no node is replaced. Asked last: what is left to wait for is the clock alone."""
    policy = situation.policy
    opens = next_opening(policy.windows, policy.time_zone, now)
    if opens == now or policy.mode != "apply":
        return None
    return Closed(f"outside its windows until {wall_clock(policy.time_zone, opens)}", until=opens, planned=True)


GATES: tuple[Gate, ...] = (
    gate_originals_put_back,
    gate_global_stop,
    gate_managed,
    gate_condemned,
    gate_withdrawn_or_older,
    gate_alarms,
    gate_facts,
    gate_breaker,
    gate_budget,
    gate_launches,
    gate_floor,
    gate_root_volume,
    gate_hold_days,
    gate_window,
)


def first_closed(situation: Situation, now: datetime) -> Closed | None:
    """Return why the first gate that is closed is closed, or None."""
    return next((closed for gate in GATES if (closed := gate(situation, now))), None)
