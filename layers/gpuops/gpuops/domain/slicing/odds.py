"""How likely the pods that meet on one GPU exceed it together: sums of what their workloads' histograms say.

Peaks of different workloads are taken for independent; those of one workload for simultaneous, since its pods serve the
same requests. Both count by how often they meet: a pool of one workload is judged by n times its peak alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuops.domain.slicing.histogram import Histogram, upper_end

GRID = 100
"""Steps from nothing to the limit; whatever is above it falls into one more."""
SCALE, FIELD = 2**40, 12
"""A probability as a whole number, and the bytes that a sum of products of two takes."""
HOPELESS = 0.5
"""Where so much is too much already, one more is not reckoned."""
Mass = Sequence[float]
"""Probability by step; GRID + 2 of them."""


@dataclass(frozen=True)
class Spread:
    """One workload's part of the pool: its share of the pods, and how its values are spread."""

    share: float
    values: Mapping[float, float]
    """Probability by value."""


def values_of(histogram: Histogram) -> dict[float, float]:
    """Return the histogram as probabilities by value, each at its bucket's upper end."""
    total = histogram.total
    return {upper_end(bucket): weight / total for bucket, weight in histogram.weights.items()} if total else {}


def odds_above(limit: float, spreads: Sequence[Spread], most: int) -> list[float]:
    """Return for 1 to `most` pods on one GPU how likely they exceed it together; no less than that."""
    one = _mass(limit, spreads)
    odds, total = [one[-1]], list(one)
    alike = sum(spread.share**2 for spread in spreads)
    for pods in range(2, most + 1):
        if odds[-1] > HOPELESS:
            odds.append(odds[-1])
            continue
        total = _add(total, one)
        together = sum(s.share * p for s in spreads for value, p in s.values.items() if pods * value > limit)
        twins = min(1.0, alike * pods * (pods - 1) / 2)
        odds.append((1 - twins) * total[-1] + twins * together)
    return odds


def _mass(limit: float, spreads: Sequence[Spread]) -> list[float]:
    """One pod of the pool; values are rounded up, so that no sum is taken for less than it is."""
    mass = [0.0] * (GRID + 2)
    for spread in spreads:
        for value, probability in spread.values.items():
            step = min(GRID + 1, -int(-value * GRID // limit)) if limit > 0 else GRID + 1
            mass[step] += spread.share * probability
    return mass


def _add(first: Mass, second: Mass) -> list[float]:
    """The sum of two that know nothing of each other: a product of polynomials, and so of two long numbers.

    Each step has a field of its own in the number, wide enough for every product; a multiplication of whole numbers
    is a hundred times as fast as the loops that it stands for.
    """
    product = (_number(first) * _number(second)).to_bytes(2 * FIELD * (GRID + 2), "little")
    steps = [
        int.from_bytes(product[at : at + FIELD], "little") / SCALE**2 for at in range(0, 2 * FIELD * (GRID + 2), FIELD)
    ]
    return [*steps[: GRID + 1], sum(steps[GRID + 1 :])]


def _number(mass: Mass) -> int:
    return int.from_bytes(b"".join(round(p * SCALE).to_bytes(FIELD, "little") for p in mass), "little")
