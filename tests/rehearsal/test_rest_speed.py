"""The rest ledger at the size of a large cluster: it is asked after each event, so it may not look at everything."""

from time import perf_counter

from tests.rehearsal.rest_cluster import Cluster


def test_five_thousand_pods_on_five_hundred_nodes_are_judged_fast() -> None:
    """One event and one look cost a millisecond or two, not a pass over the cluster."""
    cluster = Cluster()
    cluster.put("pdb", "b", spec={"selector": {}}, status={"observedGeneration": 1, "currentHealthy": 5000})
    for index in range(500):
        cluster.node(f"n{index}", gpus=8)
    for index in range(5000):
        cluster.pod(f"p{index}", f"n{index % 500}", owner=f"replicaset/r{index % 100}")
    for index in range(100):
        counts = {"replicas": 50, "readyReplicas": 50, "observedGeneration": 1}
        cluster.put("replicaset", f"r{index}", spec={"replicas": 50}, status=counts)
    assert cluster.owed is None

    start = perf_counter()
    for index in range(100):
        cluster.pod(f"p{index}", f"n{index}", owner=f"replicaset/r{index}", metadata={"labels": {"round": "2"}})
        assert cluster.owed is None
    assert (perf_counter() - start) / 100 < 0.01
