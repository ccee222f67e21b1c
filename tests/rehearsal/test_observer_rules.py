"""Each rule of the observer, broken on purpose in a small world and seen by its name; and left alone when it holds."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from rehearsal.observer.cluster import Change, Cluster
from rehearsal.observer.during import (
    broken_budgets,
    closed_nodes,
    evicted_training,
    has_moved,
    is_asked,
    ready_gpus,
    several_attachments,
    unadmitted_placements,
    unmatched,
)
from rehearsal.observer.ending import (
    judge_executions,
    judge_groups,
    judge_items,
    judge_nodes,
    judge_quarantine,
    judge_smoke,
    nodes_replaced,
)
from rehearsal.observer.metrics import evictions
from rehearsal.observer.model import STARTUP_TAINT, Expectations
from rehearsal.observer.region import Ending, Execution, Group, Instance
from rehearsal.observer.sharing import edits_in_use, flips_under_pods, several_cordons, several_plugins

PLAIN = Expectations()
MOVED = Expectations.read({"moved": {"gpu": "gpu-*"}})
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
SERVING = Instance("i-1", "InService", protected=False)
GROUP = Group("gpu", {"min": 0, "max": 1, "desired": 1}, frozenset(), protects_new=False, instances=(SERVING,))
Json = dict[str, Any]


def pod(name: str = "p", *, owner: str = "ReplicaSet", deleting: bool = False, **spec: Any) -> Json:
    """A Ready pod of the app `web`."""
    meta: Json = {"name": name, "namespace": "default", "uid": name, "labels": {"app": "web"}}
    meta["ownerReferences"] = [{"kind": owner, "controller": True}]
    if deleting:
        meta["deletionTimestamp"] = "2026-11-23T09:00:00Z"
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running", **READY}}


def node(name: str = "n1", *, gpus: int = 1, taints: Iterable[str] = (), **meta: Any) -> Json:
    """A Ready node of instance i-1."""
    return {
        "metadata": {"name": name, "uid": name, **meta},
        "spec": {"providerID": "aws:///us-east-1a/i-1", "taints": [{"key": t} for t in taints]},
        "status": {"allocatable": {"nvidia.com/gpu": str(gpus)}, **READY},
    }


def budget(**spec: Any) -> Json:
    """A budget over the app `web`."""
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web", "namespace": "default", "uid": "b"}, "spec": {"selector": selector, **spec}}


def cluster(*items: tuple[str, Json]) -> Cluster:
    """A world of these objects."""
    world = Cluster()
    for kind, item in items:
        list(world.take(kind, item, gone=False))
    return world


def step(world: Cluster, kind: str, item: Json, *, gone: bool = False) -> Change:
    """One event taken in."""
    (change,) = world.take(kind, item, gone=gone)
    return change


def rules(found: Iterable[tuple[str, str]]) -> list[str]:
    """Names of the rules broken."""
    return [rule for rule, _ in found]


@pytest.mark.parametrize("gone", [False, True])
def test_a_budget_is_broken_when_a_deletion_leaves_too_few_healthy_pods(gone: bool) -> None:  # noqa: FBT001
    """By eviction, which sets a deletion time, or by force, which removes the pod at once."""
    world = cluster(("pdb", budget(minAvailable=2)), ("pod", pod("a")), ("pod", pod("b")))

    change = step(world, "pod", pod("a", deleting=not gone), gone=gone)

    assert list(broken_budgets(world, change)) == ["default/web: 1 healthy pods of 2 after default/a was taken away"]


def test_a_budget_holds_while_enough_are_healthy_and_no_deletion_takes_one() -> None:
    """Pods that are slow to start, or that fell ill by themselves, are nobody's eviction."""
    world = cluster(("pdb", budget(minAvailable=2)), ("pod", pod("a")), ("pod", pod("b")), ("pod", pod("c")))
    ill = {**pod("b"), "status": {"phase": "Running", "conditions": []}}

    assert not list(broken_budgets(world, step(world, "pod", pod("c", deleting=True))))
    assert not list(broken_budgets(world, step(world, "pod", ill)))
    assert not list(broken_budgets(world, step(world, "pod", {**ill, "metadata": pod("b", deleting=True)["metadata"]})))


def test_a_budget_counts_only_what_it_selects() -> None:
    """Another app's pods, and another namespace's, do not help."""
    other = pod("other")
    other["metadata"]["labels"] = {"app": "db"}
    far = pod("far")
    far["metadata"]["namespace"] = "elsewhere"
    world = cluster(("pdb", budget(minAvailable=1)), ("pod", pod("a")), ("pod", other), ("pod", far))

    assert list(broken_budgets(world, step(world, "pod", pod("a", deleting=True))))


def test_a_percentage_is_taken_from_the_controllers_status() -> None:
    """The disruption controller counts it out."""
    guard = {**budget(minAvailable="50%"), "status": {"desiredHealthy": 2}}
    world = cluster(("pdb", guard), ("pod", pod("a")), ("pod", pod("b")))

    assert list(broken_budgets(world, step(world, "pod", pod("a", deleting=True))))


def test_a_training_pod_deleted_before_its_end_is_seen() -> None:
    """Deleted, or marked as disrupted when its node went."""
    world = cluster(("pod", pod("t", owner="Job", nodeName="n1")), ("pod", pod("u", owner="Job")))
    failed = pod("u", owner="Job")
    failed["status"] = {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}

    deleted = step(world, "pod", pod("t", owner="Job", deleting=True))
    disrupted = step(world, "pod", failed)

    assert list(evicted_training(deleted, PLAIN)) == ["default/t on n1 before it had finished"]
    assert list(evicted_training(disrupted, PLAIN)) == ["default/u on no node before it had finished"]
    assert not list(evicted_training(deleted, replace(PLAIN, job_pods_may_be_evicted=True)))


def test_a_request_to_checkpoint_is_counted_once_for_each_pod() -> None:
    """When it appears, on a pod that is not on its way out; what stands there already is no news."""
    asked = pod("t", owner="Job")
    asked["metadata"]["annotations"] = {"gpuops/checkpoint-requested": "2026-11-23T09:00:00+00:00"}
    world = cluster(("pod", pod("t", owner="Job")))

    assert is_asked(step(world, "pod", asked), PLAIN)
    assert not is_asked(step(world, "pod", {**asked, "status": {"phase": "Succeeded"}}), PLAIN)
    assert not is_asked(step(world, "pod", asked, gone=True), PLAIN)


def test_the_nodes_that_the_product_has_closed_are_counted() -> None:
    """By its own mark: what somebody else cordoned is nobody's slot."""
    ours = node("n1", annotations={"gpuops/cordoned-by": "run-1"})
    theirs = node("n2")
    theirs["spec"]["unschedulable"] = True

    assert closed_nodes(cluster(("node", ours), ("node", theirs), ("node", node("n3"))), PLAIN) == 1


def test_a_finished_training_pod_and_a_smoke_pod_may_go() -> None:
    """So may every pod that belongs to no Job."""
    done, smoke, web = pod("d", owner="Job"), pod("s", owner="Job"), pod("w")
    done["status"]["phase"] = "Succeeded"
    smoke["metadata"]["labels"] = {"gpuops/smoke": "n1"}
    world = cluster(("pod", done), ("pod", smoke), ("pod", web))

    for item in (done, smoke, web):
        assert not list(evicted_training(step(world, "pod", item, gone=True), PLAIN))


def test_a_workload_pod_on_a_node_not_admitted_is_seen() -> None:
    """When it is bound, as the node was at that moment."""
    world = cluster(("node", node(taints=[STARTUP_TAINT])), ("pod", pod("p")))

    bound = step(world, "pod", pod("p", nodeName="n1"))

    assert list(unadmitted_placements(world, bound, PLAIN)) == ["default/p on n1"]
    assert not list(unadmitted_placements(world, step(world, "pod", pod("p", nodeName="n1")), PLAIN))


def test_daemonsets_mirror_pods_and_smoke_pods_belong_on_a_node_not_admitted() -> None:
    """And anything belongs on one that is."""
    mirror, smoke = pod("m", nodeName="n1"), pod("s", owner="Job", nodeName="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    smoke["metadata"]["labels"] = {"gpuops/smoke": "n1"}
    world = cluster(("node", node(taints=[STARTUP_TAINT])), ("node", node("n2")))

    for item in (pod("d", owner="DaemonSet", nodeName="n1"), mirror, smoke, pod("w", nodeName="n2")):
        assert not list(unadmitted_placements(world, step(world, "pod", item), PLAIN))


def test_only_ready_admitted_gpus_count() -> None:
    """A node with the startup taint serves nobody yet."""
    dark = {**node("n3", gpus=4), "status": {"allocatable": {"nvidia.com/gpu": "4"}}}
    world = cluster(("node", node("n1", gpus=4)), ("node", node("n2", gpus=4, taints=[STARTUP_TAINT])), ("node", dark))

    assert ready_gpus(world, PLAIN) == 4


def test_an_instance_without_a_node_and_a_node_without_an_instance_are_lost() -> None:
    """Instances that still boot are not."""
    booting = Instance("i-2", "Pending:Wait", protected=False)
    group = replace(GROUP, instances=(SERVING, booting))

    assert list(unmatched(cluster(), {"gpu": group})) == ["instance i-1 is in service and has no Node"]
    assert list(unmatched(cluster(("node", node())), {})) == ["Node n1 has no instance i-1 in any group"]
    assert not list(unmatched(cluster(("node", node())), {"gpu": group}))


@pytest.mark.parametrize(
    ("after", "rule"),
    [
        (replace(GROUP, sizes={"min": 1, "max": 1, "desired": 1}), "min_size"),
        (replace(GROUP, sizes={"min": 0, "max": 2, "desired": 1}), "max_size"),
        (replace(GROUP, instances=()), "instances"),
        (replace(GROUP, instances=(SERVING, replace(SERVING, state="Terminating"))), "instances"),
        (replace(GROUP, suspended=frozenset({"AZRebalance"})), "suspended_processes"),
        (replace(GROUP, protects_new=True), "protection"),
        (replace(GROUP, instances=(replace(SERVING, protected=True),)), "protection"),
    ],
)
def test_a_group_that_is_not_as_it_was_is_seen(after: Group, rule: str) -> None:
    """And named."""
    assert rules(judge_groups({"gpu": GROUP}, {"gpu": after}, PLAIN)) == [rule]


def test_a_group_that_would_launch_what_nobody_runs_is_seen() -> None:
    """A roll that failed must leave the old image behind, one that succeeded the new one."""
    instances = (replace(SERVING, image="ami-old"),)
    left, restored = (replace(GROUP, instances=instances, image=image) for image in ("ami-new", "ami-old"))

    assert rules(judge_groups({"gpu": GROUP}, {"gpu": left}, Expectations())) == ["launch_template"]
    assert rules(judge_groups({"gpu": GROUP}, {"gpu": restored}, Expectations())) == []


def test_a_group_may_end_as_expected_instead_of_as_it_was() -> None:
    """A group that is gone never does."""
    grown = replace(GROUP, sizes={"min": 0, "max": 3, "desired": 1})
    expected = Expectations.read({"groups": {"gpu": {"max": 3}}})

    assert not list(judge_groups({"gpu": GROUP}, {"gpu": grown}, expected))
    assert rules(judge_groups({"gpu": GROUP}, {}, PLAIN)) == ["group_gone"]


def test_a_group_has_moved_where_that_is_expected_and_nowhere_else() -> None:
    """One new group has taken its place, as it was; the old one is gone, and no other came."""
    new = {"gpu-2": replace(GROUP, name="gpu-2")}
    grown = {"gpu-2": replace(GROUP, name="gpu-2", sizes={"min": 0, "max": 9, "desired": 1})}
    other = {"other": replace(GROUP, name="other")}

    assert rules(judge_groups({"gpu": GROUP}, new, MOVED)) == []
    assert rules(judge_groups({"gpu": GROUP}, grown, MOVED)) == ["max_size"]
    assert rules(judge_groups({"gpu": GROUP}, new, PLAIN)) == ["group_gone", "group_more"]
    assert rules(judge_groups({"gpu": GROUP}, {"gpu": GROUP}, MOVED)) == ["group_moved"]
    assert rules(judge_groups({"gpu": GROUP}, {"gpu": GROUP, **new}, MOVED)) == ["group_moved"]
    assert rules(judge_groups({"gpu": GROUP}, {"gpu": GROUP, **other}, PLAIN)) == ["group_more"]
    assert rules(judge_groups({"gpu": GROUP}, {**new, "gpu-3": GROUP}, MOVED)) == [
        "group_gone",
        "group_more",
        "group_more",
    ]


def test_what_was_there_before_is_not_held_against_anybody() -> None:
    """Somebody else's suspended process, protection, cordon or label stays theirs."""
    odd = replace(GROUP, suspended=frozenset({"AZRebalance"}), instances=(replace(SERVING, protected=True),))
    theirs = node(labels={"gpuops/x": ""})
    theirs["spec"]["unschedulable"] = True

    assert not list(judge_groups({"gpu": odd}, {"gpu": odd}, PLAIN))
    assert not list(judge_nodes(cluster(("node", theirs)), cluster(("node", theirs)), PLAIN))


@pytest.mark.parametrize(
    ("left", "rule"),
    [
        (node(taints=[STARTUP_TAINT]), "taint"),
        (node(taints=["gpuops/quarantine"]), "taint"),
        (node(labels={"gpuops/smoke": "n1"}), "label"),
        (node(annotations={"gpuops/cordoned-by": "run"}), "label"),
        (node(annotations={"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}), "label"),
    ],
)
def test_what_is_left_on_a_node_is_seen(left: Json, rule: str) -> None:
    """On an old node as on a new one."""
    assert rules(judge_nodes(cluster(("node", node())), cluster(("node", left)), PLAIN)) == [rule]
    assert rules(judge_nodes(cluster(), cluster(("node", left)), PLAIN)) == [rule]


def test_a_cordon_left_is_seen_and_the_admitted_mark_is_allowed() -> None:
    """The mark is how the product knows its own nodes."""
    cordoned = node(annotations={"gpuops/admitted": "2026-11-23T09:00:00Z"})
    cordoned["spec"]["unschedulable"] = True

    assert rules(judge_nodes(cluster(), cluster(("node", cordoned)), PLAIN)) == ["cordon"]


LEFT = {"gpuops/fault": "Xid 79", "gpuops/fault-run": "repair-1", "gpuops/fault-settled": "2026-11-23T09:00:00Z"}
TOLD = Expectations.read({"quarantined": "told", "reported_machines": ["*remediate-gpu"]})


def test_as_many_nodes_are_left_to_a_person_as_expected() -> None:
    """None, if nothing is said; what their quarantine has on them is no left-behind."""
    closed = node(annotations=LEFT, taints=["gpuops/quarantine"])
    ending = Ending({}, [], [], [])

    assert rules(judge_quarantine(cluster(("node", closed)), ending, PLAIN)) == ["quarantine"]
    one = Expectations.read({"quarantined": 1})
    assert rules(judge_quarantine(cluster(("node", closed)), ending, one)) == []
    assert rules(judge_nodes(cluster(), cluster(("node", closed)), one)) == []
    assert rules(judge_quarantine(cluster(), ending, one)) == ["quarantine"]


@pytest.mark.parametrize(
    ("missing", "status", "reports", "why"),
    [
        ("", "FAILED", ["reports/repair-1.json"], ""),
        ("gpuops/fault-settled", "FAILED", ["reports/repair-1.json"], "nobody wrote that its repair has ended"),
        ("gpuops/fault-run", "FAILED", ["reports/repair-1.json"], "no report of its repair"),
        ("", "FAILED", ["reports/repair-2.json"], "no report of its repair repair-1"),
        ("", "SUCCEEDED", ["reports/repair-1.json"], "its repair repair-1 succeeded"),
    ],
)
def test_a_node_is_a_persons_where_its_repair_failed_and_said_so(
    missing: str, status: str, reports: list[str], why: str
) -> None:
    """Any other one was left behind; without one there is nothing to say."""
    notes = {key: value for key, value in LEFT.items() if key != missing}
    ending = Ending({}, [Execution("demo-remediate-gpu", "repair-1", status)], [], reports)

    found = [what for _, what in judge_quarantine(cluster(("node", node(annotations=notes))), ending, TOLD)]

    assert [why in what for what in found] == ([True] if why else [])
    assert list(judge_quarantine(cluster(("node", node())), ending, TOLD)) == []


def test_smoke_jobs_and_pods_left_are_seen() -> None:
    """In whatever state."""
    smoke = pod("s", owner="Job")
    smoke["metadata"]["labels"] = {"gpuops/smoke": "n1"}

    assert rules(judge_smoke(cluster(("pod", smoke), ("job", smoke)), PLAIN)) == ["smoke", "smoke"]
    assert not list(judge_smoke(cluster(("pod", pod())), PLAIN))


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ("lock#gpu -", "lock"),
        ("rotation#gpu -", "lock"),
        ("undo#gpu -", "undo"),
        ("claim#gpu i-1", "claim"),
        ("budget#fleet i-1", "budget_slot"),
        ("open#changes gpu", "open_change"),
    ],
)
def test_an_item_left_in_the_table_is_seen(item: str, rule: str) -> None:
    """The journal and what is known of releases stay on purpose."""
    ending = Ending({}, [], [item, "journal#run 1", "release#gpu ami-1", "fence#gpu -"], [])

    assert list(judge_items(ending, PLAIN)) == [(rule, item)]


def test_an_execution_without_a_report_and_one_that_still_runs_are_seen() -> None:
    """Only machines that report must have; failed ones too, but not over an event that is none of theirs."""
    runs = [
        Execution("demo-rotate-ami", "told", "SUCCEEDED"),
        Execution("demo-rotate-ami", "untold", "FAILED"),
        Execution("demo-smoke-node", "child", "SUCCEEDED"),
        Execution("demo-rotate-ami", "not ours", "SUCCEEDED", ignored=True),
        Execution("demo-admit-node", "stuck", "RUNNING"),
    ]
    expected = Expectations.read({"reported_machines": ["*rotate-ami"]})

    found = list(judge_executions(Ending({}, runs, [], ["reports/told.json", "reports/told.html"]), expected))

    assert found == [("no_report", "demo-rotate-ami/untold ended FAILED"), ("still_running", "demo-admit-node/stuck")]


def test_a_node_counts_as_replaced_when_another_stands_in_for_it() -> None:
    """One that merely went does not."""
    other = replace(SERVING, instance_id="i-9")

    assert nodes_replaced({"gpu": GROUP}, {"gpu": replace(GROUP, instances=(other,))}, PLAIN) == 1
    assert nodes_replaced({"gpu": GROUP}, {"gpu": replace(GROUP, instances=())}, PLAIN) == 0
    moved = {"gpu-2": replace(GROUP, name="gpu-2", instances=(other,))}
    assert nodes_replaced({"gpu": GROUP}, moved, MOVED) == 1
    assert nodes_replaced({"gpu": GROUP}, moved, PLAIN) == 0


def test_evictions_are_counted_by_code_without_dry_runs() -> None:
    """As the apiserver prints them."""
    line = 'apiserver_request_total{code="%s",dry_run="%s",resource="pods",subresource="%s",verb="POST"} %s\n'
    text = "".join(
        line % row
        for row in (
            ("201", "", "eviction", 4),
            ("201", "All", "eviction", 9),
            ("429", "", "eviction", "1e+02"),
            ("201", "", "", 7),
        )
    )

    assert evictions(text) == {"201": 4, "429": 100}


def test_an_expectation_that_nobody_reads_is_an_error() -> None:
    """A misspelled one would expect nothing."""
    with pytest.raises(ValueError, match="flor_gpus"):
        Expectations.read({"flor_gpus": 6})


def test_a_name_that_comes_back_is_another_object() -> None:
    """A deletion whose event was folded into the creation is still a deletion."""
    world = cluster(("pod", pod("p")))
    again = pod("p")
    again["metadata"]["uid"] = "new"

    changes = list(world.take("pod", again, gone=False))

    assert [(c.before is None, c.after is None) for c in changes] == [(False, True), (True, False)]


CONFIG = "nvidia.com/device-plugin.config"
SHARED = "version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n"
PLUGIN_IMAGE = "nvcr.io/nvidia/k8s-device-plugin:v0.20.0"


def managed(manager: str, at: str, *path: str) -> Json:
    """A record of who wrote a field."""
    fields: Json = {}
    for key in reversed(path):
        fields = {f"f:{key}": fields}
    return {"manager": manager, "operation": "Update", "time": at, "fieldsV1": fields}


def configs(manager: str = "gpuops", at: str = "1", **data: str) -> Json:
    """The plugin's configurations."""
    records = [managed(manager, at, "data", key) for key in data]
    return {
        "metadata": {"name": "plugin", "namespace": "gpuops-system", "uid": "c", "managedFields": records},
        "data": data,
    }


def labelled(key: str | None, manager: str = "gpuops", name: str = "n1", **meta: Any) -> Json:
    """A node with this configuration."""
    records = [managed(manager, "1", "metadata", "labels", CONFIG)] if key else [managed(manager, "2")]
    return node(name, labels={CONFIG: key} if key else {}, managedFields=records, **meta)


def tenant(
    name: str = "p", phase: str = "Running", image: str = "app", namespace: str = "default", gpus: int = 1
) -> Json:
    """A pod on node n1 that asks for GPUs."""
    container = {"image": image, "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    made = pod(name, owner="DaemonSet", nodeName="n1", containers=[container])
    made["metadata"] |= {
        "namespace": namespace,
        "ownerReferences": [{"kind": "DaemonSet", "name": name, "controller": True}],
    }
    return {**made, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("exclusive", "r4", "n1 from exclusive to r4 under default/p"),
        ("r4", "exclusive", "n1 from r4 to exclusive under default/p"),
        (None, "r4", "n1 from no label to r4 under default/p"),
        ("r4", None, "n1 from r4 to no label under default/p"),
        ("r4", "r2", None),
        (None, "exclusive", None),
    ],
)
def test_a_node_never_moves_between_exclusive_and_shared_under_a_gpu_pod(
    was: str | None, now: str | None, said: str | None
) -> None:
    """Its owner was promised a GPU alone, or a share that stays; among shared rungs the exporter decides."""
    keys = configs(exclusive="version: v1\n", r2=SHARED, r4=SHARED)
    world = cluster(("config", keys), ("node", labelled(was)), ("pod", tenant()))

    assert list(flips_under_pods(world, step(world, "node", labelled(now)))) == ([said] if said else [])


def test_a_flip_is_fine_on_an_empty_node_and_nobodys_fault_but_the_persons_who_did_it() -> None:
    """Pods that have ended, or that ask for no GPU, hold none."""
    keys = configs(exclusive="version: v1\n", r4=SHARED)
    idle = cluster(("config", keys), ("node", labelled("exclusive")), ("pod", tenant(phase="Succeeded")))
    free = cluster(("config", keys), ("node", labelled("exclusive")), ("pod", tenant(gpus=0)))
    busy = cluster(("config", keys), ("node", labelled("exclusive")), ("pod", tenant()))

    assert not list(flips_under_pods(idle, step(idle, "node", labelled("r4"))))
    assert not list(flips_under_pods(free, step(free, "node", labelled("r4"))))
    assert not list(flips_under_pods(busy, step(busy, "node", labelled("r4", "kubectl-label"))))


def test_a_key_that_a_node_names_is_never_edited_or_removed_by_the_product() -> None:
    """The plugin would take no notice of an edit, and crash over a removal; other keys are free."""
    edited, removed = configs(r4="other", at="2"), configs(r2=SHARED, at="2")
    for after, said in ((edited, "edited"), (removed, "removed")):
        world = cluster(("config", configs(r2=SHARED, r4=SHARED)), ("node", labelled("r4")))
        found = list(edits_in_use(world, step(world, "config", after)))
        assert found == [f"gpuops-system/plugin: r4 was {said}; n1 is labelled with it"]


def test_a_key_in_use_may_be_broken_by_a_person_and_a_free_one_by_anybody() -> None:
    """What people edit is drift, which is reported."""
    for key, after in (("r4", configs("kubectl-edit", "2", r4="x", r2=SHARED)), ("r2", configs(r4="x", r2=SHARED))):
        world = cluster(("config", configs(r2=SHARED, r4=SHARED)), ("node", labelled(key)))
        assert not list(edits_in_use(world, step(world, "config", after)))


def changing(place: int, key: str = "r2") -> Json:
    """The n-th node of the group, closed for a change to that key."""
    item = node(f"n{place}", annotations={"gpuops/config-before": "exclusive"}, labels={CONFIG: key})
    item["spec"] |= {"providerID": f"aws:///us-east-1a/i-{place}", "unschedulable": True}
    return item


def test_one_node_of_a_group_proves_a_change_of_sharing_before_several_follow() -> None:
    """Not one that is at it itself, nor one with another key; and never more than ten. Others' cordons do not count."""
    groups = {"gpu": replace(GROUP, instances=tuple(replace(SERVING, instance_id=f"i-{n}") for n in range(1, 13)))}

    def found(*nodes: Json) -> list[str]:
        return list(several_cordons(cluster(*(("node", each) for each in nodes)), groups, PLAIN))

    proof = node("n3", labels={CONFIG: "r2"})
    proof["spec"]["providerID"] = "aws:///us-east-1a/i-3"
    opened = changing(2)
    opened["spec"]["unschedulable"] = False
    assert not found(changing(1))
    assert not found(changing(1), opened)
    assert found(changing(1), changing(2)) == ["gpu: n1, n2"]
    assert not found(changing(1), changing(2), proof)
    assert found(changing(1), changing(2, "r4"), proof) == ["gpu: n1, n2"]
    assert found(proof, changing(1), changing(2), *(changing(n) for n in range(4, 13)))


def test_two_device_plugins_never_share_a_node() -> None:
    """Of two DaemonSets; a restart of one is no second one."""
    ours = tenant("gpuops-device-plugin", image=PLUGIN_IMAGE, namespace="gpuops-system", gpus=0)
    theirs = tenant("nvidia-device-plugin", image=PLUGIN_IMAGE, namespace="kube-system", gpus=0)
    world = cluster(("node", node()), ("pod", theirs))

    found = list(several_plugins(world, step(world, "pod", ours)))
    alone = cluster(("node", node()), ("pod", {**theirs, "status": {"phase": "Failed"}}))

    assert found == ["n1: gpuops-system/gpuops-device-plugin, kube-system/nvidia-device-plugin"]
    assert not list(several_plugins(alone, step(alone, "pod", ours)))


def test_no_plugin_of_ours_goes_where_the_host_brings_one() -> None:
    """Bottlerocket runs it outside the cluster."""
    ours = tenant("gpuops-device-plugin", image=PLUGIN_IMAGE, namespace="gpuops-system", gpus=0)
    host = node()
    host["status"] |= {"nodeInfo": {"osImage": "Bottlerocket OS 1.50"}}
    world = cluster(("node", host))

    assert list(several_plugins(world, step(world, "pod", ours))) == [
        "n1: gpuops-system/gpuops-device-plugin, the host's own"
    ]


def attachment(name: str, at: str, *, attached: bool = True) -> Json:
    """Of the one volume to a node."""
    spec = {"nodeName": at, "source": {"persistentVolumeName": "pv"}}
    return {"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"attached": attached}}


def test_a_volume_on_two_nodes_is_seen() -> None:
    """Asked for is not attached; and one that left the first node may be on the second."""
    world = cluster(("attachment", attachment("a", "n1")))

    assert list(several_attachments(world, step(world, "attachment", attachment("b", "n2", attached=False)))) == []
    assert list(several_attachments(world, step(world, "attachment", attachment("b", "n2")))) == ["pv: n1, n2"]
    step(world, "attachment", attachment("a", "n1"), gone=True)
    assert list(several_attachments(world, step(world, "attachment", attachment("b", "n2")))) == []


def test_a_volume_moves_only_from_a_node_that_is_there() -> None:
    """From one whose Node is gone it was set free by that, and not by anybody's care."""
    world, homes = cluster(("node", node("n1"))), dict[str, str]()

    assert not has_moved(world, step(world, "attachment", attachment("a", "n1")), homes)
    assert not has_moved(world, step(world, "attachment", attachment("b", "n2", attached=False)), homes)
    assert has_moved(world, step(world, "attachment", attachment("b", "n2")), homes)
    assert not has_moved(world, step(world, "attachment", attachment("b", "n2")), homes)
    assert not has_moved(world, step(world, "attachment", attachment("c", "n3")), homes), "n2 has no Node"
