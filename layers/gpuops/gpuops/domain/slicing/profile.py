"""What is known of one workload: its peaks of memory and how busy it keeps a GPU, over all of its pods.

A workload is an owner (a Deployment, a Job's template), not a pod: pods come and go, and the next one will be like the
last. The body that is stored bears a version, so that a later gpuops knows what it reads.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.slicing.histogram import Histogram

WINDOW = timedelta(minutes=5)
MORE = 1.2
"""As much more than what was too little is tried next, as the vertical-pod-autoscaler does after an out-of-memory."""
PERCENT = 100.0
THOUSANDTHS = 1000
"""Of a GPU's time: the unit of the histogram of busy."""


class Stored(BaseModel):
    """A histogram as it is stored."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime | None = None
    weights: dict[int, float] = {}

    @property
    def value(self) -> Histogram:
        """The histogram itself."""
        return Histogram(self.at, self.weights)

    @classmethod
    def of(cls, histogram: Histogram) -> Self:
        """The same, to be stored."""
        return cls(at=histogram.at, weights=dict(histogram.weights))


class Profile(BaseModel):
    """One workload's history."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    workload: str
    first: AwareDatetime
    """Of the first value."""
    last: AwareDatetime
    memory: Stored = Stored()
    """Of the largest value in five minutes of any of its pods, in MiB."""
    busy: Stored = Stored()
    """Of every value, in thousandths of a GPU."""
    window: AwareDatetime
    """Beginning of the five minutes that are not over."""
    peak_mib: float = 0.0
    """The largest value in them."""
    declared_mib: int | None = None
    """What its owner says that it needs at most."""
    short_mib: float = 0.0
    """What it needs at least, since a pod of it fell where less was free; 0 where none did."""

    def known(self, hours: float) -> bool:
        """Whether it was measured for so long, or need not be."""
        return self.declared_mib is not None or self.measured(hours)

    def measured(self, hours: float) -> bool:
        """Whether it was seen for so long, whatever its owner says of it."""
        return self.last - self.first >= timedelta(hours=hours)

    def settled(self, hours: float) -> Self:
        """The same for a plan: once it was measured for so long, what it was seen to use is all that counts."""
        return self.model_copy(update={"short_mib": 0.0}) if self.short_mib and self.measured(hours) else self


def observe(
    profile: Profile | None, workload: str, at: datetime, memory_mib: float | None, busy: float | None
) -> Profile:
    """Return the profile with one more look at one of its pods; None for what the look could not tell."""
    before = profile or Profile(workload=workload, first=at, last=at, window=at)
    changed: dict[str, Any] = {"last": max(at, before.last)}
    if at - before.window >= WINDOW:
        if before.peak_mib:
            changed["memory"] = Stored.of(before.memory.value.add(before.peak_mib, before.window))
        changed |= {"window": at, "peak_mib": memory_mib or 0.0}
    elif memory_mib is not None:
        changed["peak_mib"] = max(memory_mib, before.peak_mib)
    if busy is not None:
        changed["busy"] = Stored.of(before.busy.value.add(busy * THOUSANDTHS, at))
    return before.model_copy(update=changed)


def fall(profile: Profile | None, workload: str, at: datetime, free_mib: float, hours: float) -> Profile:
    """Return the profile after a pod of it fell on a shared GPU that had so much memory left.

    It counts as too little, unless the workload was measured for so many hours and lived with less: that one fell for
    another reason. A look says nothing of that: the model may have been half loaded. So before it is measured its
    history begins anew with each fall, else looks between falls would make it one that needs no more than they saw.
    """
    before = profile or Profile(workload=workload, first=at, last=at, window=at)
    peak = max(before.memory.value.percentile(PERCENT), before.peak_mib)
    if 0 < peak <= free_mib and before.measured(hours):
        return before
    begun = before.first if before.measured(hours) else at
    return before.model_copy(update={"short_mib": max(before.short_mib, MORE * free_mib), "first": begun})


def learn(
    profiles: Mapping[str, Profile],
    looks: Mapping[str, tuple[float | None, float | None]],
    falls: Mapping[str, float],
    at: datetime,
    hours: float,
) -> dict[str, Profile]:
    """Return the profiles after a look at all: by workload, its largest memory and its mean busy.

    And after the falls that were seen at it: by workload, how much memory was free.
    """
    seen = {name: observe(profiles.get(name), name, at, memory, busy) for name, (memory, busy) in looks.items()}
    learnt = {**profiles, **seen}
    return learnt | {name: fall(learnt.get(name), name, at, free, hours) for name, free in falls.items()}
