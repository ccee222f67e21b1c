"""What keeps a pool as it is, and what only keeps it from growing.

Whatever is not known holds: a pool is not changed by half of a picture. Heat, power and throttling freeze growth, since
more pods would only make them worse; a node with a fatal Xid, whose plugin may not have noticed (k8s-device-plugin
#1929), is left to its repair, and the others go on.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from gpuops.domain.dcgm.readings import STALE
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.slicing.pool import Gpu, Pool, PoolNode

KNOWN_PERCENT = 90.0
HOT_CELSIUS, HOT_PERCENT = 80.0, 95.0
HELD_BACK = ("thermal", "power", "hw_slowdown")
MAX_NAMED = 5


def why_hold(pool: Pool, now: datetime) -> str:
    """Why nothing of the pool is changed now; empty where something may be."""
    if pool.blocked:
        return pool.blocked
    members = pool.members
    if not members:
        return "no node of the pool can be judged"
    silent = [f"{node.name}: {why}" for node in members if (why := why_silent(node, now))]
    if len(silent) > len(members) * (1 - KNOWN_PERCENT / 100):
        return f"{len(silent)} of {len(members)} nodes are not measured: {'; '.join(silent[:MAX_NAMED])}"
    return ""


def why_silent(node: PoolNode, now: datetime) -> str:
    """Why the node's numbers are not to be decided by; empty where they are."""
    if node.silent:
        return node.silent
    for gpu in node.gpus:
        sample = gpu.sample
        if sample.problems:
            return f"{sample.uuid} contradicts itself: {sample.problems[0]}"
        if sample.busy_ratio is None or sample.memory_used_mib is None or not sample.memory_total_mib:
            return f"{sample.uuid} does not say how busy or how full it is"
        if sample.time is not None and now - sample.time > STALE:
            return f"{sample.uuid} was last read at {sample.time.isoformat()}"
    return "" if node.gpus else "its exporter names no GPU"


def why_sick(node: PoolNode) -> str:
    """The Xid of one of its GPUs that is fatal, or that nobody knows; empty for none."""
    found = ((gpu.sample.uuid, xid, xid_table().effect(xid)) for gpu in node.gpus for xid in gpu.sample.xids if xid)
    return next((f"Xid {xid} on {uuid} is {effect}" for uuid, xid, effect in found if effect != "tolerated"), "")


def why_frozen(gpus: Sequence[Gpu], pool: Pool) -> str:
    """Why no GPU of the pool gets more pods; empty where they may.

    A node that is being relieved is closed, and none of the GPUs here: its load has just come to them.
    """
    if pool.relieved:
        return f"a node is being relieved ({pool.relieved})"
    warm = sorted(gpu.sample.temperature_celsius or 0.0 for gpu in gpus)
    if warm and (hot := warm[int((len(warm) - 1) * HOT_PERCENT / 100)]) >= HOT_CELSIUS:
        return f"its GPUs run at {hot:.0f} degrees"
    grown = throttled(gpus)
    more = [cause for cause, value in grown.items() if value > pool.state.throttled.get(cause, value)]
    events = Counter(cause for gpu in gpus for cause, count in gpu.sample.clock_events.items() if count)
    held = [cause for cause in events if any(word in cause.lower() for word in HELD_BACK)]
    return f"its GPUs are throttled: {', '.join(sorted({*more, *held}))}" if more or held else ""


def throttled(gpus: Sequence[Gpu]) -> dict[str, float]:
    """Throttling counters by cause, added up: a plan compares them with those of the plan before it."""
    total: Counter[str] = Counter()
    for gpu in gpus:
        total.update({cause: int(value) for cause, value in gpu.sample.violations.items()})
    return {cause: float(value) for cause, value in sorted(total.items())}
