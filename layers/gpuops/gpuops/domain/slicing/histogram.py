"""How often a workload used how much: a histogram that forgets, small enough for one item of a table.

As the recommender of Kubernetes' vertical-pod-autoscaler has it: buckets that grow by five percent, and weights that
halve with age, so that an old value counts less without ever being looked at again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

GROWTH = 1.05
HALF_LIFE = timedelta(hours=24)
LARGEST = 400
"""Buckets above are one: 1.05 ** 400 is beyond any GPU, in MiB and in thousandths."""
TINY = 1e-6
"""A bucket lighter than this share of the whole is dropped."""


@dataclass(frozen=True)
class Histogram:
    """Weights by bucket, as they were worth at `at`; the bucket of a value is the logarithm of it, rounded up."""

    at: datetime | None = None
    weights: Mapping[int, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The whole weight."""
        return sum(self.weights.values())

    def add(self, value: float, at: datetime) -> "Histogram":
        """Return the histogram with one more value; one that is older than the newest counts as new."""
        moment = at if self.at is None else max(at, self.at)
        fade = 1.0 if self.at is None else 0.5 ** ((moment - self.at) / HALF_LIFE)
        weights = {bucket: weight * fade for bucket, weight in self.weights.items()}
        bucket = bucket_of(value)
        weights[bucket] = weights.get(bucket, 0.0) + 1.0
        floor = TINY * sum(weights.values())
        return Histogram(moment, {b: weight for b, weight in weights.items() if weight >= floor})

    def percentile(self, percent: float) -> float:
        """Return the upper end of the bucket below which so many percent of the weight lie; 0 for no values."""
        wanted, seen = self.total * percent / 100, 0.0
        for bucket in sorted(self.weights):
            seen += self.weights[bucket]
            if seen >= wanted * (1 - TINY):
                return upper_end(bucket)
        return 0.0

    @property
    def mean(self) -> float:
        """The mean of the buckets' upper ends; 0 for no values."""
        total = self.total
        return sum(upper_end(b) * weight for b, weight in self.weights.items()) / total if total else 0.0


def bucket_of(value: float) -> int:
    """The bucket of a value; 0 holds everything up to 1."""
    return 0 if value <= 1 else min(LARGEST, math.ceil(math.log(value, GROWTH) - TINY))


def upper_end(bucket: int) -> float:
    """The largest value of a bucket."""
    return GROWTH**bucket if bucket else 1.0
