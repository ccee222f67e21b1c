"""The benchmark of the planner, judged itself.

Covered: a planner that sees what comes scores better, one that ignores memory shows out-of-memory, nothing of a later
minute is used, L2 against every packing, hindsight against every schedule, the adversarial cases, the command on small
traces, the cost's weights, the scheduler's spreading and its soft taints.
"""

import gzip
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.rebalancing.bound import l2
from bench.rebalancing.cases import CASES
from bench.rebalancing.hindsight import hindsight
from bench.rebalancing.policies import LADDER, Decides, run, scheduled, static, utilisation_only
from bench.rebalancing.scheduler import Node, Pod, choose, put
from bench.rebalancing.subject import EVERY_MINUTES, Planner, policy_of
from bench.rebalancing.trace import Arrival, Load, Replay
from bench.rebalancing.world import WEIGHTS, World
from cli.main import app
from gpuops.domain.slicing.select import AT_ONCE
from tests.fakes.stack import template

GIB = 1024


def small(peak_from: int = 10_000) -> Replay:
    """Twelve pods on an hour and a half, of 20 GiB each; from some minute on they need 50."""
    memory: list[int | None] = [20 * GIB if minute < peak_from else 50 * GIB for minute in range(90)]
    loads = {f"w{place}": Load(memory, [0.1] * 90) for place in range(12)}
    arrivals = [Arrival(place, 5 * place, 40.0, 4000, 16_384, f"w{place}") for place in range(12)]
    return Replay(90, 20, arrivals, loads)


def peeking(replay: Replay) -> Decides:
    """A planner that looks at every hour to come, and takes the best rungs for it."""
    best = hindsight(replay, 80 * GIB, WEIGHTS, block=20)
    return scheduled(best.rungs, 20)


def test_a_planner_that_peeks_scores_better() -> None:
    """It shares while the pods are small, and is exclusive before they grow; who cannot know pays either way."""
    replay = small(peak_from=75)
    knowing = run(replay, 80 * GIB, peeking(replay)).bill.cost(WEIGHTS)
    assert knowing < run(replay, 80 * GIB, Planner(policy_of(20))).bill.cost(WEIGHTS)
    assert all(knowing <= run(replay, 80 * GIB, static(rung)).bill.cost(WEIGHTS) for rung in LADDER)


def test_a_model_that_nobody_could_measure_falls_a_few_times_and_not_for_ever() -> None:
    """Its pods are gone before a look can see what they use; that they fell is seen."""
    replay = CASES["sudden_model"](2)
    assert 0 < run(replay, 80 * GIB, Planner(policy_of(replay.warm_up))).bill.oom <= 10


def test_a_planner_that_ignores_memory_shows_out_of_memory() -> None:
    """And the one that minds it does not, though every workload was known."""
    replay = CASES["meeting_peaks"](1)
    assert run(replay, 80 * GIB, utilisation_only()).bill.oom > 0
    mine = run(replay, 80 * GIB, Planner(policy_of(replay.warm_up)))
    assert mine.bill.oom == 0


def test_the_planner_looks_as_often_as_the_stack_has_it_look() -> None:
    """By the template's default; and what a look decided is carried out before the next."""
    schedule = template()["Parameters"]["RebalanceSchedule"]["Default"]
    assert schedule == f"rate({EVERY_MINUTES} minute{'s' if EVERY_MINUTES > 1 else ''})"
    replay, planner = small(), Planner(policy_of(20).model_copy(update={"history_hours": 0}), every=15)
    world, plans = World(80 * GIB, replay.warm_up), []
    while world.minute < 60:
        world.step(replay)
        planner(world, replay)
        plans.append(planner.last)
    assert sum(a is not b for a, b in itertools.pairwise(plans)) == 3


def test_one_node_proves_a_change_before_several_follow() -> None:
    """As the product has it; nobody changes while others do."""
    replay = CASES["diurnal_wave"](2)
    planner, world, changed = Planner(policy_of(replay.warm_up)), World(80 * GIB, replay.warm_up), [0]
    while world.target == 1 or len(changed) < 10:
        world.step(replay)
        before = world.bill.switches
        planner(world, replay)
        changed += [world.bill.switches - before] if world.target > 1 else []
    assert (changed[1], 1 < max(changed) <= AT_ONCE) == (1, True)
    assert all(not after for now, after in itertools.pairwise(changed) if now)


def test_nothing_of_a_later_minute_is_used() -> None:
    """Two futures that part at minute 60 are one past: what was decided before is the same."""
    seen = []
    for peak_from in (60, 10_000):
        replay, planner = small(peak_from), Planner(policy_of(20))
        world = World(80 * GIB, replay.warm_up)
        while world.minute < 60:
            world.step(replay)
            planner(world, replay)
        seen.append((world.bill, world.target, [n.replicas for n in world.nodes], planner.last))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("items", [[6, 5, 5, 4], [7, 7, 7, 2, 2], [5, 5, 5, 5, 5], [3, 3, 3, 3], [10, 1, 1], []])
def test_l2_is_below_every_packing_and_above_the_sum(items: list[int]) -> None:
    """Against the best of all assignments to bins of ten."""
    assert -(-sum(items) // 10) <= l2(items, 10) <= fewest_bins(items, 10)


def fewest_bins(items: Sequence[int], size: int) -> int:
    """By trying everything."""
    for bins in range(len(items) + 1):
        for places in itertools.product(range(bins), repeat=len(items)):
            loads = [sum(i for i, p in zip(items, places, strict=True) if p == b) for b in range(bins)]
            if all(load <= size for load in loads):
                return bins
    return len(items)


def test_hindsight_is_the_best_of_every_schedule() -> None:
    """Exact where no state was dropped: each sequence of rungs was lived through."""
    replay = replace(small(peak_from=70), minutes=80)
    best = hindsight(replay, 80 * GIB, WEIGHTS, block=30, width=100)
    every = [
        run(replay, 80 * GIB, scheduled(rungs, 30)).bill.cost(WEIGHTS) for rungs in itertools.product(LADDER, repeat=2)
    ]
    assert best.method.startswith("exact")
    assert best.cost == pytest.approx(min(every))
    assert hindsight(replay, 80 * GIB, WEIGHTS, block=30, width=1).method.startswith("beam")


@pytest.mark.parametrize("name", ["sudden_model", "flash_crowd", "diurnal_wave"])
def test_adversarial_cases_kill_nobody(name: str) -> None:
    """Seeded; a workload that nobody could know is the only excuse."""
    replay = CASES[name](3)
    world = run(replay, 80 * GIB, Planner(policy_of(replay.warm_up)))
    assert world.bill.oom_profiled == 0
    assert world.bill.gpu_minutes <= run(replay, 80 * GIB, static(1)).bill.gpu_minutes


def test_pods_spread_unless_soft_taints_tell_otherwise() -> None:
    """The emptiest node first, as kube-scheduler has it; one that is marked only when there is no other."""
    used, empty = Node(1, 2, 0, 0), Node(2, 2, 0, 0)
    put(used, Pod(Arrival(0, 0, 9.0, 4000, 16_384, "a"), 9.0, 0))
    newcomer = Pod(Arrival(1, 0, 9.0, 4000, 16_384, "b"), 9.0, 0)
    assert choose(newcomer, [used, empty]) is empty
    empty.marks = 1
    assert choose(newcomer, [used, empty]) is used
    assert choose(newcomer, [empty]) is empty


def test_a_killed_pod_is_back_a_minute_later() -> None:
    """The newest one; the other goes on."""
    load = Load([30 * GIB] * 20, [0.1] * 20)
    both = [Arrival(0, 0, 15.0, 1, 1, "a"), Arrival(1, 6, 15.0, 1, 1, "b")]
    world = run(Replay(12, 0, both, {"a": load, "b": load}), 48 * GIB, static(2))
    assert world.bill.oom >= 1
    assert {pod.spec.id for node in world.nodes for pod in node.pods} | {p.spec.id for _, p in world.away} == {0, 1}
    assert all(pod.spec.id == 1 for _, pod in world.away)


def test_the_command_replays_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two containers, four pods, three hours: the object that the help describes, and a chart."""
    monkeypatch.chdir(tmp_path)
    duty, memory, pods = (tmp_path / f"{name}.csv.gz" for name in ("duty", "memory", "pods"))
    ticks = range(0, 3 * 3600, 57)
    rows = [(at, name) for at in ticks for name in ("a", "b")]
    write(duty, "timestamp_seconds,container,value", [f"{at},{name},10.0" for at, name in rows])
    write(memory, "timestamp_seconds,container,value", [f"{at},{name},{9 * 2**30}" for at, name in rows])
    head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time"
    write(pods, head, [f"p{i},1000,1024,1,{500 if i < 8 else 1000},{100 * i},{100 * i + 400}" for i in range(9)])
    given = ["bench", "rebalance", "--duty", duty, "--memory", memory, "--pods", pods, "--warm-up", "1"]
    result = CliRunner().invoke(app, [*map(str, given), "--concurrent", "3", "--gpu-memory-gib", "80", "--json"])
    printed = json.loads(result.stdout)
    (size,) = printed["sizes"]
    assert set(size["policies"]["planner"]) >= {
        "J",
        "gpu_hours",
        "overload",
        "oom",
        "oom_profiled",
        "pending",
        "switches",
    }
    assert size["policies"].keys() >= {"static_1", "static_8", "utilisation_only", "pending_only", "hpa"}
    assert size["regret"] == pytest.approx(size["policies"]["planner"]["J"] - size["hindsight"]["J"], abs=0.11)
    assert size["placement_bound_gpu_hours"] <= size["policies"]["planner"]["gpu_hours"]
    times = size["policies"]["planner"]["gpu_hours"] / size["placement_bound_gpu_hours"]
    assert size["over_placement_bound"]["planner"] == pytest.approx(times, rel=0.05)
    assert size["over_placement_bound"]["hindsight"] >= 1
    assert (tmp_path / "out" / "bench" / "rebalance" / "trace-80.svg").read_text().startswith("<svg")


def write(path: Path, head: str, rows: list[str]) -> None:
    """A packed CSV."""
    path.write_bytes(gzip.compress("\n".join([head, *rows]).encode()))
