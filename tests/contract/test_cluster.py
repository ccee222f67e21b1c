"""The cluster adapter against a real control plane and our RBAC, and the fake that stands for it in unit tests.

Covers: finding a node by its instance, cordon and return beside other people's cordons, admission marks, one taint
among several, evictions under a budget, pods of one node. On the real one also: least privilege, pages, smoke Jobs
through admission and scheduler, a cluster that does not answer.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.jobs import Jobs
from gpuops.adapters.kube import Kube
from gpuops.adapters.smoke_manifest import SmokeJob
from gpuops.domain.admission.answers import Expected, Shot
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable
from gpuops.domain.keys import (
    ADMITTED,
    BOOT_BEFORE,
    CONFIG_BEFORE,
    DRIVER,
    OUT_OF_SERVICE,
    PLUGIN_CONFIG_LABEL,
    QUARANTINE_KEY,
    SCALE_DOWN_DISABLED,
    STARTUP_TAINT,
    STARTUP_TAINT_KEY,
    Taint,
)
from gpuops.domain.smoke.judge import judge_smoke
from gpuops.domain.smoke.stages import JobState
from rehearsal.control_plane import ControlPlane, PodNetwork
from tests.contract.cluster_rights import Admin, administrator, apply_rights, control_plane, member, wait_for
from tests.fakes.admission import FakeCluster
from tests.fakes.smoke_logs import GOOD
from tests.unit.test_admission_functions import NOW

CONTAINER = {"ready": False, "restartCount": 0, "image": "i", "imageID": "i"}
STRATEGIC = "application/strategic-merge-patch+json"
SOME_UID = "11111111-2222-3333-4444-555555555555"
PLUGIN_CONFIGS = "kube-system/nvidia-device-plugin-configs"
GPU_TAINT = Taint(key="nvidia.com/gpu", value="true", effect="NoSchedule")
TAINTS = (STARTUP_TAINT, GPU_TAINT)
KUBELET = {
    "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}],
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
}


@dataclass
class Stage:
    """A cluster to act on, and the means to set its scene."""

    drainer: Cluster
    admitter: Cluster
    add_node: Callable[..., Node]
    add_pod: Callable[..., Pod]
    forbid: Callable[[Pod], None]
    """A disruption budget that allows no eviction of the pod."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One control plane for the module, where each of our groups has one member."""
    with control_plane() as plane:
        network = PodNetwork(plane.podnet_socket, kubelet)
        network.start()
        yield plane
        network.stop()


def kubelet(host: str, port: int, path: str) -> tuple[int, bytes]:
    """The logs of a good smoke, by container; a kubelet's own address is all it may be asked at."""
    container = path.partition("?")[0].rpartition("/")[2]
    return (200, GOOD[container].encode()) if (host, port) == ("10.0.0.5", 10250) else (404, b"")


@pytest.fixture(scope="module")
def admin(plane: ControlPlane) -> Admin:
    """Requests of the cluster's administrator, who has applied our RBAC."""
    request = administrator(plane)
    apply_rights(request, "i")
    return request


@pytest.fixture(scope="module")
def kube(plane: ControlPlane, admin: Admin) -> Callable[[str], Kube]:
    """A connection as a member of one group; pages of two, so that every list has several."""
    return lambda group: member(plane, group, page=2)


@pytest.fixture
def real(admin: Admin, kube: Callable[[str], Kube]) -> Iterator[Stage]:
    """The scene on the real control plane, cleared afterwards."""
    yield real_stage(admin, kube)
    for path in ("/api/v1/nodes", "/apis/policy/v1/namespaces/default/poddisruptionbudgets"):
        admin("DELETE", path)
    for namespace in ("default", "gpuops"):
        admin("DELETE", f"/api/v1/namespaces/{namespace}/pods", {"gracePeriodSeconds": 0})


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def stage(request: pytest.FixtureRequest) -> Stage:
    """The same scene over both."""
    if request.param == "fake":
        return fake_stage()
    found: Stage = request.getfixturevalue("real")
    return found


def fake_stage() -> Stage:
    """In memory."""
    cluster = FakeCluster()

    def add_node(name: str, **fields: Any) -> Node:
        node = Node(name=name, uid=f"uid-{name}", **fields)
        cluster.known[name] = node
        if node.unschedulable:
            cluster.foreign_cordons.add(name)
        return node

    def add_pod(name: str, node: str) -> Pod:
        pod = Pod("default", name, f"uid-{name}")
        cluster.pods.append((node, pod))
        return pod

    def forbid(pod: Pod) -> None:
        cluster.budgets[pod.title] = f"The disruption budget {pod.name} needs 1 healthy pods and has 1 currently"

    return Stage(cluster, cluster, add_node, add_pod, forbid)


def real_stage(admin: Admin, kube: Callable[[str], Kube]) -> Stage:
    """Over the apiserver."""
    drainer, reader = Cluster(kube("drainers")), Cluster(kube("readers"))

    def add_node(
        name: str, *, instance: str = "", taints: tuple[Taint, ...] = (), unschedulable: bool = False, gpus: int = 0
    ) -> Node:
        spec = {"taints": [taint.model_dump() for taint in taints], "unschedulable": unschedulable}
        spec |= {"providerID": f"aws:///us-east-1a/{instance}"} if instance else {}
        assert admin("POST", "/api/v1/nodes", {"metadata": {"name": name}, "spec": spec})[0] == 201
        resources = {"cpu": "4", "memory": "16Gi", "pods": "58", "nvidia.com/gpu": str(gpus)}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {"status": {"capacity": resources, "allocatable": resources, "conditions": [ready], **KUBELET}}
        assert admin("PATCH", f"/api/v1/nodes/{name}/status", status, "application/merge-patch+json")[0] == 200
        return reader.node(name) or pytest.fail(name)

    def add_pod(name: str, node: str) -> Pod:
        spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
        pod = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        assert admin("POST", "/api/v1/namespaces/default/pods", pod)[0] == 201
        ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        path = f"/api/v1/namespaces/default/pods/{name}/status"
        assert admin("PATCH", path, ready, "application/merge-patch+json")[0] == 200
        return next(pod for pod in reader.pods_on(node) if pod.name == name)

    def forbid(pod: Pod) -> None:
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": pod.name}}}
        assert admin("POST", path, {"metadata": {"name": pod.name}, "spec": spec})[0] == 201
        wait_for(lambda: admin("GET", f"{path}/{pod.name}")[1]["status"].get("currentHealthy") == 1)

    return Stage(drainer, Cluster(kube("admitters")), add_node, add_pod, forbid)


def test_a_node_is_found_by_its_instance(stage: Stage) -> None:
    """With a good hint, a wrong one and none; a list longer than a page is read to its end."""
    nodes = [stage.add_node(f"n{n}", instance=f"i-0000000{n}", gpus=n) for n in range(5)]

    cluster = stage.drainer
    assert {node.instance for node in cluster.nodes()} >= {node.instance for node in nodes}
    for hint in ("", "n3", "n4", "no-such-node"):
        found = cluster.node_of("i-00000003", hint=hint)
        assert found is not None
        assert (found.name, found.ready, found.gpus) == ("n3", True, 3)
    assert cluster.node_of("i-00000009") is None
    assert cluster.node("no-such-node") is None


@pytest.mark.parametrize("foreign", [False, True])
def test_a_cordon_is_ours_to_lift_but_not_anybody_elses(stage: Stage, foreign: bool) -> None:  # noqa: FBT001
    """Cordoned twice, lifted twice, with an admission mark in between that nobody may lose."""
    node = stage.add_node("n", instance="i-00000001", unschedulable=foreign)

    for _ in range(2):
        stage.drainer.cordon(node, "run-1")
    stage.admitter.mark_admitted(node, NOW, {DRIVER: "580.159.03"})
    cordoned = stage.drainer.node("n")
    for _ in range(2):
        stage.drainer.uncordon(node)
    returned = stage.drainer.node("n")

    assert cordoned is not None
    assert returned is not None
    assert (cordoned.unschedulable, cordoned.cordoned_by) == (True, "run-1")
    assert (returned.unschedulable, returned.cordoned_by) == (foreign, None)
    assert (returned.annotations[ADMITTED], returned.annotations[DRIVER]) == (NOW.isoformat(), "580.159.03")


def test_cluster_autoscaler_leaves_a_kept_node_alone_until_it_is_let_go(stage: Stage) -> None:
    """Admission keeps it, close_change lets it go; cordon and admission mark are neither's business."""
    node = stage.add_node("n", instance="i-00000001")
    stage.admitter.mark_admitted(node, NOW, {})

    for _ in range(2):
        stage.admitter.keep(node, "run-1")
    kept = stage.drainer.node("n")
    for _ in range(2):
        stage.drainer.let_go(node)
    free = stage.drainer.node("n")

    assert kept is not None
    assert free is not None
    assert (kept.kept_for, kept.annotations[SCALE_DOWN_DISABLED]) == ("run-1", "true")
    assert (free.kept_for, SCALE_DOWN_DISABLED in free.annotations) == (None, False)
    assert free.annotations[ADMITTED] == NOW.isoformat()


@pytest.mark.cluster
@pytest.mark.parametrize("theirs", ["true", "false"])
def test_what_somebody_else_told_cluster_autoscaler_stays(real: Stage, admin: Admin, theirs: str) -> None:
    """Whether they agree with us or not: no conflict fails an admission, and their word outlives ours."""
    node = real.add_node("n", instance="i-00000001")
    told = {"metadata": {"annotations": {SCALE_DOWN_DISABLED: theirs}}}
    admin("PATCH", "/api/v1/nodes/n?fieldManager=kubectl-annotate", told, "application/merge-patch+json")

    real.admitter.keep(node, "run-1")
    during = real.drainer.node("n")
    real.drainer.let_go(node)
    after = real.drainer.node("n")

    assert during is not None
    assert after is not None
    assert during.kept_for == ("run-1" if theirs == "true" else None)
    assert (after.annotations[SCALE_DOWN_DISABLED], after.kept_for) == (theirs, None)


def test_a_node_that_was_replaced_is_not_touched(stage: Stage) -> None:
    """Another instance may come up under the old name between a look and an act."""
    node = stage.add_node("n", instance="i-00000001")

    for other in (replace(node, uid=SOME_UID), replace(node, name="no-such-node")):
        with pytest.raises(Unavailable, match="replaced meanwhile"):
            stage.drainer.cordon(other, "run-1")

    untouched = stage.drainer.node("n")
    assert stage.drainer.node("no-such-node") is None
    assert untouched is not None
    assert not untouched.unschedulable


def test_only_our_taint_is_removed(stage: Stage) -> None:
    """Twice is as good as once, and a node that is gone has none."""
    stage.add_node("n", instance="i-00000001", taints=TAINTS)

    for name in ("n", "n", "no-such-node"):
        stage.admitter.remove_taint(name, STARTUP_TAINT_KEY)

    node = stage.admitter.node("n")
    assert node is not None
    assert GPU_TAINT in node.taints
    assert not node.pending


def test_our_taint_is_added_beside_the_others(stage: Stage) -> None:
    """Twice is as good as once; a node that is gone takes none."""
    stage.add_node("n", instance="i-00000001", taints=(GPU_TAINT,))

    for name in ("n", "n", "no-such-node"):
        stage.admitter.add_taint(name, STARTUP_TAINT)

    node = stage.admitter.node("n")
    assert node is not None
    assert node.pending
    assert GPU_TAINT in node.taints


def test_soft_taints_come_and_go_beside_the_others(stage: Stage) -> None:
    """So many of ours as are wanted, whatever was there; a node that is gone bears none."""
    stage.add_node("n", instance="i-00000001", taints=(GPU_TAINT,))

    for marks in (1, 2, 2, 1, 0):
        for name in ("n", "no-such-node"):
            stage.admitter.mark(name, marks)
        node = stage.admitter.node("n")
        assert node is not None
        ours = [taint for taint in node.taints if taint.effect == "PreferNoSchedule"]
        assert (node.marks, len(ours)) == (marks, marks)
        assert GPU_TAINT in node.taints


def test_a_quarantine_is_written_down_and_taken_back(stage: Stage) -> None:
    """With the time of its last pass; it touches neither cordon nor taints."""
    node = stage.add_node("n", instance="i-00000001")
    for minute in range(2):
        stage.admitter.quarantine(replace(node, boot_id="boot-1"), NOW + timedelta(minutes=minute))

    closed = stage.admitter.node("n")
    stage.admitter.end_quarantine(node)
    opened = stage.admitter.node("n")

    assert closed is not None
    assert opened is not None
    assert closed.quarantined == (NOW + timedelta(minutes=1)).isoformat()
    assert closed.annotations[BOOT_BEFORE] == "boot-1"
    assert (opened.quarantined, opened.unschedulable) == (None, False)


def test_a_label_chooses_the_plugins_configuration(stage: Stage) -> None:
    """Again, the same label twice."""
    node = stage.add_node("n", instance="i-00000001")

    for _ in range(2):
        stage.admitter.label_config(node, "exclusive")

    labelled = stage.admitter.node("n")
    assert labelled is not None
    assert labelled.labels[PLUGIN_CONFIG_LABEL] == "exclusive"


@pytest.mark.parametrize("was", ["exclusive", None])
def test_a_change_of_configuration_remembers_what_was_and_can_be_taken_back(stage: Stage, was: str | None) -> None:
    """Also where there was none; a second taking back finds nothing."""
    node = stage.add_node("n1")
    if was:
        stage.admitter.label_config(node, was)
    node = look(stage, node)
    for _ in range(2):
        stage.admitter.change_config(node, "r4")
    changed = look(stage, node)
    assert (changed.config, changed.annotations[CONFIG_BEFORE]) == ("r4", was or "")

    for _ in range(2):
        stage.admitter.restore_config(look(stage, node))

    back = look(stage, node)
    assert (back.config, CONFIG_BEFORE in back.annotations) == (was, False)


def test_a_changed_configuration_that_is_chosen_again_stays(stage: Stage) -> None:
    """So a change is kept: what was before it is forgotten."""
    node = stage.add_node("n1")
    stage.admitter.change_config(node, "r4")

    stage.admitter.label_config(look(stage, node), "r4")
    stage.admitter.restore_config(look(stage, node))

    kept = look(stage, node)
    assert (kept.config, CONFIG_BEFORE in kept.annotations) == ("r4", False)


def look(stage: Stage, node: Node) -> Node:
    """The node as it is now."""
    found = stage.admitter.node(node.name)
    assert found is not None
    return found


def test_evictions_are_granted_or_refused_in_the_budgets_words(stage: Stage) -> None:
    """Evicted is not gone: the pod is deleting until its kubelet says so."""
    stage.add_node("n", instance="i-00000001")
    free, guarded = stage.add_pod("free", "n"), stage.add_pod("guarded", "n")
    stage.forbid(guarded)

    answers = stage.drainer.evict_all([free, guarded])

    assert answers[free] is None
    assert "disruption budget guarded" in (answers[guarded] or "")
    deleting = {pod.name: pod.deleting for pod in stage.drainer.pods_on("n")}
    assert deleting.get("free", True)
    assert deleting["guarded"] is False


def test_a_pod_that_is_gone_counts_as_evicted(stage: Stage) -> None:
    """A second pass may be a moment behind."""
    assert stage.drainer.evict(Pod("default", "gone", SOME_UID)) is None


@pytest.mark.cluster
def test_the_zones_of_a_pods_volumes_are_those_that_all_of_them_have(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """A claim that nobody has bound yet binds nothing; other groups may read neither claims nor volumes."""
    real.add_node("n")
    pod = real.add_pod("db", "n")
    term = {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}]}
    shared = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    volume = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}, **shared}
    volume["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    volume["claimRef"] = {"namespace": "default", "name": "bound"}  # or the binder may give it to the other claim
    assert admin("POST", "/api/v1/persistentvolumes", {"metadata": {"name": "pv"}, "spec": volume})[0] == 201
    for name, more in (("bound", {"volumeName": "pv"}), ("unbound", {})):
        spec = {**shared, "resources": {"requests": {"storage": "1Gi"}}, **more}
        path = "/api/v1/namespaces/default/persistentvolumeclaims"
        assert admin("POST", path, {"metadata": {"name": name}, "spec": spec})[0] == 201

    claimer = Cluster(kube("claimers"))
    assert claimer.zones_of(replace(pod, claims=("unbound", "bound"))) == frozenset({"us-east-1a"})
    assert claimer.zones_of(replace(pod, claims=("unbound", "gone"))) is None
    with pytest.raises(Refused):
        real.drainer.zones_of(replace(pod, claims=("bound",)))


def test_pods_come_by_their_nodes(stage: Stage) -> None:
    """All of them in one question; a node without any is not among them, or has none."""
    for name in ("n1", "n2", "n3"):
        stage.add_node(name)
    stage.add_pod("web", "n1")
    stage.add_pod("batch", "n2")

    found = {name: [pod.name for pod in pods] for name, pods in stage.drainer.pods_by_node().items() if pods}

    assert found == {"n1": ["web"], "n2": ["batch"]}


def test_pods_of_other_nodes_are_not_listed(stage: Stage) -> None:
    """The apiserver filters, not we."""
    for name in ("n", "other"):
        stage.add_node(name)
    pods = {stage.add_pod(f"p{n}", "n").name for n in range(3)}
    stage.add_pod("elsewhere", "other")

    assert {pod.name for pod in stage.drainer.pods_on("n")} == pods


def test_a_pod_is_asked_to_checkpoint_and_bears_the_time(stage: Stage) -> None:
    """Twice is as good as once; one that is gone needs no asking."""
    stage.add_node("n")
    pod = stage.add_pod("train", "n")

    for asked in (pod, pod, Pod("default", "gone", SOME_UID)):
        stage.drainer.ask_checkpoint(asked, NOW)

    assert [(there.name, there.asked) for there in stage.drainer.pods_on("n")] == [("train", NOW)]


@pytest.mark.cluster
def test_the_right_to_patch_pods_is_good_for_one_annotation(real: Stage, kube: Callable[[str], Kube]) -> None:
    """Neither another image, nor another label or annotation, nor a finalizer that would keep the pod for good."""
    real.add_node("n")
    pod = real.add_pod("train", "n")
    drainer, path = kube("drainers"), "/api/v1/namespaces/default/pods/train"
    more = {"gpuops/checkpoint-requested": NOW.isoformat(), "karpenter.sh/do-not-disrupt": "true"}
    bodies: list[dict[str, Any]] = [
        {"spec": {"containers": [{"name": "c", "image": "another"}]}},
        {"metadata": {"labels": {"app": "another"}}},
        {"metadata": {"annotations": more}},
        {"metadata": {"finalizers": ["example.com/for-good"]}},
    ]

    for body in bodies:
        with pytest.raises((Refused, Invalid), match=r"gpuops changes nothing|only annotation"):
            drainer.patch(path, body, content=STRATEGIC, manager="gpuops-checkpoint")

    real.drainer.ask_checkpoint(replace(pod, uid=SOME_UID), NOW)
    assert real.drainer.pods_on("n") == [pod]


@pytest.mark.cluster
@pytest.mark.parametrize("group", ["admitters", "drainers"])
def test_the_right_to_patch_nodes_is_good_for_our_own_fields(
    real: Stage, kube: Callable[[str], Kube], group: str
) -> None:
    """No other label or annotation, nobody else's taint, no finalizer: neither set, nor changed, nor taken away."""
    real.add_node("n", instance="i-00000001", taints=TAINTS)
    path, patch = "/api/v1/nodes/n", {"content": "application/merge-patch+json", "manager": "gpuops-admission"}
    wait_for(lambda: not any("not-ready" in taint["key"] for taint in kube("readers").get(path)["spec"]["taints"]))
    startup, gpu = (taint.model_dump() for taint in TAINTS)
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("no label", {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}),
        ("no annotation", {"metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "true"}}}),
        ("own", {"spec": {"taints": [startup]}}),
        ("own", {"spec": {"taints": [startup, gpu, {"key": "theirs", "effect": "NoExecute"}]}}),
        ("own", {"spec": {"taints": [startup, {**gpu, "effect": "NoExecute"}]}}),
        ("nothing else", {"metadata": {"finalizers": ["example.com/for-good"]}}),
    ]

    for words, body in bodies:
        with pytest.raises(Refused, match=f"gpuops-nodes.*{words}"):
            kube(group).patch(path, body, **patch)
    kube(group).patch(path, {"spec": {"taints": [gpu], "unschedulable": True}}, **patch)


@pytest.mark.cluster
def test_only_who_fences_says_that_a_node_is_out_of_service(real: Stage, kube: Callable[[str], Kube]) -> None:
    """And only of one in quarantine: Kubernetes lets go of its pods and volumes by that."""
    quarantine = Taint(key=QUARANTINE_KEY, value="xid-79", effect="NoSchedule")
    real.add_node("n", instance="i-00000001", taints=(quarantine,))
    real.add_node("other", instance="i-00000002")

    for group, node in (("drainers", "other"), ("admitters", "n"), ("repairers", "n")):
        with pytest.raises(Refused, match="gpuops-nodes"):
            Cluster(kube(group)).add_taint(node, OUT_OF_SERVICE)
    for _ in range(2):
        Cluster(kube("drainers")).add_taint("n", OUT_OF_SERVICE)
    Cluster(kube("admitters")).remove_taint("n", QUARANTINE_KEY)

    found = Cluster(kube("readers")).node("n")
    assert found is not None
    assert OUT_OF_SERVICE in found.taints
    assert quarantine not in found.taints


@pytest.mark.cluster
def test_what_others_wrote_on_a_node_cannot_be_taken_away(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """A merge patch with null removes; so does replacing a list."""
    real.add_node("n", instance="i-00000001")
    merge = "application/merge-patch+json"
    theirs = {"metadata": {"labels": {"pool": "a"}, "annotations": {"owner": "b"}}}
    assert admin("PATCH", "/api/v1/nodes/n", theirs, merge)[0] == 200

    for part, key in (("labels", "pool"), ("annotations", "owner")):
        for value in (None, "other"):
            with pytest.raises(Refused, match="gpuops-nodes"):
                kube("admitters").patch(
                    "/api/v1/nodes/n", {"metadata": {part: {key: value}}}, content=merge, manager="gpuops-admission"
                )


@pytest.mark.cluster
def test_a_pod_of_the_same_name_elsewhere_is_not_evicted(real: Stage) -> None:
    """A StatefulSet's pod may have been recreated between the look and the act."""
    real.add_node("n")
    pod = real.add_pod("web-0", "n")

    assert real.drainer.evict(replace(pod, uid=SOME_UID)) is None

    assert real.drainer.pods_on("n") == [pod]
    real.drainer.delete_pod(pod)
    assert all(left.deleting for left in real.drainer.pods_on("n"))


@pytest.mark.cluster
def test_each_group_may_do_its_own_work_only(real: Stage, kube: Callable[[str], Kube]) -> None:
    """What a role was not granted is Refused, and says what was forbidden."""
    node = real.add_node("n")
    pod = Pod("default", "p", "1")
    job = smoke("device", "r")
    refused: list[Callable[[], object]] = [
        lambda: Cluster(kube("readers")).cordon(node, "r"),
        lambda: Cluster(kube("readers")).volumes_on("n"),
        lambda: Cluster(kube("readers")).config_text(PLUGIN_CONFIGS, "r4"),
        lambda: Cluster(kube("admitters")).pods_on("n"),
        lambda: Cluster(kube("admitters")).delete_pod(pod),
        lambda: Cluster(kube("admitters")).config_text("kube-system/another", "r4"),
        lambda: Cluster(kube("smokers")).nodes(),
        lambda: Cluster(kube("admitters")).evict(pod),
        lambda: Jobs(kube("drainers")).start(job),
        lambda: Jobs(kube("judges")).start(job),
        lambda: Jobs(kube("smokers")).delete(job.name),
        lambda: kube("smokers").post("/apis/batch/v1/namespaces/default/jobs", {}),
        lambda: kube("drainers").get("/api/v1/secrets"),
    ]
    for act in refused:
        with pytest.raises(Refused, match="forbidden"):
            act()
    for group in ("admitters", "smokers"):
        assert Cluster(kube(group)).config_text(PLUGIN_CONFIGS, "r4") is None
    assert Cluster(kube("drainers")).volumes_on("n") == []


def smoke(stage: str, run: str = "run-1", pods: int = 1) -> SmokeJob:
    """A stage on node n, with an image that is allowed here."""
    images = dict.fromkeys(("device_image", "sample_image", "diagnostic_image"), "i")
    fields = {
        "run": run,
        "smoke": run,
        "group": "gpu",
        "node": "n",
        "stage": stage,
        "pods": pods,
        "timeout_seconds": 60,
    }
    return SmokeJob.model_validate({**fields, **images})


@pytest.mark.cluster
def test_a_smoke_job_passes_admission_lands_on_its_node_and_is_read(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """Started twice it is one; the pod passes PodSecurity `restricted` and the scheduler, past the startup taint."""
    jobs = Jobs(kube("judges"))
    for name in ("n", "other"):
        real.add_node(name, taints=TAINTS, gpus=1)
    job = smoke("device")

    for _ in range(2):
        Jobs(kube("smokers")).start(job)

    wait_for(lambda: len(real.drainer.pods_on("n")) == 1)
    assert (real.drainer.pods_on("n")[0].completes, real.drainer.pods_on("n")[0].smoke) == (True, True)
    assert jobs.state(job.name) == JobState("running")
    assert [(pod.phase, pod.reason, pod.logs) for pod in jobs.pods(job.name)] == [("Pending", "", {})]
    _report(real.drainer.pods_on("n")[0], admin, "Succeeded", ENDED, init="nvidia-smi", main="vectoradd")
    wait_for(lambda: jobs.state(job.name) != JobState("running"))
    assert jobs.state(job.name) == JobState("complete", "CompletionsReached: Reached expected number of succeeded pods")
    assert [pod.logs for pod in jobs.read(jobs.pods(job.name))] == [GOOD]
    assert (jobs.of_group("other"), jobs.of_group("gpu")) == ({}, {job.name: "n"})
    for _ in range(2):
        jobs.delete(job.name)
    assert jobs.state(job.name) is None
    assert jobs.pods("no-such-job") == []


@pytest.mark.cluster
def test_an_overlap_takes_every_share_and_leaves_one_pod_pending(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """The real scheduler's own words are what the judge takes for the want of a share."""
    jobs, job = Jobs(kube("judges")), smoke("overlap", pods=3)
    real.add_node("n", taints=TAINTS, gpus=2)
    real.add_node("other", taints=TAINTS, gpus=2)
    Jobs(kube("smokers")).start(job)
    wait_for(lambda: len(real.drainer.pods_on("n")) == 2)
    wait_for(lambda: any("Insufficient nvidia.com/gpu" in pod.reason for pod in jobs.pods(job.name)))
    for pod in real.drainer.pods_on("n"):
        _report(pod, admin, "Running", {"running": {}}, init="vectoradd", main="nvidia-smi")

    pods, shared = jobs.read(jobs.pods(job.name)), Expected(gpus=1, replicas=2)
    shot = Shot(stage="overlap", pods=3, timeout_seconds=60)
    verdict = judge_smoke(shot, shared, JobState("running"), pods, overdue=False)
    assert sorted(pod.phase for pod in pods) == ["Pending", "Running", "Running"]
    assert verdict.status == "passed", verdict
    jobs.delete(job.name)


@pytest.mark.cluster
def test_a_second_runs_smoke_on_the_node_yields_to_the_first(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """Until the first one is over; a repeated call is not in its way, and its own next stage is tried again."""
    first, second = smoke("device", "run-1"), smoke("device", "run-2")
    smokers, judges = Jobs(kube("smokers")), Jobs(kube("judges"))
    real.add_node("n", taints=TAINTS, gpus=1)
    smokers.start(first)

    with pytest.raises(Conflict, match="of run run-1"):
        smokers.start(second)
    assert judges.state(second.name) is None
    smokers.start(first)
    with pytest.raises(Unavailable, match="of run run-1"):
        smokers.start(smoke("overlap", "run-1"))
    judges.delete(first.name)
    smokers.start(second)
    judges.delete(second.name)


@pytest.mark.cluster
def test_a_node_is_cleared_of_a_runs_smokes_and_no_others(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """Their pods are waited for: here no kubelet ends them."""
    job, judges = smoke("device", "run-1"), Jobs(kube("judges"))
    real.add_node("n", taints=TAINTS, gpus=1)
    judges.clear("n", "run-1")
    Jobs(kube("smokers")).start(job)
    wait_for(lambda: len(real.drainer.pods_on("n")) == 1)

    for run, left in (("run-2", JobState("running")), ("run-1", None)):
        with pytest.raises(Unavailable, match=f"n: {job.name}-.* of a smoke still holds GPUs"):
            judges.clear("n", run)
        assert judges.state(job.name) == left


ENDED = {"terminated": {"exitCode": 0, "containerID": "x"}}


def _report(pod: Pod, admin: Admin, phase: str, state: dict[str, Any], *, init: str, main: str) -> None:
    """As kubelet reports both containers, the first of which has ended."""
    status = {
        "phase": phase,
        "initContainerStatuses": [{**CONTAINER, "name": init, "state": ENDED}],
        "containerStatuses": [{**CONTAINER, "name": main, "state": state}],
    }
    path = f"/api/v1/namespaces/gpuops/pods/{pod.name}/status"
    assert admin("PATCH", path, {"status": status}, "application/merge-patch+json")[0] == 200


@pytest.mark.cluster
def test_a_field_that_somebody_else_holds_is_a_conflict_that_names_them(
    real: Stage, admin: Admin, kube: Callable[[str], Kube]
) -> None:
    """We never force: the label may be an operator's decision."""
    node = real.add_node("n")
    theirs = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {PLUGIN_CONFIG_LABEL: "mine"}}}
    admin("PATCH", "/api/v1/nodes/n?fieldManager=operator", theirs, "application/apply-patch+yaml")

    with pytest.raises(Conflict, match='conflict with "operator"'):
        real.admitter.label_config(node, "exclusive")


@pytest.mark.cluster
def test_strangers_and_nonsense_are_told_apart(kube: Callable[[str], Kube]) -> None:
    """An unknown token may be an access entry that is a minute old; a malformed request will stay one."""
    with pytest.raises(Unavailable, match="401"):
        Cluster(kube("nobody")).nodes()
    with pytest.raises(Invalid, match="400"):
        kube("readers").get("/api/v1/pods", [("fieldSelector", "spec.nodeName")])


def test_a_cluster_that_does_not_answer_is_unavailable_within_seconds(tmp_path: Path) -> None:
    """A closed port, and an authority that is not the cluster's, are the same to the caller."""
    from rehearsal.control_plane import certificates  # noqa: PLC0415 - only this test signs

    certificates.authority("nobody").write(tmp_path, "ca")
    started = time.monotonic()

    with pytest.raises(Unavailable, match="does not answer"):
        Cluster(Kube("https://127.0.0.1:9", (tmp_path / "ca.crt").read_text(), "t")).nodes()

    assert time.monotonic() - started < 6
