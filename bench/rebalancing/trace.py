"""Real load, rescaled to the hours that are replayed: who arrives when, for how long, and which series he follows.

The series of GPU memory and duty cycle have about one value a minute; a minute takes the newest that is not later than
it. The pods' list spans months, and its first arrivals are months apart: time begins where half a percent of the
sharing pods have arrived, and those before are there from the start. Lifetimes are stretched by one factor, so that on
average `concurrent` pods run at once.
"""

import csv
import gzip
import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
WHOLE_MILLI = 1000
HEAD = 0.005
"""Share of the arrivals that are taken for the ones before the beginning."""
SHORTEST_MINUTES = 1.0
HALVINGS = 50
Rows = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Load:
    """What one container uses, minute by minute; None before its first value and after its last."""

    memory_mib: Sequence[int | None]
    busy: Sequence[float | None]

    def runs_at(self, minute: int) -> bool:
        """Whether its series has a value then."""
        return self.memory_mib[minute] is not None


@dataclass(frozen=True)
class Arrival:
    """One pod: when it comes, how long it lives undisturbed, what it asks for, whose load it has."""

    id: int
    minute: int
    minutes: float
    cpu_milli: int
    memory_mib: int
    workload: str


@dataclass(frozen=True)
class Replay:
    """Everything that happens from outside, known in full only to whoever looks back."""

    minutes: int
    warm_up: int
    """Minutes at the beginning that count for nothing."""
    arrivals: Sequence[Arrival]
    loads: Mapping[str, Load]

    @property
    def profiled(self) -> frozenset[str]:
        """Workloads that ran throughout the warm-up: whoever looked could have measured them."""
        return frozenset(name for name, load in self.loads.items() if None not in load.memory_mib[: self.warm_up])


def read_rows(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Return each container's values in the order of time, in seconds.

    Raises: OSError, ValueError or KeyError for a file that has other columns.
    """
    rows: dict[str, list[tuple[float, float]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["container"], []).append((float(row["timestamp_seconds"]), float(row["value"])))
    return {name: sorted(values) for name, values in rows.items()}


def loads_of(duty: Rows, memory: Rows, first_hour: float, minutes: int) -> dict[str, Load]:
    """Return the load of every container that has both series within these hours."""
    loads = {}
    for name in sorted(duty.keys() & memory.keys()):
        used = list(_by_minute(memory[name], first_hour * 3600, minutes))
        busy = list(_by_minute(duty[name], first_hour * 3600, minutes))
        if any(value is not None for value in used):
            mib = [None if value is None else int(value / MIB) for value in used]
            loads[name] = Load(mib, [None if value is None else value / 100 for value in busy])
    return loads


def _by_minute(values: Sequence[tuple[float, float]], start: float, minutes: int) -> Iterator[float | None]:
    """The newest value at each minute; nothing once the series has ended for more than two of its steps."""
    times = [at for at, _ in values]
    for minute in range(minutes):
        at = start + minute * 60
        place = bisect_right(times, at) - 1
        yield values[place][1] if place >= 0 and at - times[place] <= 2 * 60 else None


def read_pods(path: Path) -> list[tuple[float, float, int, int]]:
    """Return (arrival, lifetime, cpu, memory) of the pods that ask for a part of one GPU, in the order of arrival."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [
            (
                float(row["creation_time"]),
                float(row["deletion_time"]) - float(row["creation_time"]),
                int(row["cpu_milli"]),
                int(row["memory_mib"]),
            )
            for row in csv.DictReader(file)
            if row["num_gpu"] == "1" and int(row["gpu_milli"]) < WHOLE_MILLI and row["deletion_time"]
        ]
    return sorted(found)


def arrivals_of(
    pods: Sequence[tuple[float, float, int, int]], loads: Mapping[str, Load], minutes: int, concurrent: int, seed: int
) -> list[Arrival]:
    """Return the arrivals on the replay's clock; each pod follows a container that runs when it comes."""
    start = pods[int(len(pods) * HEAD)][0]
    scale = minutes / (max(at + lived for at, lived, _, _ in pods) - start)
    times = [(max(0.0, (at - start) * scale), (lived - max(0.0, start - at)) * scale) for at, lived, _, _ in pods]
    factor = _stretch([(at, lived) for at, lived in times if lived >= 0], minutes, concurrent)
    dice = random.Random(seed)  # noqa: S311 - a replay must repeat itself
    arrivals: list[Arrival] = []
    for (at, lived), (_, _, cpu, memory) in zip(times, pods, strict=True):
        running = [name for name, load in loads.items() if load.runs_at(int(at))] if at < minutes else []
        if lived >= 0 and running:
            life = max(lived * factor, SHORTEST_MINUTES)
            arrivals.append(Arrival(len(arrivals), int(at), life, cpu, memory, dice.choice(running)))
    return arrivals


def _stretch(times: Sequence[tuple[float, float]], minutes: int, concurrent: int) -> float:
    """The factor on lifetimes by which `concurrent` pods run on average; found by halving."""
    low, high = 1e-6, 1e6
    for _ in range(HALVINGS):
        factor = math.sqrt(low * high)
        lived = sum(min(max(life * factor, SHORTEST_MINUTES), minutes - at) for at, life in times if at < minutes)
        low, high = (low, factor) if lived > concurrent * minutes else (factor, high)
    return factor
