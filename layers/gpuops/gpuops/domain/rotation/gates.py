"""The gates of a rotation, in the order in which they are asked: the first that holds gives the reason.

A gate is a pure function from the situation and the time to why it is closed, or to None when it is open. One more
gate is one more function and its place in GATES; what it looks at stands in `situation.py`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from gpuops.domain.rotation.closed import Closed
from gpuops.domain.rotation.fact_gates import first_refusal
from gpuops.domain.rotation.move import why_no_move
from gpuops.domain.rotation.nodegroup import busy, never
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.strategy import IN_PLACE
from gpuops.domain.rotation.windows import next_opening, wall_clock

LAUNCH = "Launch"
"""The process of an Auto Scaling group that launches its instances."""
STATE_BYTES = 200 * 1024
"""Of the 256 KiB that a state of Step Functions may carry; the rest is for what is not said of each node."""
NODE_BYTES = 190
"""What the plan and its result say of a node as JSON, apart from why it has its place and which gang it waits with."""

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


def gate_size(situation: Situation, _now: datetime) -> Closed | None:
    """A run whose state outgrows what Step Functions carries would die in the middle."""
    loads = situation.loads
    size = sum(NODE_BYTES + len(load.reason.encode()) + len(load.gang.encode()) for load in loads)
    if size <= STATE_BYTES:
        return None
    why = f"{len(loads)} nodes need {size >> 10} KiB of state, and a run carries {STATE_BYTES >> 10}"
    return Closed(f"{why}: make it two groups", never=True)


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
    gate_size,
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
