"""What counts as a debt, from objects made by hand.

Covers: nodes, unscheduled pods and their placement, job tracking, garbage collection, counts of ReplicaSets,
Deployments, DaemonSets and Jobs, budgets, endpoint slices, and the kubelets' own debts.
"""

from typing import Any

import pytest

from rehearsal.kube import Json
from tests.rehearsal.rest_cluster import Cluster

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


@pytest.fixture
def cluster() -> Cluster:
    """Nothing in it yet."""
    return Cluster()


def test_an_empty_cluster_owes_nothing_and_events_move_the_world(cluster: Cluster) -> None:
    """Each event starts settling anew."""
    assert cluster.owed is None
    cluster.node("n")
    assert (cluster.owed, cluster.clock.moves) == (None, 1)


def test_a_nodes_taints_follow_its_conditions(cluster: Cluster) -> None:
    """Both ways, and for cordons."""
    cluster.node("n", ready=False)
    assert cluster.owed == "nodelifecycle: not-ready taint"
    cluster.node("n", ready=False, taints=[NOT_READY])
    assert cluster.owed is None
    cluster.node("n", taints=[NOT_READY])
    assert cluster.owed == "nodelifecycle: not-ready taint"
    cluster.node("n", unschedulable=True)
    assert cluster.owed == "nodelifecycle: unschedulable taint"


def test_the_scheduler_owes_a_decision_and_then_a_place_that_surely_fits(cluster: Cluster) -> None:
    """A pod of one GPU: no node, a full node, a free node."""
    cluster.pod("p", phase="Pending", gpus="1")
    assert cluster.owed == "scheduler: decision"
    cluster.waiting("p", gpus="1")
    cluster.node("n")
    assert cluster.owed == "scheduler: place for default/p"
    cluster.pod("tenant", "n", gpus="1")
    assert cluster.owed is None
    cluster.pod("tenant", "n", phase="Succeeded", ready=False, gpus="1")
    assert cluster.owed == "scheduler: place for default/p"


@pytest.mark.parametrize(
    "obstacle",
    [
        {"node": {"taints": [{"key": "x", "effect": "NoSchedule"}]}},
        {"node": {"unschedulable": True, "taints": [CORDONED]}, "pod": {"tolerations": [{"operator": "Exists"}]}},
        {"node": {"gpus": 0}},
        {"pod": {"nodeSelector": {"pool": "other"}}},
        {"pod": {"topologySpreadConstraints": [{}]}},
        {"pod": {"volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]}},
        {"pod": {"schedulerName": "other"}},
    ],
)
def test_no_place_is_owed_where_something_may_be_in_the_way(cluster: Cluster, obstacle: dict[str, Any]) -> None:
    """What is not judged here counts as an obstacle."""
    cluster.node("n", **obstacle.get("node", {}))
    cluster.waiting("p", gpus="1", spec=obstacle.get("pod", {}))

    assert cluster.owed is None


def test_a_tolerated_taint_is_no_obstacle(cluster: Cluster) -> None:
    """By key alone, as GPU pods do."""
    cluster.node("n", taints=[{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}])
    cluster.waiting("p", spec={"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]})

    assert cluster.owed == "scheduler: place for default/p"


def test_a_replicaset_owes_pods_and_their_counts(cluster: Cluster) -> None:
    """Missing pods, a stale generation, a stale status."""
    cluster.put("replicaset", "r", spec={"replicas": 1}, status={"replicas": 0})
    assert cluster.owed == "controller: generation"
    cluster.put("replicaset", "r", spec={"replicas": 1}, status={"observedGeneration": 1})
    assert cluster.owed == "replicaset: pods"
    cluster.pod("p", "n", owner="replicaset/r")
    assert cluster.owed == "replicaset: status"
    done = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1}
    cluster.put("replicaset", "r", spec={"replicas": 1}, status=done)
    assert cluster.owed is None


def test_a_deployment_adds_its_replicasets_up(cluster: Cluster) -> None:
    """Its own status, and its ReplicaSet's size."""
    counts = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1}
    cluster.put("replicaset", "r", owner="deployment/d", spec={"replicas": 1}, status=counts)
    cluster.pod("p", "n", owner="replicaset/r")
    cluster.put("deployment", "d", spec={"replicas": 1}, status={**counts, "readyReplicas": 0})
    assert cluster.owed == "deployment: readyReplicas"
    cluster.put("deployment", "d", spec={"replicas": 2}, status=counts)
    assert cluster.owed == "deployment: size"


def test_a_daemonset_owes_each_fitting_node_a_pod(cluster: Cluster) -> None:
    """A cordoned node counts, a node with a foreign taint does not; a node's deletion demands no status."""
    template: Json = {"spec": {"containers": []}}
    status = {"observedGeneration": 1, "numberReady": 1}
    cluster.node("tainted", taints=[{"key": "x", "effect": "NoSchedule"}])
    cluster.node("n", unschedulable=True, taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}])
    cluster.put("daemonset", "d", spec={"template": template}, status=status)
    assert cluster.owed == "daemonset: pods"
    cluster.pod("p", "n", owner="daemonset/d", ready=False)
    assert cluster.owed == "daemonset: status"
    cluster.pod("p", "n", owner="daemonset/d")
    assert cluster.owed is None
    cluster.put("daemonset", "d", spec={"template": template}, status={**status, "numberReady": 2})
    cluster.drop("node", "n")
    assert cluster.owed is None


def test_a_job_owes_pods_counts_bookkeeping_and_its_end(cluster: Cluster) -> None:
    """From its first pod to Complete."""
    spec = {"parallelism": 1, "completions": 1}
    cluster.put("job", "j", spec=spec)
    assert cluster.owed == "job: pods"
    cluster.pod("p", "n", owner="job/j")
    assert cluster.owed == "job: status"
    cluster.put("job", "j", spec=spec, status={"active": 1, "ready": 0})
    assert cluster.owed is None, "that its pod is ready is told a second late, and nobody waits for it"
    finalizer = {"finalizers": ["batch.kubernetes.io/job-tracking"]}
    cluster.pod("p", "n", phase="Succeeded", ready=False, owner="job/j", metadata=finalizer)
    cluster.put("job", "j", spec=spec, status={"succeeded": 1})
    assert cluster.owed == "job: end"
    complete = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    cluster.put("job", "j", spec=spec, status=complete)
    assert cluster.owed == "job: tracking finalizer"
    cluster.pod("p", "n", phase="Succeeded", ready=False, owner="job/j")
    assert cluster.owed is None


def test_dependents_of_a_deleted_owner_are_owed_to_the_garbage_collector(cluster: Cluster) -> None:
    """Until they are on their way out themselves."""
    cluster.put("job", "j", spec={"suspend": True})
    cluster.pod("p", "n", phase="Succeeded", ready=False, owner="job/j")
    assert cluster.owed is None
    cluster.drop("job", "j")
    assert cluster.owed == "garbage collector: pod"
    cluster.pod("p", "n", phase="Succeeded", owner="job/j", metadata={"deletionTimestamp": "now"})
    assert cluster.owed is None


def test_a_budget_counts_its_pods_and_forgets_done_evictions(cluster: Cluster) -> None:
    """Selected by labels, also when a pod's labels change."""
    spec = {"selector": {"matchLabels": {"app": "a"}}}
    cluster.pod("p", "n", metadata={"labels": {"app": "a"}})
    cluster.put("pdb", "b", spec=spec, status={"observedGeneration": 1, "currentHealthy": 0})
    assert cluster.owed == "pdb: status"
    cluster.pod("p", "n", metadata={"labels": {"app": "other"}})
    assert cluster.owed is None
    cluster.put("pdb", "b", spec=spec, status={"observedGeneration": 1, "currentHealthy": 0, "disruptedPods": {"p": 1}})
    assert cluster.owed == "pdb: disrupted pods"


def test_endpoint_slices_name_the_ready_pods(cluster: Cluster) -> None:
    """The Service's slices together."""
    cluster.put("service", "s", spec={"selector": {"app": "a"}})
    cluster.pod("p", "n", metadata={"labels": {"app": "a"}})
    assert cluster.owed == "endpointslice"
    endpoint = {"targetRef": {"uid": "pod/p"}, "conditions": {"ready": True}}
    labels = {"labels": {"kubernetes.io/service-name": "s"}}
    cluster.put("slice", "s-1", owner="service/s", metadata=labels, endpoints=[endpoint])
    assert cluster.owed is None
    cluster.pod("p", "n", ready=False, metadata={"labels": {"app": "a"}})
    assert cluster.owed == "endpointslice"


VOLUMES = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
IN_USE = {"volumesInUse": ["kubernetes.io/csi/ebs.csi.aws.com^pv"]}
GONE_FOR_GOOD = [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]


def test_a_volume_leaves_a_node_that_needs_it_no_more_and_does_not_use_it_or_is_dead(cluster: Cluster) -> None:
    """A kubelet that is silent uses it for ever, unless the node is out of service."""
    spec = {"nodeName": "n", "source": {"persistentVolumeName": "pv"}}
    attached: dict[str, Any] = {"spec": spec, "status": {"attached": True}}
    dead = {"conditions": [{"type": "Ready", "status": "False"}], **IN_USE}
    unreachable = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
    cluster.put("claim", "data", spec={"volumeName": "pv"})
    cluster.put("node", "n", spec={"taints": unreachable}, status=dead)
    cluster.pod("p", "n", spec=VOLUMES)
    cluster.put("attachment", "a", **attached)
    assert cluster.owed is None
    cluster.drop("pod", "p")
    assert cluster.owed is None
    cluster.put("node", "n", spec={"taints": [*unreachable, *GONE_FOR_GOOD]}, status=dead)
    assert cluster.owed == "attach-detach: detach"
    cluster.put("attachment", "a", metadata={"deletionTimestamp": "now"}, **attached)
    assert cluster.owed is None


def test_a_volume_that_no_kubelet_uses_is_taken_from_its_node(cluster: Cluster) -> None:
    """Once its pod is gone; not from a node that is gone itself, about which the controller learns in its own time."""
    spec = {"nodeName": "n", "source": {"persistentVolumeName": "pv"}}
    cluster.node("n")
    cluster.put("attachment", "a", spec=spec, status={"attached": True})
    assert cluster.owed == "attach-detach: detach"
    cluster.drop("node", "n")
    assert cluster.owed is None


def test_a_kubelets_debt_counts_until_it_is_paid(cluster: Cluster) -> None:
    """A debt is judged again although no event came."""
    cluster.unpaid.add("p")
    cluster.pod("p", "n")
    assert cluster.owed == "kubelet"
    cluster.unpaid.clear()
    assert cluster.owed is None
