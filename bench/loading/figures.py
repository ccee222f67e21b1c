"""What the loads come to, and whether that keeps the goals; pure, over what the wire and a witness noted.

| goal | limit | source |
|---|---|---|
| memory of a function's process | 256 MiB | the template's MemorySize |
| events of an execution's history | 15,000 | 60 % of Step Functions' quota of 25,000 |
| calls within a second to one partition key | 1,000 | writes that a partition of DynamoDB takes; reads thrice |
| executions for a node whose alarms ring | 1 | ADR 23 |
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

MEMORY_MIB = 256
HISTORY_EVENTS = 15_000
KEY_CALLS_A_SECOND = 1_000
HOTTEST = 3
FUNCTION = re.compile(r"-(\w+)Function-")

Call = Mapping[str, Any]


def calls_by_function(calls: Iterable[Call]) -> Counter[str]:
    """Return how many calls each function made."""
    names = (FUNCTION.search(str(call["caller"])) for call in calls)
    return Counter(found[1] for found in names if found)


def hot_keys(calls: Iterable[Call]) -> list[dict[str, Any]]:
    """Return the partition keys that were asked for most often within one second, with totals, hottest first."""
    touched = [(int(call["at"]), key) for call in calls for key in call.get("keys", ())]
    totals, peaks = Counter(key for _, key in touched), Counter[str]()
    for (_, key), count in Counter(touched).items():
        peaks[key] = max(peaks[key], count)
    return [{"key": k, "peak_calls_a_second": n, "calls": totals[k]} for k, n in peaks.most_common(HOTTEST)]


def memory(peaks: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    """Return what each function needed at most in any of the loads, the greediest first."""
    most: dict[str, float] = {}
    for noted in peaks:
        for name, mib in noted.items():
            short = (FUNCTION.search(name) or ("", name))[1]
            most[short] = max(most.get(short, 0.0), mib)
    listed = sorted(most.items(), key=lambda item: -item[1])
    worst = listed[0][1] if listed else 0.0
    return {
        "peak_mib": {name: round(mib) for name, mib in listed},
        "limit_mib": MEMORY_MIB,
        "met": 0 < worst <= MEMORY_MIB,
    }


def history(sizes: Iterable[Mapping[str, int]]) -> dict[str, Any]:
    """Return the longest history of all executions."""
    longest, name = max(((n, arn) for each in sizes for arn, n in each.items()), default=(0, ""))
    machine = name.split(":")[6] if name else ""
    return {
        "longest_events": longest,
        "machine": machine,
        "limit_events": HISTORY_EVENTS,
        "met": 0 < longest <= HISTORY_EVENTS,
    }


def keys(loads: Iterable[Iterable[Call]]) -> dict[str, Any]:
    """Return the hottest partition keys of all loads."""
    found = [one for calls in loads for one in hot_keys(calls)]
    hottest = sorted(found, key=lambda one: -int(one["peak_calls_a_second"]))[:HOTTEST]
    worst = max((int(one["peak_calls_a_second"]) for one in hottest), default=0)
    return {"hottest": hottest, "limit_calls_a_second": KEY_CALLS_A_SECOND, "met": 0 < worst <= KEY_CALLS_A_SECOND}
