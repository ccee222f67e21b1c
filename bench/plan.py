"""Times one plan for pools of several sizes, all in one pool of the size, over workloads with a history.

`seconds` are the quickest of three, since other work on the machine is not the planner's.

Printed: {"sizes": [{"gpus", "seconds", "microseconds_per_gpu", "hash"}], "met"}. `met`: 10,000 GPUs within a second;
of the sizes above 100 none takes more than three times as long for a GPU as the cheapest.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.planner import plan_pool
from gpuops.domain.slicing.pool import Demand, Gpu, Pool, PoolNode, PoolState, Tenant
from gpuops.domain.slicing.profile import Profile, observe

NOW = datetime(2026, 1, 2, tzinfo=UTC)
GPUS_PER_NODE, WORKLOADS, LOOKS, RUNS = 8, 50, 300, 3
LIMIT_SECONDS, LIMIT_GPUS, GROWTH, SMALL = 1.0, 10_000, 3.0, 100


def plan(gpus: str = "100,1000,10000") -> dict[str, Any]:
    """Plan pools of so many GPUs, given with commas between them."""
    profiles = {f"w{place}": _profile(f"w{place}", place) for place in range(WORKLOADS)}
    sizes = [_measure(int(size), profiles) for size in gpus.split(",")]
    slow = [s for s in sizes if s["gpus"] <= LIMIT_GPUS and s["seconds"] > LIMIT_SECONDS]
    large = [s["microseconds_per_gpu"] for s in sizes if s["gpus"] > SMALL] or [sizes[0]["microseconds_per_gpu"]]
    return {"sizes": sizes, "met": not slow and max(large) <= GROWTH * min(large)}


def _measure(gpus: int, profiles: dict[str, Profile]) -> dict[str, Any]:
    pool, times = _pool(gpus), []
    for _ in range(RUNS):
        started = time.perf_counter()
        plan = plan_pool(pool, profiles, Demand(3), Rebalance(steer=True, most=8), NOW)
        times.append(time.perf_counter() - started)
    seconds = min(times)
    per_gpu = round(seconds / gpus * 1e6, 1)
    return {"gpus": gpus, "seconds": round(seconds, 3), "microseconds_per_gpu": per_gpu, "hash": plan.hash}


def _pool(gpus: int) -> Pool:
    nodes = []
    for node in range(-(-gpus // GPUS_PER_NODE)):
        count = min(GPUS_PER_NODE, gpus - node * GPUS_PER_NODE)
        nodes.append(PoolNode(f"node-{node:05}", 2, [_gpu(node * GPUS_PER_NODE + place) for place in range(count)]))
    return Pool("measured", nodes, PoolState(rung=2))


def _gpu(place: int) -> Gpu:
    tenants = [Tenant(f"w{(place + i) % WORKLOADS}", 9000, 0.1) for i in range(place % 3)]
    used = 9000 * len(tenants)
    sample = GpuSample(
        uuid=f"GPU-{place}", time=NOW, busy_ratio=0.1 * len(tenants), memory_used_mib=used, memory_total_mib=81_920
    )
    return Gpu(sample, tenants)


def _profile(name: str, place: int) -> Profile:
    profile = None
    for look in range(LOOKS):
        used = 8000 + 40 * place + 10 * (look % 60)
        profile = observe(profile, name, NOW - timedelta(minutes=5 * (LOOKS - look)), used, 0.1)
    if profile is None:
        raise AssertionError("no looks")
    return profile
