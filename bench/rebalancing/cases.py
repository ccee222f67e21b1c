"""Loads that are made to hurt, beside the recorded ones: each from a seed, each for one weakness of a planner."""

import math
import random
from collections.abc import Callable, Mapping

from bench.rebalancing.trace import Arrival, Load, Replay

GIB = 1024
WARM_UP, MINUTES = 90, 270
PODS, LIVES = 24, 1e6
"""So many pods for the whole replay, in cases where pods are not the point."""
CPU_MILLI, MEMORY_MIB = 4000, 16384


def meeting_peaks(seed: int) -> Replay:
    """Pairs whose memory peaks meet: every workload doubles its memory in the same five minutes of an hour."""
    dice = random.Random(seed)  # noqa: S311 - a case must repeat itself
    loads = {}
    for place in range(PODS):
        used = 24 * GIB + dice.randrange(2 * GIB)
        memory = [used + (22 * GIB if minute % 60 in range(30, 35) else 0) for minute in range(MINUTES)]
        loads[f"peak-{place}"] = Load(memory, [0.1] * MINUTES)
    return _steady(loads)


def sudden_model(seed: int) -> Replay:
    """A large model comes suddenly: after three hours half of the arrivals need three quarters of 80 GiB each."""
    dice = random.Random(seed)  # noqa: S311
    small = {f"small-{i}": _flat(12 * GIB + dice.randrange(GIB), 0.1) for i in range(PODS)}
    loads = small | {"large": _flat(60 * GIB, 0.3)}
    late = [_arrival(PODS + i, 200 + i, "large" if i % 2 else f"small-{i}") for i in range(PODS // 2)]
    return Replay(MINUTES, WARM_UP, [*_all_of(small), *late], loads)


def flash_crowd(seed: int) -> Replay:
    """A flash crowd: four times the pods within ten minutes, gone after half an hour."""
    dice = random.Random(seed)  # noqa: S311
    loads = {f"web-{i}": _flat(8 * GIB + dice.randrange(4 * GIB), 0.15) for i in range(PODS)}
    crowd = [_arrival(PODS + i, 200 + i % 10, f"web-{i % PODS}", lives=30) for i in range(3 * PODS)]
    return Replay(MINUTES, WARM_UP, sorted([*_all_of(loads), *crowd], key=lambda a: a.minute), loads)


def diurnal_wave(seed: int) -> Replay:
    """A diurnal wave: arrivals and busy rise and fall with a period of four hours."""
    dice = random.Random(seed)  # noqa: S311
    wave = [0.5 - 0.5 * math.cos(2 * math.pi * minute / 240) for minute in range(MINUTES)]
    loads = {
        f"day-{i}": Load([10 * GIB + dice.randrange(GIB)] * MINUTES, [0.05 + 0.3 * w for w in wave])
        for i in range(PODS)
    }
    arrivals = [
        _arrival(place, minute, f"day-{place % PODS}", lives=dice.uniform(20, 60))
        for place, minute in enumerate(m for m in range(MINUTES) for _ in range(round(2 * wave[m])))
    ]
    return Replay(MINUTES, WARM_UP, arrivals, loads)


CASES: Mapping[str, Callable[[int], Replay]] = {
    "meeting_peaks": meeting_peaks,
    "sudden_model": sudden_model,
    "flash_crowd": flash_crowd,
    "diurnal_wave": diurnal_wave,
}


def _flat(memory_mib: int, busy: float) -> Load:
    return Load([memory_mib] * MINUTES, [busy] * MINUTES)


def _arrival(id_: int, minute: int, workload: str, *, lives: float = LIVES) -> Arrival:
    return Arrival(id_, minute, lives, CPU_MILLI, MEMORY_MIB, workload)


def _all_of(loads: Mapping[str, Load]) -> list[Arrival]:
    """One pod of each workload, from the first minutes on; each lives on average as long as the rest of the case."""
    return [_arrival(place, place % 30, name, lives=60 + 17 * place % 240) for place, name in enumerate(loads)]


def _steady(loads: Mapping[str, Load]) -> Replay:
    """One pod of each workload after the other, again and again."""
    names = list(loads)
    arrivals = [_arrival(i, i, names[i % len(names)], lives=60) for i in range(MINUTES)]
    return Replay(MINUTES, WARM_UP, arrivals, loads)
