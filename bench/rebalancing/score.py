"""One size of GPU: every policy, the hindsight and the bounds, as the numbers that are printed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.rebalancing.bound import Bound
from bench.rebalancing.hindsight import BLOCK_MINUTES, hindsight
from bench.rebalancing.policies import Decides, fresh, hpa, pending_only, run, scheduled, static, utilisation_only
from bench.rebalancing.subject import EVERY_MINUTES, Planner, policy_of
from bench.rebalancing.trace import Replay
from bench.rebalancing.world import World

BASELINES: Mapping[str, Callable[[], Decides]] = {
    **{f"static_{rung}": partial(static, rung) for rung in (1, 2, 4, 8)},
    "utilisation_only": utilisation_only,
    "pending_only": pending_only,
    "hpa": hpa,
}
RATIO, BOUND_RATIO = 1.10, 1.15


@dataclass
class Course:
    """What happened minute by minute, for the chart: shares, GPUs, pods, the fullest GPU, mean busy."""

    rungs: list[int] = field(default_factory=list)
    gpus: list[int] = field(default_factory=list)
    pods: list[int] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def look(self, world: World, replay: Replay) -> None:
        """Add the minute that was."""
        now, loads = world.minute - 1, replay.loads
        used = [sum(loads[p.spec.workload].memory_mib[now] or 0 for p in n.pods) for n in world.nodes]
        busy = [sum(loads[p.spec.workload].busy[now] or 0.0 for p in n.pods) for n in world.nodes if n.pods]
        self.rungs.append(world.target)
        self.gpus.append(len(world.nodes))
        self.pods.append(sum(len(node.pods) for node in world.nodes))
        self.memory.append(max(used, default=0) / world.memory_mib)
        self.busy.append(sum(busy) / len(busy) if busy else 0.0)


def follow(replay: Replay, memory_mib: int, policy: Decides) -> tuple[World, Course, Bound]:
    """Run a policy, and look at each minute."""
    world, course, bound = fresh(replay, memory_mib), Course(), Bound(replay, memory_mib)
    while world.minute < replay.minutes:
        world.step(replay)
        course.look(world, replay)
        bound.look(world)
        policy(world, replay)
    return world, course, bound


def score(
    replay: Replay, gib: int, weights: Sequence[float], every: int = EVERY_MINUTES
) -> tuple[dict[str, Any], dict[str, Course]]:
    """Return the object of one size, and the courses of planner and optimum; the planner looks `every` minutes."""
    mib = gib * 1024
    world, mine, bound = follow(replay, mib, Planner(policy_of(replay.warm_up), every))
    policies = {"planner": bill_of(world, weights)}
    unsteered = run(replay, mib, Planner(policy_of(replay.warm_up, steer=False), every))
    policies["planner_without_steering"] = bill_of(unsteered, weights)
    policies |= {name: bill_of(run(replay, mib, make()), weights) for name, make in BASELINES.items()}
    best = hindsight(replay, mib, weights)
    knowing, theirs, their_bound = follow(replay, mib, scheduled(best.rungs, BLOCK_MINUTES))
    mine_j = policies["planner"]["J"]
    size = {
        "gpu_memory_gib": gib,
        "policies": policies,
        "hindsight": bill_of(best.world, weights) | {"method": best.method, "rungs": list(best.rungs)},
        "placement_bound_gpu_hours": round(bound.placement_minutes / 60, 1),
        "resident_bound_gpu_hours": round(bound.resident_minutes / 60, 1),
        "over_placement_bound": {"planner": over(world, bound), "hindsight": over(knowing, their_bound)},
        "regret": round(mine_j - best.cost, 1),
    }
    return size | {"met": met_of(size)}, {"planner": mine, "optimum": theirs}


def over(world: World, bound: Bound) -> float:
    """How many times the GPU-hours of the placement bound of its own pods a run took."""
    return round(world.bill.gpu_minutes / bound.placement_minutes, 2) if bound.placement_minutes else 1.0


def met_of(size: Mapping[str, Any]) -> dict[str, bool]:
    """Which of the goals hold; sharing pays where the hindsight shares."""
    policies = size["policies"]
    planner, pays = policies["planner"], max(size["hindsight"]["rungs"]) > 1
    return {
        "near_hindsight": planner["J"] <= RATIO * size["hindsight"]["J"],
        "no_oom_profiled": planner["oom_profiled"] == 0,
        "below_baselines": all(planner["J"] <= policies[name]["J"] for name in BASELINES),
        "near_placement": not pays or planner["gpu_hours"] <= BOUND_RATIO * size["placement_bound_gpu_hours"],
    }


def bill_of(world: World, weights: Sequence[float]) -> dict[str, Any]:
    """What a run cost, and of what."""
    bill = world.bill
    return {
        "J": round(bill.cost(weights), 1),
        "gpu_hours": round(bill.gpu_minutes / 60, 1),
        "overload": round(bill.overload_minutes / 60, 2),
        "oom": bill.oom,
        "oom_profiled": bill.oom_profiled,
        "pending": round(bill.pending_minutes / 60, 2),
        "switches": bill.switches,
        "marks": bill.marks,
    }
