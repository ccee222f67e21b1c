"""The plan for the shares of a pool's GPUs: one step of the ladder at most, with a reason for the pool and each node.

Memory decides first, since sharing isolates it from nobody; then busy; then whether anybody needs more. To grow is the
risky direction, so what is to grow must have fitted for long and be wanted for a while; to shrink needs one look. The
same inputs make the same plan, and the same hash.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.brakes import throttled, why_frozen, why_hold, why_sick, why_silent
from gpuops.domain.slicing.nodes import Step, plan_nodes
from gpuops.domain.slicing.pool import KEPT_LOOKS, LADDER, SILENCE, Demand, Gpu, Past, Pool, PoolPlan, PoolState
from gpuops.domain.slicing.profile import Profile
from gpuops.domain.slicing.rungs import FULL_ODDS, Fit, fit_of

DAY = timedelta(days=1)
PRESSED, DEVIATIONS = 0.95, 2.0
"""A GPU whose memory is this full leaves a peak no room; so far beyond what the odds allow, it is the pool's."""
HOT, HOT_MINUTES = 0.9, 5
PERCENT = 100.0


@dataclass(frozen=True)
class Facts:
    """What of a pool decides about its rung."""

    fit: Fit
    allocated: float
    """Share of all shares of nodes with pods that the pods hold: empty nodes are an autoscaler's to take away."""
    looks: tuple[Past, ...]
    """With that of now as the last."""
    frozen: str
    pressed: str
    """Why the pods of now are too many already."""


def plan_pool(
    pool: Pool, profiles: Mapping[str, Profile], demand: Demand, policy: Rebalance, now: datetime
) -> PoolPlan:
    """Decide; nothing is changed here, and what the next plan must know is in the plan's `state`."""
    profiles = {name: profile.settled(policy.history_hours) for name, profile in profiles.items()}
    facts = _facts(pool, profiles, demand, policy, now)
    hold = why_hold(pool, now)
    step = Step("hold", pool.rung, hold) if hold else _step(pool, facts, demand, policy, now)
    changed = tuple(at for at in pool.state.changed if now - at < DAY)
    moved = step.rung != pool.rung
    state = PoolState(
        rung=step.rung,
        changed=(*changed, now) if moved else changed,
        looks=facts.looks,
        seen=now,
        throttled=throttled([gpu for node in pool.members for gpu in node.gpus]) if not hold else pool.state.throttled,
    )
    plan = PoolPlan(
        pool=pool.name,
        status=step.status,
        now=pool.rung,
        replicas=step.rung,
        reason=step.reason,
        fits=dict(facts.fit.why),
        nodes=tuple(plan_nodes(pool, step, profiles, policy, now)),
        spared_gpus=_spared(pool, step.rung),
        state=state,
    )
    return plan.model_copy(update={"hash": _hash(plan)})


def _facts(pool: Pool, profiles: Mapping[str, Profile], demand: Demand, policy: Rebalance, now: datetime) -> Facts:
    fit = fit_of(pool, profiles, policy)
    in_use = [node for node in pool.members if node.used]
    shares = sum(len(node.gpus) * node.replicas for node in in_use)
    allocated = sum(1 for node in in_use for _ in node.tenants) / shares if len(in_use) > 1 else 0.0
    crowded = demand.pending > 0 or allocated * PERCENT >= policy.crowded_percent
    judged = [gpu for node in pool.members if not why_silent(node, now) and not why_sick(node) for gpu in node.gpus]
    shared = [gpu for gpu in judged if len(gpu.tenants) > 1]
    look = Past(at=now, fits=fit.highest, crowded=crowded, hot=_hot(shared))
    return Facts(fit, allocated, _looks(pool.state, look), why_frozen(judged, pool), _why_full(shared))


def _looks(state: PoolState, look: Past) -> tuple[Past, ...]:
    """The looks so far and this one; those that say the same are one, and a long silence begins anew."""
    past = state.looks if state.seen is not None and look.at - state.seen <= SILENCE else ()
    if past and past[-1].model_copy(update={"at": look.at}) == look:
        return past
    return (*past, look)[-KEPT_LOOKS:]


def _hot(shared: Sequence[Gpu]) -> bool:
    return bool(shared) and sum(gpu.sample.busy_ratio or 0.0 for gpu in shared) >= HOT * len(shared)


def _why_full(shared: Sequence[Gpu]) -> str:
    """Why the pods of now are too many already; that some GPUs are full is what the odds allow.

    Their number spreads as rare events do: of 2 shared GPUs one is too many, of 18 two, of 100 five.
    """
    full = [gpu for gpu in shared if (gpu.sample.memory_used_mib or 0) > PRESSED * (gpu.sample.memory_total_mib or 0)]
    allowed = FULL_ODDS * len(shared)
    few = len(full) <= allowed + DEVIATIONS * math.sqrt(allowed)
    return "" if few else f"{len(full)} of {len(shared)} shared GPUs are full to more than {PRESSED:.0%}"


def _step(pool: Pool, facts: Facts, demand: Demand, policy: Rebalance, now: datetime) -> Step:
    """One step down for safety, one up for want, or none."""
    rung, fit = pool.rung, facts.fit
    cooling = [at for at in pool.state.changed if now - at < timedelta(minutes=policy.cool_down_minutes)]
    lower = max((step for step in LADDER if step < rung), default=1)
    if rung > fit.highest:
        first = next(step for step in LADDER if fit.why.get(step))
        return Step("shrink", lower, fit.why[first])
    if rung > 1 and not cooling and (why := facts.pressed or _why_hot(facts.looks, now)):
        return Step("shrink", lower, why)
    higher = next((step for step in LADDER if step > rung), 0)
    if why := _why_not_grow(higher, facts, policy, now) if higher else f"{rung} is the highest rung":
        return Step("keep", rung, f"{demand.pending} pods wait; {why}" if demand.pending else why)
    if cooling:
        return Step("keep", rung, f"its shares changed at {cooling[-1].isoformat()}: it cools down")
    if len([at for at in pool.state.changed if now - at < DAY]) >= policy.changes_per_day:
        return Step("keep", rung, f"its shares changed {policy.changes_per_day} times within a day")
    wanted = f"{demand.pending} pods wait" if demand.pending else f"pods hold {facts.allocated:.0%} of its shares"
    return Step("grow", higher, f"{wanted}, and {higher} fit")


def _why_hot(looks: Sequence[Past], now: datetime) -> str:
    if not looks[-1].hot or _not_for_long(looks, HOT_MINUTES, now, lambda look: look.hot):
        return ""
    return f"its shared GPUs have been more than {HOT:.0%} busy for {HOT_MINUTES} minutes"


def _why_not_grow(higher: int, facts: Facts, policy: Rebalance, now: datetime) -> str:
    """Why the pool stays at its rung; empty where it may take the next one."""
    if why := facts.fit.why[higher]:
        return why
    if facts.frozen:
        return facts.frozen
    if not facts.looks[-1].crowded:
        return f"nobody needs more: pods hold {facts.allocated:.0%} of its shares"
    if why := _not_for_long(facts.looks, policy.crowded_minutes, now, lambda look: look.crowded):
        return f"it has been crowded {why}"
    why = _not_for_long(facts.looks, policy.grow_minutes, now, lambda look: look.fits >= higher)
    return f"{higher} have fitted {why}" if why else ""


def _not_for_long(looks: Sequence[Past], minutes: int, now: datetime, holds: Callable[[Past], bool]) -> str:
    """Empty where it held in every look for so long."""
    since = now
    for look in reversed(looks):
        if not holds(look):
            break
        since = look.at
    lasted = now - since
    return "" if lasted >= timedelta(minutes=minutes) else f"for {lasted.total_seconds() / 60:.0f} of {minutes} minutes"


def _spared(pool: Pool, rung: int) -> float:
    """GPUs that the pods of now need less at the rung that is decided than alone on a GPU each."""
    held = sum(1 for node in pool.members for tenant in node.tenants if not tenant.exclusive)
    return float(held - math.ceil(held / rung))


def _hash(plan: PoolPlan) -> str:
    """Of what is decided and why; times of the state would make each look another plan."""
    body = plan.model_dump(mode="json", exclude={"state", "hash"})
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
