"""What a recommendation that nobody follows would have saved: the GPUs that its pods would not have needed.

Counted from look to look, by what the one before said, so that no hour is promised and none is counted twice. The pods
are taken to fill GPUs one after the other, and a GPU without pods to be taken away, as an autoscaler does.
"""

import math
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from gpuops.domain.rotation.cost import Prices
from gpuops.domain.slicing.pool import SILENCE, Advised, Pool, PoolNode, PoolPlan

HOUR = timedelta(hours=1)


class Saved(BaseModel):
    """The same for people, with what it is worth."""

    model_config = ConfigDict(frozen=True)

    gpus: int
    """As many fewer the pods of now would need."""
    gpu_hours: float
    dollars: float | None
    """None where the price of the instance type is not known."""
    reason: str


def advise(pool: Pool, plan: PoolPlan, now: datetime) -> Advised:
    """Return what is to be remembered of the recommendation, with the time since the look before added up."""
    before = pool.state.advised or Advised(since=now)
    seen = pool.state.seen
    lasted = now - seen if seen is not None and timedelta(0) < now - seen <= SILENCE else timedelta(0)
    return Advised(
        since=before.since, gpus=fewer_gpus(pool, plan), gpu_hours=before.gpu_hours + before.gpus * (lasted / HOUR)
    )


def fewer_gpus(pool: Pool, plan: PoolPlan) -> int:
    """GPUs that the pods of now need less at the recommended rung than at that of now; fewer shares save none."""
    held = sum(1 for node in pool.members for tenant in node.tenants if not tenant.exclusive)
    return max(0, math.ceil(held / plan.now) - math.ceil(held / plan.replicas))


def in_an_hour(pool: Pool, plan: PoolPlan, kind: str, table: Prices) -> Saved:
    """Return what the plan is worth in an hour in which nothing else changes, where no looks can be added up."""
    gpus = fewer_gpus(pool, plan)
    node = first_measured(pool)
    dollars, money = _money(float(gpus), kind, len(node.gpus) if node else 0, table)
    reason = f"would save {gpus} GPUs: {gpus} GPU-hours ({money}) an hour"
    return Saved(gpus=gpus, gpu_hours=float(gpus), dollars=dollars, reason=reason)


def worth(advised: Advised, kind: str, gpus: int, table: Prices) -> Saved:
    """Return it in dollars: `kind` is the instance type of the pool's nodes, which have so many `gpus` each."""
    dollars, money = _money(advised.gpu_hours, kind, gpus, table)
    told = f"would have saved {advised.gpu_hours:.1f} GPU-hours ({money}) since {advised.since.isoformat()}"
    return Saved(
        gpus=advised.gpus,
        gpu_hours=round(advised.gpu_hours, 3),
        dollars=dollars,
        reason=f"{told}, and would save {advised.gpus} GPUs now",
    )


def first_measured(pool: Pool) -> PoolNode | None:
    """Return the node that stands for all: the nodes of a pool are alike."""
    return next((node for node in pool.members if node.gpus), None)


def _money(gpu_hours: float, kind: str, gpus: int, table: Prices) -> tuple[float | None, str]:
    hourly = table.hourly(kind)
    if hourly is None or not gpus:
        return None, f"no price of {kind or 'its instances'}"
    dollars = round(gpu_hours * hourly / gpus, 2)
    return dollars, f"about ${dollars:.2f}"
