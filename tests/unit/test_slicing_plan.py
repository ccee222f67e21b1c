"""The plan for a pool's shares, story by story.

Covered: an idle pool grows after a longer look, memory keeps it, heat freezes it, a hot one shrinks, training keeps its
node and nobody joins it, a silent exporter holds, an Xid leaves one node out, a workload without history, one that
declares its memory, what one pod of many uses where nobody tells them apart, taints soft and hard, a workload that
fell where too little was free, histograms that forget, a stored profile.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuops.domain.dcgm.sample import GpuSample, PodShare
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.gather import falls_of, looks_of, node_of, workload_named
from gpuops.domain.slicing.histogram import Histogram
from gpuops.domain.slicing.odds import Spread, odds_above
from gpuops.domain.slicing.planner import plan_pool
from gpuops.domain.slicing.pool import Demand, Gpu, Pool, PoolNode, PoolPlan, PoolState, Tenant
from gpuops.domain.slicing.profile import Profile, fall, learn, observe
from gpuops.domain.slicing.steer import CLOSED, FULL, MOST_CHANGES, OPEN, REST, TIGHT, changes_of

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TOTAL = 80 * 1024
POLICY = Rebalance(most=8)
STEERED = Rebalance(most=8, steer=True)
FELL = Tenant("default/large", 0, 0.0, fell=True)


def sample(uuid: str, used: int = 0, busy: float = 0.1, **more: Any) -> GpuSample:
    """One GPU, well measured."""
    known = {"uuid": uuid, "time": NOW, "busy_ratio": busy, "memory_used_mib": used, "memory_total_mib": TOTAL}
    return GpuSample.model_validate(known | more)


def node(name: str, *tenants: Tenant, replicas: int = 1, **more: Any) -> PoolNode:
    """A node with one GPU."""
    used = sum(tenant.memory_mib or 0 for tenant in tenants)
    return PoolNode(name, replicas, [Gpu(sample(f"GPU-{name}", used, **more), tenants)])


def known(name: str, mib: int, busy: float = 0.1, hours: int = 48) -> Profile:
    """A workload with a history."""
    profile = None
    for minutes in range(hours * 60, -1, -30):
        profile = observe(profile, name, NOW - timedelta(minutes=minutes), mib, busy)
    assert profile is not None
    return profile


def web(mib: int = 10_000) -> Tenant:
    """A pod of a service."""
    return Tenant("default/web", mib, 0.1)


def after(pool: Pool, profiles: dict[str, Profile], minutes: int, policy: Rebalance = POLICY) -> PoolPlan:
    """The plan after looks for so long, one a minute; times of the samples follow."""
    for minute in range(minutes + 1):
        now = NOW + timedelta(minutes=minute)
        nodes = [
            replace(n, gpus=[Gpu(g.sample.model_copy(update={"time": now}), g.tenants) for g in n.gpus])
            for n in pool.nodes
        ]
        plan = plan_pool(replace(pool, nodes=nodes), profiles, Demand(), policy, now)
        pool = replace(pool, state=plan.state)
    return plan


def test_at_the_highest_rung_nothing_grows() -> None:
    """However many pods wait: a step to where the pool is would be none."""
    pool = Pool("pool", [node("n", replicas=8)], PoolState(rung=8))
    plan = plan_pool(pool, {}, Demand(pending=1), POLICY.model_copy(update={"crowded_minutes": 0}), NOW)

    assert (plan.status, plan.replicas, plan.reason) == ("keep", 8, "1 pods wait; 8 is the highest rung")


@pytest.mark.parametrize(("minutes", "status"), [(29, "keep"), (30, "grow")])
def test_an_idle_pool_grows_once_two_have_fitted_for_half_an_hour(minutes: int, status: str) -> None:
    """And only by one rung."""
    pool = Pool("p", [node("a", web()), node("b", web()), node("c")], PoolState(rung=1))
    policy = POLICY.model_copy(update={"crowded_percent": 50})
    plan = after(pool, {"default/web": known("default/web", 10_000)}, minutes, policy)
    assert (plan.status, plan.replicas) == (status, 2 if status == "grow" else 1)
    if status == "grow":
        assert [(n.node, n.action, n.canary) for n in plan.nodes] == [
            ("a", "wait", False),
            ("b", "wait", False),
            ("c", "change", True),
        ]


def test_a_peak_of_memory_keeps_a_pool_where_it_is() -> None:
    """Two fit, three would not, however idle and crowded it is."""
    pool = Pool("p", [node("a", web(30_000), web(30_000), replicas=2)], PoolState(rung=2))
    plan = after(pool, {"default/web": known("default/web", 30_000)}, 60)
    assert (plan.status, plan.replicas) == ("keep", 2)
    assert "memory" in plan.reason


def test_peaks_that_no_longer_fit_shrink_a_pool_at_once() -> None:
    """Safety waits for no cool-down; the node waits for its pods."""
    pool = Pool("p", [node("a", web(50_000), web(20_000), replicas=2)], PoolState(rung=2, changed=(NOW,)))
    plan = after(pool, {"default/web": known("default/web", 50_000)}, 0)
    assert (plan.status, plan.replicas, plan.nodes[0].action) == ("shrink", 1, "wait")


@pytest.mark.parametrize(
    ("shared", "full", "status"), [(2, 1, "shrink"), (18, 1, "keep"), (18, 2, "shrink"), (60, 3, "keep")]
)
def test_a_pool_shrinks_where_more_gpus_are_full_than_the_odds_allow(shared: int, full: int, status: str) -> None:
    """One of many says little of the others, though its own node has no room for a further peak."""
    small, large = web(20_000), Tenant("default/web", 39_500, 0.1)
    found = [node(f"n{i}", *([large] * 2 if i < full else [small] * 2), replicas=2) for i in range(shared)]
    plan = after(Pool("p", found, PoolState(rung=2)), {"default/web": known("default/web", 20_000)}, 0)
    assert plan.status == status


def test_a_hot_pool_shrinks_after_five_minutes() -> None:
    """One look is not enough."""
    hot = node("a", web(), web(), web(), replicas=4, busy=0.97)
    pool, profiles = Pool("p", [hot], PoolState(rung=4)), {"default/web": known("default/web", 10_000)}
    assert after(pool, profiles, 4).status == "keep"
    shrunk = after(pool, profiles, 5)
    assert (shrunk.status, shrunk.replicas) == ("shrink", 3)
    assert "busy" in shrunk.reason


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"temperature_celsius": 84.0}, "84 degrees"),
        ({"clock_events": {"hw_thermal_slowdown": 3}}, "throttled"),
    ],
)
def test_heat_and_throttling_freeze_growth(more: dict[str, Any], why: str) -> None:
    """More pods would make them worse."""
    pool = Pool("p", [node("a", web(), **more), node("b", web(), **more)], PoolState(rung=1))
    plan = after(pool, {"default/web": known("default/web", 10_000)}, 60)
    assert plan.status == "keep"
    assert why in plan.reason


def test_a_growing_throttling_counter_freezes_growth() -> None:
    """The counter's unit differs by version, so only growth means something."""
    profiles = {"default/web": known("default/web", 10_000)}
    nodes = [node("a", web(), violations={"power": 10.0}), node("b", web())]
    pool = Pool("p", nodes, PoolState(rung=1, throttled={"power": 5.0}))
    policy = POLICY.model_copy(update={"grow_minutes": 0, "crowded_minutes": 0})
    assert "throttled: power" in after(pool, profiles, 0, policy).reason
    assert after(pool, profiles, 1, policy).status == "grow"


def test_a_node_with_training_stays_exclusive_while_the_others_grow() -> None:
    """Its reason is told."""
    job = Tenant("default/job", 60_000, 0.9, exclusive="default/job-1 is training")
    pool = Pool("p", [node("a", job), node("b", web()), node("c")], PoolState(rung=1))
    policy = POLICY.model_copy(update={"crowded_percent": 50})
    plan = after(pool, {"default/web": known("default/web", 10_000)}, 30, policy)
    assert plan.status == "grow"
    assert (plan.nodes[0].action, plan.nodes[0].replicas) == ("keep", 1)
    assert "training" in plan.nodes[0].reason


def test_exporters_that_are_gone_hold_a_pool() -> None:
    """Two of three; and one of twenty does not."""
    silent = [PoolNode(name, 1, silent="no exporter runs on it") for name in ("a", "b")]
    plan = after(Pool("p", [*silent, node("c", web())], PoolState(rung=1)), {}, 0)
    assert plan.status == "hold"
    assert "2 of 3 nodes" in plan.reason
    many = [silent[0], *(node(f"n{place}", web()) for place in range(19))]
    plan = after(Pool("p", many, PoolState(rung=1)), {"default/web": known("default/web", 10_000)}, 30)
    assert (plan.status, plan.nodes[0].action) == ("grow", "hold")


def test_old_and_contradictory_numbers_are_none() -> None:
    """A sample of ten minutes ago, and one that says more than there is."""
    old = plan_pool(
        Pool("p", [node("a", web(), time=NOW - timedelta(minutes=10))], PoolState(rung=1)), {}, Demand(), POLICY, NOW
    )
    assert "was last read" in old.reason
    odd = after(Pool("p", [node("a", web(), problems=("99 MiB used of 80",))], PoolState(rung=1)), {}, 0)
    assert "contradicts itself" in odd.reason


def test_an_xid_on_one_node_leaves_the_others_to_go_on() -> None:
    """A tolerated one is nothing."""
    pool = Pool("p", [node("a", web(), xids=(79,)), node("b", web(), xids=(13,)), node("c", web())], PoolState(rung=1))
    plan = after(pool, {"default/web": known("default/web", 10_000)}, 30)
    assert plan.status == "grow"
    assert [n.action for n in plan.nodes] == ["leave", "wait", "wait"]


def test_a_workload_without_history_is_half_like_the_others() -> None:
    """And half as it was seen; alone it proves nothing. One that declares its memory is known."""
    new = known("default/new", 1_000, hours=1)
    profiles = {"default/web": known("default/web", 30_000), "default/new": new}
    pool = Pool("p", [node("a", web(), Tenant("default/new", 1_000, 0.1), replicas=2)], PoolState(rung=2))
    assert "memory" in after(pool, profiles, 0).fits[3]
    profiles["default/web"] = known("default/web", 10_000)
    assert after(pool, profiles, 0).fits[3] == ""
    profiles["default/new"] = known("default/new", 60_000, hours=1)
    assert "memory" in after(pool, profiles, 0).fits[3]
    alone = Pool("p", [node("a", Tenant("default/new", 1_000, 0.1))], PoolState(rung=1))
    assert "memory" in after(alone, {"default/new": new}, 0).fits[2]
    declared = {"default/new": new.model_copy(update={"declared_mib": 1_200})}
    assert after(alone, declared, 0).fits[2] == ""


def test_nobody_is_told_apart_by_an_exporter_without_shares() -> None:
    """A pod alone has all of its GPU; two are guessed high, and the pool gets two shares at the most."""
    shares = (PodShare(namespace="default", pod="a"), PodShare(namespace="default", pod="b"))
    both = node_of("n", 2, {"GPU-1": sample("GPU-1", 10_000, pods=shares)}, {})
    looks = looks_of(Pool("p", [both]))
    assert looks["default/a"] == (7_500.0, 0.05)
    plan = after(Pool("p", [both], PoolState(rung=2)), {n: known(n, 7_500) for n in ("default/a", "default/b")}, 60)
    assert (plan.replicas, plan.fits[3]) == (2, "the exporter does not tell pods on one GPU apart")
    alone = node_of("n", 1, {"GPU-1": sample("GPU-1", 10_000, pods=shares[:1])}, {})
    assert looks_of(Pool("p", [alone]))["default/a"] == (10_000.0, 0.1)


def test_mig_puts_a_node_apart() -> None:
    """Nobody shares what is partitioned."""
    assert "MIG" in node_of("n", 1, {"GPU-1": sample("GPU-1", mig=("1g.10gb/1",))}, {}).apart


@pytest.mark.parametrize(
    ("pod", "workload"),
    [("web-7d9f8b6c5-x2x4z", "d/web"), ("job-1-abcde", "d/job-1"), ("db-0", "d/db-0"), ("alone", "d/alone")],
)
def test_a_name_hints_at_its_owner(pod: str, workload: str) -> None:
    """Where nobody can be asked."""
    assert workload_named("d", pod) == workload


def test_soft_taints_keep_empty_nodes_empty_and_full_ones_alone() -> None:
    """A node in use is open, an empty one rests, and one where another peak would not fit is avoided most."""
    profiles = {"default/web": known("default/web", 20_000), "default/big": known("default/big", 64_000)}
    big = Tenant("default/big", 64_000, 0.1)
    found = [node("a", web(20_000), replicas=2), node("b", replicas=2), node("c", big, replicas=2)]
    rare = [node(f"d{place}", web(20_000), web(20_000), replicas=2) for place in range(150)]
    pool = Pool("p", [*found, *rare], PoolState(rung=2))
    marks = {n.node: n.marks for n in after(pool, profiles, 0, POLICY.model_copy(update={"steer": True})).nodes}
    assert [marks[name] for name in "abc"] == [OPEN, REST, FULL]
    assert {n.marks for n in after(pool, profiles, 0).nodes} == {0}


@pytest.mark.parametrize("replicas", [2, 3])
def test_where_a_pod_fell_no_other_one_should_come(replicas: int) -> None:
    """Nor the same again, once its share is free. One that was alone on its GPU fell for no want of room."""
    profiles = {"default/web": known("default/web", 20_000), "default/large": known("default/large", 20_000)}
    found = [node("a", web(20_000), FELL, replicas=replicas), node("b", FELL, replicas=replicas)]
    marks = [n.marks for n in after(Pool("p", found, PoolState(rung=replicas)), profiles, 0, STEERED).nodes]
    assert marks == [FULL, OPEN]


def peaking(name: str, usual: int, peak: int) -> Profile:
    """A workload that peaked in one of a hundred windows, or not yet."""
    return observe(observe(known(name, usual), name, NOW, peak, 0.1), name, NOW + timedelta(minutes=5), usual, 0.1)


def test_who_has_not_peaked_yet_is_expected_to_peak_like_the_others() -> None:
    """Of two GPUs with room the one whose pod uses more comes last, though the other's pod has peaked higher so far."""
    profiles = {f"d/{i}": peaking(f"d/{i}", 22_000, 36_000) for i in range(9)}
    profiles["d/calm"] = known("d/calm", 31_000)
    found = [node(f"n{i}", Tenant(f"d/{i}", 22_000, 0.1), replicas=2) for i in range(9)]
    pool = Pool("p", [*found, node("calm", Tenant("d/calm", 31_000, 0.1), replicas=2)], PoolState(rung=2))
    marks = {n.node: n.marks for n in after(pool, profiles, 0, POLICY.model_copy(update={"steer": True})).nodes}
    assert (marks["calm"], {marks[f"n{i}"] for i in range(9)}) == (TIGHT, {OPEN})


TRAINING = Tenant("default/Job/train", 10_000, 0.9, "it is training")


@pytest.mark.parametrize("steer", [True, False])
@pytest.mark.parametrize(("replicas", "marks"), [(2, CLOSED), (1, OPEN)])
def test_nobody_joins_training_on_a_shared_gpu(replicas: int, marks: int, *, steer: bool) -> None:
    """It cannot be made exclusive under the pod; one that is exclusive already needs no taint."""
    policy = POLICY.model_copy(update={"steer": steer})
    pool = Pool("p", [node("a", TRAINING, replicas=replicas)], PoolState(rung=2))
    assert [n.marks for n in after(pool, {}, 0, policy).nodes] == [marks]


def test_a_closed_node_opens_when_training_has_gone_and_not_because_nobody_knows() -> None:
    """A node that is not of the pool any more needs no taint of ours, either."""
    pool = Pool("p", [replace(node("a", replicas=2), marks=CLOSED)], PoolState(rung=2))
    assert [n.marks for n in after(pool, {}, 0).nodes] == [OPEN]
    held = replace(pool, blocked="a roll")
    assert [n.marks for n in after(held, {}, 0).nodes] == [CLOSED]
    gone = replace(pool, nodes=[replace(pool.nodes[0], apart="MIG cuts it"), node("b")])
    assert [n.marks for n in after(gone, {}, 0).nodes] == [OPEN, OPEN]


@pytest.mark.parametrize("steer", [True, False])
@pytest.mark.parametrize(("why", "kept"), [("silent", OPEN), ("old", OPEN), ("late", CLOSED), ("strange", CLOSED)])
def test_a_node_that_nobody_sees_is_not_kept_closed(why: str, kept: int, *, steer: bool) -> None:
    """The hard taint may be what keeps its exporter away, unless that was heard of late; others stay closed."""
    policy = POLICY.model_copy(update={"steer": steer})
    closed = replace(node("a", TRAINING, replicas=2), marks=CLOSED)
    unseen = {
        "silent": PoolNode("b", 2, silent="no exporter", marks=CLOSED),
        "old": replace(node("b", replicas=2, time=NOW - timedelta(hours=1)), marks=CLOSED),
        "late": replace(node("b", replicas=2, time=NOW - timedelta(minutes=2)), marks=CLOSED),
        "strange": replace(node("b", replicas=2, problems=("two words",)), marks=CLOSED),
    }
    for found in ([closed], [replace(closed, name=f"n{i}") for i in range(20)]):
        plan = plan_pool(Pool("p", [*found, unseen[why]], PoolState(rung=2)), {}, Demand(), policy, NOW)
        marks = {n.node: n.marks for n in plan.nodes}
        assert marks.pop("b") == kept
        assert set(marks.values()) == {CLOSED}


def test_taints_that_no_plan_asks_for_are_put_right() -> None:
    """Also on a node that is not judged now, and at the first look."""
    steered = POLICY.model_copy(update={"steer": True})
    pool = Pool("p", [replace(node("a", web(), replicas=2), marks=-1)], PoolState(rung=2), "a roll")
    assert [n.marks for n in after(pool, {}, 0, steered).nodes] == [OPEN]
    assert changes_of({"a": FULL, "b": OPEN}, {"a": -1, "b": -1}, all_known=True) == {"a": FULL, "b": OPEN}


def test_whoever_comes_to_a_share_that_is_to_go_would_be_too_many() -> None:
    """A pool has been given fewer shares: a node that must wait for its pods takes no further ones beyond them."""
    profiles = {"default/web": known("default/web", 25_000)}
    found = [node("a", *[web(25_000)] * 3, replicas=4), node("b", web(25_000), replicas=4)]
    plan = after(Pool("p", found, PoolState(rung=2)), profiles, 0)
    assert [(n.action, n.replicas, n.marks) for n in plan.nodes] == [("wait", 2, CLOSED), ("change", 2, OPEN)]


def test_pods_keep_away_from_what_is_still_exclusive_in_a_pool_that_shares() -> None:
    """The next pod would keep it so. Where training runs, exclusive nodes are left for more of it."""
    steered = POLICY.model_copy(update={"steer": True})
    profiles = {"default/web": known("default/web", 20_000)}
    found = [node("a", web(20_000), replicas=2), node("b", web(20_000)), node("c")]
    pool = Pool("p", found, PoolState(rung=2))
    assert [n.marks for n in after(pool, profiles, 0, steered).nodes] == [OPEN, FULL, FULL]
    training = node("d", Tenant("default/Job/train", 10_000, 0.9, "it is training"))
    marks = [n.marks for n in after(replace(pool, nodes=[*found, training]), profiles, 0, steered).nodes]
    assert marks == [OPEN, OPEN, REST, OPEN]


def test_of_empty_nodes_that_nobody_shares_the_later_half_goes_first() -> None:
    """Pods that go to any of them would keep all of them alive in turn; a single one is no spare."""
    steered = POLICY.model_copy(update={"steer": True})
    pool = Pool("p", [node("a", web()), *(node(name) for name in "bcde")], PoolState(rung=1))
    assert [n.marks for n in after(pool, {}, 0, steered).nodes] == [OPEN, REST, REST, FULL, FULL]
    assert [n.marks for n in after(replace(pool, nodes=pool.nodes[:2]), {}, 0, steered).nodes] == [OPEN, REST]


def test_a_node_without_a_plan_loses_its_soft_taints() -> None:
    """Unless a plan is missing that may want them; and not all of many nodes at once."""
    assert changes_of({"a": 1, "b": 2}, {"a": 1, "b": 0, "c": 1}, all_known=True) == {"b": 2, "c": 0}
    assert changes_of({"a": 1, "b": 2}, {"a": 1, "b": 0, "c": 1}, all_known=False) == {"b": 2}
    assert len(changes_of({}, {f"n{i}": 1 for i in range(2 * MOST_CHANGES)}, all_known=True)) == MOST_CHANGES


@pytest.mark.parametrize(("wanted", "found"), [(CLOSED, OPEN), (OPEN, CLOSED), (FULL, -1)])
def test_hard_taints_come_and_go_before_soft_ones(wanted: int, found: int) -> None:
    """However late the node's name is among hundreds."""
    soft = {f"a{i:03}": TIGHT for i in range(MOST_CHANGES)}
    changes = changes_of({**soft, "z": wanted}, {**dict.fromkeys(soft, OPEN), "z": found}, all_known=True)
    assert (len(changes), changes.get("z")) == (MOST_CHANGES, wanted)


def test_odds_are_those_of_every_pair() -> None:
    """Two workloads, half of the pods each: independent sums, and twins that peak together."""
    spreads = [Spread(0.5, {10: 0.5, 30: 0.5}), Spread(0.5, {20: 1.0})]
    alone, two, *_ = odds_above(45, spreads, 3)
    independent, twins, alike = 0.25 * 0.25 + 2 * 0.25 * 0.5, 0.5 * 0.5, 0.5
    assert alone == pytest.approx(0)
    assert two == pytest.approx((1 - alike) * independent + alike * twins)


def test_a_histogram_forgets() -> None:
    """A peak of a week ago weighs a hundredth of one of now."""
    early = NOW - timedelta(days=7)
    histogram = Histogram().add(40_000, early).add(10_000, NOW)
    assert histogram.weights[max(histogram.weights)] == pytest.approx(0.5**7)
    assert histogram.percentile(98) == pytest.approx(10_000, rel=0.05)
    assert histogram.percentile(100) == pytest.approx(40_000, rel=0.05)


def test_a_profile_is_stored_and_read_back() -> None:
    """With its version, in less than an item of DynamoDB holds."""
    profile = known("default/web", 10_000)
    body = profile.model_dump_json()
    assert Profile.model_validate_json(body) == profile
    assert '"version":1' in body
    assert len(body) < 100_000


def test_a_new_workload_counts_with_the_minutes_that_it_has_been_seen() -> None:
    """Its first five minutes are not over, and the policy asks for no history: two of its pods do not fit one GPU."""
    profile = observe(None, "default/web", NOW, 50_000, 0.1)
    pool = Pool("p", [node("a", web(50_000)), node("b", web(50_000)), node("c")], PoolState(rung=1))
    eager = POLICY.model_copy(
        update={"history_hours": 0, "grow_minutes": 0, "crowded_minutes": 0, "cool_down_minutes": 0}
    )
    plan = plan_pool(pool, {"default/web": profile}, Demand(1), eager, NOW)
    assert (plan.status, plan.replicas) == ("keep", 1)
    assert plan.reason.startswith("1 pods wait; 2 pods exceed 100% of a GPU's memory")


def test_the_largest_peak_that_is_named_is_one_of_all_that_were_seen() -> None:
    """Though none of them has been measured for long."""
    profile = observe(None, "default/web", NOW, 50_000, 0.1)
    pool = Pool("p", [node("a", web(50_000), web(50_000), replicas=2)], PoolState(rung=2))
    plan = plan_pool(pool, {"default/web": profile}, Demand(), POLICY, NOW)
    assert "the largest workload peaks at 50000 MiB" in plan.fits[2]


def test_a_fall_beside_others_says_how_much_was_too_little() -> None:
    """Not one alone on its GPU, which had all of it; a pod that fell measures nothing."""
    pool = Pool("p", [node("a", web(20_000), FELL, replicas=4), node("b", FELL)])
    assert falls_of(pool, NOW) == {"default/large": TOTAL - 20_000}
    assert set(looks_of(pool)) == {"default/web"}
    silent = replace(pool, nodes=[replace(pool.nodes[0], silent="no exporter")])
    assert falls_of(silent, NOW) == {}


@pytest.mark.parametrize(
    "more", [{"memory_used_mib": None}, {"time": NOW - timedelta(hours=1)}, {"problems": ("more used than there is",)}]
)
def test_a_fall_on_a_gpu_of_which_little_is_known_teaches_nothing(more: dict[str, Any]) -> None:
    """What was not read is not free: a reading that is missing, old or contradictory."""
    pool = Pool("p", [node("a", web(20_000), FELL, replicas=4, **more)])
    assert falls_of(pool, NOW) == {}


def test_a_workload_needs_more_than_what_it_fell_with() -> None:
    """The most of it that was too little counts; one that long lived with less fell for another reason."""
    short = fall(fall(None, "default/large", NOW, 44_000, 24), "default/large", NOW, 30_000, 24)
    assert short.short_mib == pytest.approx(1.2 * 44_000)
    assert fall(known("default/web", 10_000), "default/web", NOW, 44_000, 24).short_mib == 0.0
    assert fall(known("default/web", 50_000), "default/web", NOW, 44_000, 24).short_mib == pytest.approx(1.2 * 44_000)


def test_a_model_that_was_seen_half_loaded_needs_more_all_the_same() -> None:
    """One look at 10 GiB, then it falls with 30 GiB free: whether at the next look, or at the same."""
    half = observe(None, "default/large", NOW, 10_240, 0.1)
    assert fall(half, "default/large", NOW, 30_720, 24).short_mib == pytest.approx(1.2 * 30_720)
    looks, falls = {"default/large": (10_240.0, 0.1), "default/web": (9_000.0, 0.1)}, {"default/large": 30_720.0}
    learnt = learn({}, looks, falls, NOW, 24)
    assert {name: profile.short_mib for name, profile in learnt.items()} == {
        "default/large": pytest.approx(1.2 * 30_720),
        "default/web": 0.0,
    }
    assert learnt["default/large"].peak_mib == 10_240.0


def test_looks_between_falls_do_not_make_a_workload_a_measured_one() -> None:
    """It falls each hour of two days, half loaded at every look; a day without a fall makes it one."""
    profile = None
    for minute in range(48 * 60):
        now = NOW + timedelta(minutes=minute)
        profile = observe(profile, "default/large", now, 10_000, 0.1)
        profile = fall(profile, "default/large", now, 60_000, 24) if minute % 60 == 0 else profile
    assert profile is not None
    assert (profile.measured(24), profile.settled(24).short_mib) == (False, 72_000)
    later = observe(profile, "default/large", profile.first + timedelta(hours=24), 70_000, 0.1)
    assert (later.measured(24), later.settled(24).short_mib) == (True, 0)


def test_a_workload_that_declares_too_little_is_learnt_by_its_falls() -> None:
    """It says 10,000 MiB, and fell with 60,000 free: its word does not make that unseen."""
    found = [node(f"n{place}", web(20_000), replicas=3) for place in range(4)]
    pool = Pool("p", [*found, node("z", web(20_000), FELL, replicas=3)], PoolState(rung=3))
    large = fall(None, "default/large", NOW, 60_000, 24).model_copy(update={"declared_mib": 10_000})
    plan = after(pool, {"default/web": known("default/web", 20_000), "default/large": large}, 0)
    assert (plan.status, plan.replicas) == ("shrink", 2)


def test_a_pool_gets_fewer_shares_once_a_workload_fell_in_it_and_only_until_it_is_known() -> None:
    """Nobody could measure its pods, which live for seconds; measured for long, its peaks are all that counts."""
    found = [node(f"n{place}", web(20_000), replicas=3) for place in range(4)]
    pool = Pool("p", [*found, node("z", web(20_000), FELL, replicas=3)], PoolState(rung=3))
    learnt = {
        "default/web": known("default/web", 20_000),
        "default/large": fall(None, "default/large", NOW, 60_000, 24),
    }
    plan = after(pool, learnt, 0)
    assert (plan.status, plan.replicas) == ("shrink", 2)
    later = known("default/large", 20_000).model_copy(update={"short_mib": 72_000.0})
    assert after(pool, {**learnt, "default/large": later}, 0).status == "keep"
