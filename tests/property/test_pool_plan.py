"""What a plan for the shares of a pool never does, whatever the pool looks like.

Covered: I1 no rung below the shares in use, I2 memory fits or the pool does not grow, I3 exclusive stays exclusive and
changes only on an empty node, I4 one step, cool-down, daily cap and one canary, I5 what is not known holds, I6 heat,
throttling and Xids, I7 nothing during a roll, I8 the same inputs make the same hash.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.planner import plan_pool
from gpuops.domain.slicing.pool import LADDER, Demand, Gpu, Past, Pool, PoolNode, PoolPlan, PoolState, Tenant
from gpuops.domain.slicing.profile import Profile, observe

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
TOTAL = 81_920
SIZES = {"small": 4_000, "middle": 20_000, "large": 60_000}


def profile_of(name: str, mib: int) -> Profile:
    """A workload that has used so much for two days."""
    profile = None
    for minutes in range(2 * 24 * 60, -1, -60):
        profile = observe(profile, name, NOW - timedelta(minutes=minutes), mib, 0.1)
    assert profile is not None
    return profile


PROFILES = {name: profile_of(name, mib) for name, mib in SIZES.items()}
TENANTS = st.builds(
    lambda name, exclusive: Tenant(name, SIZES[name], 0.1, exclusive),
    st.sampled_from(sorted(SIZES)),
    st.sampled_from(["", "", "", "training"]),
)


@st.composite
def nodes(draw: st.DrawFn) -> PoolNode:
    """One node, well measured or not."""
    tenants = draw(st.lists(TENANTS, max_size=3))
    sample = GpuSample(
        uuid=f"GPU-{draw(st.integers(0, 10**9))}",
        time=NOW - timedelta(seconds=draw(st.sampled_from([0, 30, 30, 600]))),
        busy_ratio=draw(st.sampled_from([0.1, 0.95, None])) if draw(st.booleans()) else 0.2,
        memory_used_mib=min(TOTAL, sum(tenant.memory_mib or 0 for tenant in tenants)),
        memory_total_mib=TOTAL,
        temperature_celsius=draw(st.sampled_from([50.0, 50.0, 85.0])),
        xids=draw(st.sampled_from([(), (), (), (79,), (13,)])),
    )
    replicas = max(draw(st.sampled_from(LADDER)), 1)
    return PoolNode(f"n{draw(st.integers(0, 10**9))}", replicas, [Gpu(sample, tenants)])


POOLS = st.builds(
    lambda found, rung, ago, crowded: Pool(
        "pool",
        found,
        PoolState(
            rung=rung,
            changed=tuple(NOW - timedelta(minutes=minutes) for minutes in sorted(ago, reverse=True)),
            looks=(Past(at=NOW - timedelta(hours=2), fits=8, crowded=crowded),),
            seen=NOW - timedelta(minutes=1),
        ),
    ),
    st.lists(nodes(), min_size=1, max_size=5, unique_by=lambda node: node.name),
    st.sampled_from(LADDER),
    st.lists(st.integers(1, 1500), max_size=5),
    st.booleans(),
)
POLICIES = st.builds(
    Rebalance, most=st.integers(1, 8), steer=st.booleans(), crowded_minutes=st.just(0), grow_minutes=st.just(0)
)
DEMANDS = st.builds(Demand, st.integers(0, 3))


def plan(pool: Pool, demand: Demand, policy: Rebalance) -> PoolPlan:
    """One plan."""
    return plan_pool(pool, PROFILES, demand, policy, NOW)


@settings(max_examples=60)
@given(POOLS, DEMANDS, POLICIES)
def test_a_node_keeps_what_its_pods_were_promised(pool: Pool, demand: Demand, policy: Rebalance) -> None:
    """I1, I3: never fewer shares than are in use, and exclusive and shared change places on empty nodes only."""
    found = {node.name: node for node in pool.nodes}
    for planned in plan(pool, demand, policy).nodes:
        node = found[planned.node]
        if planned.action != "change":
            continue
        assert planned.replicas >= node.used
        assert not node.exclusive or planned.replicas == 1
        assert not node.used or 1 not in {planned.replicas, node.replicas}


@settings(max_examples=60)
@given(POOLS, DEMANDS, POLICIES)
def test_a_pool_grows_only_by_a_step_that_fits(pool: Pool, demand: Demand, policy: Rebalance) -> None:
    """I2, I4: one rung, within the policy, after its cool-down, not too often, with one canary."""
    planned = plan(pool, demand, policy)
    assert abs(LADDER.index(planned.replicas) - LADDER.index(planned.now)) <= 1
    assert sum(node.canary for node in planned.nodes) <= 1
    if planned.status == "grow":
        assert planned.fits[planned.replicas] == ""
        assert planned.replicas <= policy.most
        assert all(NOW - at >= timedelta(minutes=policy.cool_down_minutes) for at in pool.state.changed)
        day = [at for at in pool.state.changed if NOW - at < timedelta(days=1)]
        assert len(day) < policy.changes_per_day


@settings(max_examples=60)
@given(POOLS, DEMANDS, POLICIES)
def test_heat_and_ignorance_never_grow_a_pool(pool: Pool, demand: Demand, policy: Rebalance) -> None:
    """I5, I6: hot GPUs freeze it, and a node that is not measured is left as it is."""
    planned = plan(pool, demand, policy)
    temperatures = [gpu.sample.temperature_celsius or 0 for node in pool.nodes for gpu in node.gpus]
    if min(temperatures) >= 80:
        assert planned.status != "grow"
    sick = {node.name for node in pool.nodes if any(79 in gpu.sample.xids for gpu in node.gpus)}
    blind = {node.name for node in pool.nodes if any(gpu.sample.busy_ratio is None for gpu in node.gpus)}
    assert all(node.action in {"leave", "hold"} for node in planned.nodes if node.node in sick | blind)


@settings(max_examples=30)
@given(POOLS, DEMANDS, POLICIES)
def test_nothing_changes_during_a_roll(pool: Pool, demand: Demand, policy: Rebalance) -> None:
    """I7."""
    planned = plan(replace(pool, blocked="gpu-inference is being rolled"), demand, policy)
    assert planned.status == "hold"
    assert planned.replicas == planned.now
    assert all(node.action in {"hold", "leave"} for node in planned.nodes)


@settings(max_examples=30)
@given(POOLS, DEMANDS, POLICIES, st.randoms(use_true_random=False))
def test_the_same_inputs_make_the_same_plan(pool: Pool, demand: Demand, policy: Rebalance, dice: object) -> None:
    """I8: in whichever order the nodes were found."""
    mixed = list(pool.nodes)
    dice.shuffle(mixed)  # type: ignore[attr-defined]
    assert plan(pool, demand, policy).hash == plan(replace(pool, nodes=mixed), demand, policy).hash


@settings(max_examples=30)
@given(POOLS, DEMANDS)
def test_more_memory_in_use_never_makes_more_shares(pool: Pool, demand: Demand) -> None:
    """A pool whose every workload needs four times as much fits no higher rung."""
    assume(pool.members)
    policy = Rebalance(most=8)
    larger = {name: profile_of(name, SIZES[name] * 4) for name in SIZES}
    heavy = plan_pool(pool, larger, demand, policy, NOW)
    light = plan(pool, demand, policy)
    assert {rung for rung, why in heavy.fits.items() if not why} <= {r for r, why in light.fits.items() if not why}
