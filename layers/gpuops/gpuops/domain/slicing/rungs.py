"""Which rungs of the ladder fit a pool: memory decides first, then how busy its workloads keep a GPU.

A rung fits when so many pods of the pool, as they may meet on one GPU, exceed its memory in less than one of 200
five-minute windows, the allowed part of it in less than one of 50, and stay under the allowed busy in 85 of 100
looks. A workload that is not known is half taken to be like the others.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.gather import tells_pods_apart
from gpuops.domain.slicing.odds import Spread, odds_above, values_of
from gpuops.domain.slicing.pool import LADDER, Pool
from gpuops.domain.slicing.profile import THOUSANDTHS, Profile

OVER_ODDS, FULL_ODDS, BUSY_ODDS = 0.005, 0.02, 0.15
"""Of windows: above all of the memory, above the allowed part of it; of looks: above the allowed busy. The pools of the
benchmark are told apart by a wide margin: 0.2 percent are above 90 where a rung fits, 50 where the next does not."""
SLACK = 2.0
"""A rung that the pool has may be so much worse than one that it might take: else it would go to and fro."""
BLIND_RUNG = 2
"""The most shares where nobody knows which pod uses what."""
PEAK_PERCENT = 99.0
PERCENT = 100.0


@dataclass(frozen=True)
class Fit:
    """Why each rung does not fit; empty words where it does. And what the pool's pods are like."""

    why: Mapping[int, str]
    unknown: int = 0
    """Workloads on it that have not been measured for long enough."""

    @property
    def highest(self) -> int:
        """The highest rung below which all fit; alone on a GPU a pod is nobody's harm."""
        allowed = 1
        for rung in LADDER:
            if self.why.get(rung):
                break
            allowed = rung
        return allowed


def fit_of(pool: Pool, profiles: Mapping[str, Profile], policy: Rebalance) -> Fit:
    """Judge every rung of the ladder for the pods that are in the pool now."""
    counts = pods_by_workload(pool)
    if not counts:
        return Fit({rung: "" if rung <= pool.rung else "no pod of it has been measured" for rung in LADDER})
    seen = {name: profiles[name] for name in sorted(counts) if name in profiles}
    known = {name: profile for name, profile in seen.items() if profile.known(policy.history_hours)}
    memory = _memory(counts, seen, known, usable_mib(pool))
    busy = [Spread(counts[name] / counts.total(), values_of(profile.busy.value)) for name, profile in seen.items()]
    odds = Odds(
        over=odds_above(usable_mib(pool), memory, LADDER[-1]),
        full=odds_above(usable_mib(pool) * policy.memory_percent / PERCENT, memory, LADDER[-1]),
        busy=odds_above(policy.busy_percent / PERCENT * THOUSANDTHS, busy, LADDER[-1]),
        largest_mib=max((peak_of(profile) for profile in seen.values()), default=0.0),
    )
    slack = {rung: SLACK if rung <= pool.rung else 1.0 for rung in LADDER}
    why = {rung: _why(rung, odds, slack[rung], policy) for rung in LADDER}
    if not tells_pods_apart(pool):
        blind = "the exporter does not tell pods on one GPU apart"
        why |= {rung: why[rung] or blind for rung in LADDER if rung > BLIND_RUNG}
    return Fit(why | {1: ""}, len(counts) - len(known))


@dataclass(frozen=True)
class Odds:
    """How likely so many pods, from one on, do each harm; and the largest peak that was seen."""

    over: Sequence[float]
    full: Sequence[float]
    busy: Sequence[float]
    largest_mib: float


def peak_of(profile: Profile) -> float:
    """What a workload needs at its peak, in MiB: what it declares, or what it was seen to use, if that is more."""
    seen = max(profile.memory.value.percentile(PEAK_PERCENT), profile.peak_mib)
    return max(seen, float(profile.declared_mib or 0), profile.short_mib)


def usable_mib(pool: Pool) -> float:
    """What the smallest GPU of the pool has for pods."""
    totals = [
        (gpu.sample.memory_total_mib or 0) - (gpu.sample.memory_reserved_mib or 0)
        for node in pool.members
        for gpu in node.gpus
    ]
    return float(min(totals, default=0))


def pods_by_workload(pool: Pool) -> Counter[str]:
    """How many pods each workload has on GPUs that may be shared."""
    return Counter(t.workload for node in pool.members for t in node.tenants if not t.exclusive)


def _memory(
    counts: Counter[str], seen: Mapping[str, Profile], known: Mapping[str, Profile], usable: float
) -> list[Spread]:
    """How each workload's peaks are spread; what is not known long enough is half like the others, half as seen."""
    spreads = {name: _peaks(profile) for name, profile in seen.items()}
    pods = sum(counts[name] for name in known)
    others = _mixed([(spreads[name], counts[name] / pods) for name in known]) if known else {usable: 1.0}
    for name in counts:
        own = spreads.get(name) or others
        firm = name in known or (name in seen and seen[name].short_mib > 0)
        spreads[name] = own if firm else _mixed([(own, 0.5), (others, 0.5)])
    return [Spread(counts[name] / counts.total(), spreads[name]) for name in sorted(counts)]


def _mixed(parts: Iterable[tuple[Mapping[float, float], float]]) -> dict[float, float]:
    """One spread out of several, each with its weight."""
    mixed: dict[float, float] = {}
    for values, weight in parts:
        for value, probability in values.items():
            mixed[value] = mixed.get(value, 0.0) + weight * probability
    return mixed


def _peaks(profile: Profile) -> dict[float, float]:
    """A workload that declares its memory is taken at its word, unless it was seen to need more, or fell with as much.

    Of one that is new the five minutes that are not over are all that is known: without them anything would fit.
    """
    measured = values_of(profile.memory.value) or {profile.peak_mib: 1.0}
    least = max(float(profile.declared_mib or 0), profile.short_mib)
    return {max(least, *measured): 1.0} if least else measured


def _why(rung: int, odds: Odds, slack: float, policy: Rebalance) -> str:
    """Memory first: it kills, while busy only slows down."""
    over, full, busy = odds.over[rung - 1], odds.full[rung - 1], odds.busy[rung - 1]
    if over > OVER_ODDS * slack or full > FULL_ODDS * slack:
        share, chance = (100.0, over) if over > OVER_ODDS * slack else (policy.memory_percent, full)
        return (
            f"{rung} pods exceed {share:g}% of a GPU's memory in {chance:.1%} of five-minute windows"
            f" (the largest workload peaks at {odds.largest_mib:.0f} MiB)"
        )
    if busy > BUSY_ODDS * slack:
        return f"{rung} pods keep a GPU above {policy.busy_percent:g}% busy in {busy:.0%} of looks"
    return f"{rung} is above the policy's {policy.most}" if rung > policy.most else ""
