"""Whatever runs where, every node belongs to one unit, and no gang reaches from one unit into another."""

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.pods import Pod
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.gangs import Gangs, Unit, decide_together
from gpuops.domain.rotation.order import NodeLoad, order_nodes

pods = st.builds(
    Pod,
    namespace=st.just("n"),
    name=st.uuids().map(str),
    owner=st.sampled_from(["Job", "DaemonSet"]),
    phase=st.sampled_from(["Running", "Succeeded"]),
    gang=st.sampled_from(["", "Job n/a", "Job n/b", "Job n/c"]),
)
clusters = st.dictionaries(st.sampled_from([f"node-{n}" for n in range(8)]), st.lists(pods, max_size=3))
loads = st.lists(
    st.builds(
        NodeLoad,
        instance=st.uuids().map(str),
        zone=st.sampled_from("abc"),
        pods=st.integers(0, 3),
        jobs=st.integers(0, 2),
        jobs_since=st.sampled_from(["", "2026-11-23T09:00:00Z", "2026-11-20T09:00:00Z"]),
        gang=st.sampled_from(["", "", "Job n/a", "Job n/b"]),
    ),
    max_size=20,
    unique_by=lambda load: load.instance,
)


@given(clusters)
def test_units_part_the_nodes(cluster: dict[str, list[Pod]]) -> None:
    """Whichever of its nodes one asks for, the unit is the same; each gang that holds nodes is in one unit."""
    gangs = Gangs(cluster)
    units = {node: gangs.unit_of(node) for node in cluster}

    for node, unit in units.items():
        assert node in unit.nodes
        assert all(units[fellow] == unit for fellow in unit.nodes)
        assert (len(unit.nodes) > 1) == bool(unit.gangs)
    holds = [(pod.gang, node) for node, on in cluster.items() for pod in on if pod.gang and must_go(pod)]
    for gang, node in holds:
        assert all(other in units[node].nodes for other_gang, other in holds if other_gang == gang)


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.integers(1, 6))
def test_a_gang_is_closed_whole_or_not_at_all(olds: set[str], claimed: set[str], at_once: int) -> None:
    """Only when each of its old nodes has a claim; who is waited for is claimed next, if there can be so many."""
    together = decide_together(Unit(frozenset(olds), ("Job n/a",)), sorted(olds), claimed, at_once)

    assert (together.why is None) == (olds <= claimed or len(olds) < 2)
    assert set(together.missing) == (olds - claimed if together.why and len(olds) <= at_once else set())
    assert set(together.instances) == olds


@given(loads)
def test_the_nodes_of_a_gang_stand_side_by_side(nodes: list[NodeLoad]) -> None:
    """Every node once; no other node between two of one gang; nothing that moves behind something that trains."""
    ordered = order_nodes(nodes)

    assert sorted(load.instance for load in ordered) == sorted(load.instance for load in nodes)
    for gang in {load.gang for load in nodes} - {""}:
        places = [place for place, load in enumerate(ordered) if load.gang == gang]
        assert places == list(range(places[0], places[0] + len(places)))
    alone = [load.kind for load in ordered if not load.gang]
    assert alone == sorted(alone)
