"""What gpuops installs, on a real apiserver: every manifest under our RBAC and admission policies, and refusals.

Covers: first and second apply, dry run, pods that come of it, dropped fields, conflicts with other managers, a kind
that the cluster does not know; DaemonSets and smoke Jobs that an admission policy turns away, one fault at a time;
which group has which right, and what people who may edit namespaces cannot do in ours.
"""

import copy
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import pytest

from gpuops.adapters.kube import Kube
from gpuops.adapters.manifests import exporter_objects, plugin_objects
from gpuops.adapters.objects import Objects, path_of
from gpuops.adapters.resets import reset_job
from gpuops.domain.config.drift import changes
from gpuops.domain.config.shapes import key_texts
from gpuops.domain.errors import Refused
from gpuops.domain.policy import ClusterPolicy, DcgmExporter, DevicePlugin, Profile
from rehearsal.control_plane import ControlPlane
from tests.contract.cluster_rights import (
    MERGE,
    Admin,
    administrator,
    apply_rights,
    bound_groups,
    control_plane,
    may,
    member,
    requests_with,
    wait_for,
)

pytestmark = pytest.mark.cluster

PROFILES = {"notebooks": Profile(replicas=12, rename_by_default=True)}
POLICY = ClusterPolicy(cluster="gpu", mode="apply", device_plugin=DevicePlugin(profiles=PROFILES))
MONITORED = POLICY.model_copy(update={"dcgm_exporter": DcgmExporter(service_monitor=True, per_pod=False)})
CONFIGURATIONS, PLUGIN = plugin_objects(POLICY, key_texts(POLICY.device_plugin))
COUNTERS, EXPORTER = exporter_objects(POLICY)
SMOKE_IMAGE = "nvcr.io/nvidia/cuda:12.8.1-base-ubuntu24.04"
JOBS = "/apis/batch/v1/namespaces/gpuops/jobs"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "gpuops-smoke-1", "namespace": "gpuops"},
    "spec": {
        "activeDeadlineSeconds": 600,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
                            ]
                        }
                    }
                },
                "containers": [{"name": "c", "image": SMOKE_IMAGE}],
            }
        },
    },
}
ABSENT = object()
MONITORS = "/apis/monitoring.coreos.com/v1/servicemonitors"
POD = "spec/template/spec"


def but(sent: Any, path: str, value: Any) -> Any:
    """The object with one thing different; numbers in the path are places in lists."""
    made = copy.deepcopy(sent)
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place: Any = reduce(lambda at, step: at[step] if isinstance(step, int) else at.setdefault(step, {}), way, made)
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One for the module."""
    with control_plane() as plane:
        yield plane


@pytest.fixture(scope="module")
def admin(plane: ControlPlane) -> Admin:
    """The administrator, who has applied what rbac.yaml holds."""
    request = administrator(plane)
    apply_rights(request)
    return request


@pytest.fixture
def objects(plane: ControlPlane, admin: Admin) -> Iterator[Objects]:
    """As apply_config reaches them; everything of ours is gone afterwards."""
    yield Objects(member(plane, "configurers"))
    for sent in (CONFIGURATIONS, PLUGIN, COUNTERS, EXPORTER, exporter_objects(MONITORED)[2]):
        admin("DELETE", path_of(sent))


@pytest.fixture
def smoker(plane: ControlPlane, admin: Admin) -> Iterator[Kube]:
    """As start_smoke creates Jobs."""
    yield member(plane, "smokers")
    admin("DELETE", JOBS)


@pytest.fixture
def monitors(admin: Admin) -> Iterator[None]:
    """The Prometheus operator's kind, as a cluster without the operator has none."""
    kinds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert admin("POST", kinds, CRD)[0] == 201
    wait_for(lambda: admin("GET", MONITORS)[0] == 200)
    yield
    admin("DELETE", f"{kinds}/servicemonitors.monitoring.coreos.com")
    wait_for(lambda: admin("GET", MONITORS)[0] == 404)


@pytest.mark.usefixtures("monitors")
def test_every_manifest_is_taken_and_a_second_apply_changes_nothing(objects: Objects) -> None:
    """All that is sent is kept; a controller may write the status, nobody the rest."""
    for sent in (CONFIGURATIONS, PLUGIN, COUNTERS, EXPORTER, *exporter_objects(MONITORED)):
        first = objects.apply(sent)
        live = objects.get(sent)
        second = objects.apply(sent)
        assert (first.what, second.what) == ("applied", "applied"), (first, second)
        assert second.after["metadata"].get("generation") == live["metadata"].get("generation")
        assert not list(changes(live, second.after))


def test_a_dry_run_tells_and_leaves_nothing(objects: Objects) -> None:
    """As mode observe looks."""
    for sent in (CONFIGURATIONS, PLUGIN):
        assert objects.apply(sent, dry_run=True).what == "applied"
        assert objects.get(sent) is None


def test_pods_come_of_the_daemonsets_on_selected_nodes_only(objects: Objects, admin: Admin) -> None:
    """PodSecurity, priority class and accounts let them in; a node without the label, or with MIG on, gets none."""
    mig = {"nvidia.com/gpu": "true", "nvidia.com/mig.config": "all-1g.10gb"}
    for name, labels in (("gpu", {"nvidia.com/gpu": "true"}), ("cpu", {}), ("mig", mig)):
        taints = [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
        node = {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}}
        assert admin("POST", "/api/v1/nodes", node)[0] == 201

    for sent in (CONFIGURATIONS, PLUGIN, COUNTERS, EXPORTER):
        assert objects.apply(sent).what == "applied"

    def wanted() -> list[int]:
        return [(objects.get(sent).get("status") or {}).get("currentNumberScheduled", 0) for sent in (PLUGIN, EXPORTER)]

    wait_for(lambda: wanted() == [1, 2])
    found = {(d.title, d.runs_plugin, d.runs_exporter) for d in objects.daemonsets()}
    assert found == {
        ("gpuops-system/gpuops-device-plugin", True, False),
        ("gpuops-system/gpuops-dcgm-exporter", False, True),
    }
    for name in ("gpu", "cpu", "mig"):
        admin("DELETE", f"/api/v1/nodes/{name}")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("schedulingGroup", {"podGroupName": "g"}, "did not keep .spec.template.spec.schedulingGroup"),
        ("noSuchField", "x", ".spec.template.spec.noSuchField: field not declared in schema"),
    ],
)
def test_a_field_that_the_apiserver_drops_is_an_error_with_its_path(
    objects: Objects, field: str, value: Any, words: str
) -> None:
    """One behind a feature gate is dropped without a word; one of a newer version is not in the schema."""
    outcome = objects.apply(but(PLUGIN, f"spec/template/spec/{field}", value))

    assert outcome.what == "dropped"
    assert words in outcome.reason


def test_a_conflict_names_manager_and_field_and_is_forced_only_on_demand(objects: Objects, admin: Admin) -> None:
    """Somebody edited one key; others may add theirs."""
    objects.apply(CONFIGURATIONS)
    edited = {"data": {"r8": "version: v1\n", "own": "version: v1\n"}}
    admin("PATCH", f"{path_of(CONFIGURATIONS)}?fieldManager=kubectl-edit", edited, MERGE)

    refused = objects.apply(CONFIGURATIONS)
    kept = objects.get(CONFIGURATIONS)["data"]
    forced = objects.apply(CONFIGURATIONS, force=True)

    assert refused.what == "conflict"
    assert 'conflict with "kubectl-edit"' in refused.reason
    assert refused.reason.endswith(".data.r8")
    assert kept["r8"] == "version: v1\n"
    assert forced.what == "applied"
    assert objects.get(CONFIGURATIONS)["data"] == {**CONFIGURATIONS["data"], "own": "version: v1\n"}


def test_a_kind_that_the_cluster_does_not_know_is_refused_with_its_name(objects: Objects) -> None:
    """The Prometheus operator is not installed."""
    outcome = objects.apply(exporter_objects(MONITORED)[3])

    assert outcome.what == "refused"
    assert "knows no ServiceMonitor monitoring.coreos.com/v1" in outcome.reason


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (but(PLUGIN, f"{POD}/containers/1/image", "evil:1"), "not among those of the ConfigMap"),
        (but(PLUGIN, f"{POD}/initContainers/0/image", "evil:1"), "not among those of the ConfigMap"),
        (but(PLUGIN, "metadata/name", "another"), "forbidden"),
        (but(PLUGIN, "metadata/namespace", "kube-system"), "forbidden"),
        (but(PLUGIN, f"{POD}/nodeSelector", ABSENT), "without a nodeSelector"),
        (but(PLUGIN, f"{POD}/containers/1/securityContext", {"privileged": True}), "only the exporter"),
        (but(PLUGIN, f"{POD}/containers/1/securityContext/capabilities/add", ["SYS_ADMIN"]), "only the exporter"),
        (but(PLUGIN, f"{POD}/containers/1/command", ["sh", "-c", "x"]), "another program"),
        (but(PLUGIN, f"{POD}/containers/1/args", ["x"]), "another program"),
        (but(PLUGIN, f"{POD}/serviceAccountName", "default"), "account"),
        (but(PLUGIN, f"{POD}/volumes/0/hostPath/path", "/"), "a volume is neither"),
        (but(PLUGIN, f"{POD}/volumes/5", {"name": "config", "secret": {"secretName": "s"}}), "a volume is neither"),
        (but(PLUGIN, f"{POD}/hostNetwork", True), "only the exporter may see"),  # noqa: FBT003 - a value, no switch
        (but(EXPORTER, f"{POD}/hostNetwork", True), "only the exporter may see"),  # noqa: FBT003 - the same
        (but(EXPORTER, f"{POD}/containers/0/command", ["sh"]), "another program"),
        (but(EXPORTER, f"{POD}/containers/0/livenessProbe", {"exec": {"command": ["sh"]}}), "a probe runs a program"),
        (
            but(EXPORTER, f"{POD}/containers/0/lifecycle", {"postStart": {"exec": {"command": ["x"]}}}),
            "another program",
        ),
        (but(EXPORTER, f"{POD}/containers/0/env/0/name", "LD_PRELOAD"), "a variable of the environment"),
        (but(PLUGIN, f"{POD}/containers/0/env/0/name", "PATH"), "a variable of the environment"),
        (
            but(EXPORTER, f"{POD}/containers/0/envFrom", [{"configMapRef": {"name": "gpuops-dcgm-counters"}}]),
            "a variable of the environment",
        ),
        (but(EXPORTER, f"{POD}/containers/0/volumeMounts/0/mountPath", "/usr/bin"), "could replace a program"),
        (but(EXPORTER, f"{POD}/containers/0/volumeMounts/0/subPath", "x"), "could replace a program"),
        (but(EXPORTER, f"{POD}/volumes/0/configMap/name", "another"), "a volume is neither"),
    ],
)
def test_a_daemonset_that_is_not_one_of_ours_is_refused(objects: Objects, sent: Any, words: str) -> None:
    """By RBAC where it has another name, by the admission policy where it would run something else."""
    outcome = objects.apply(sent)

    assert outcome.what == "refused"
    assert words in outcome.reason


def test_an_image_that_the_administrator_allows_is_taken(objects: Objects, admin: Admin) -> None:
    """An upgrade by policy: first the administrator's list, then ours."""
    upgraded = ClusterPolicy(
        cluster="gpu", device_plugin=DevicePlugin(image="nvcr.io/nvidia/k8s-device-plugin:v0.21.0")
    )
    sent = plugin_objects(upgraded, {"exclusive": "version: v1\n"})[1]
    path = "/api/v1/namespaces/gpuops-system/configmaps/gpuops-images"
    listed = admin("GET", path)[1]["data"]["images"]

    before = objects.apply(sent)
    admin("PATCH", path, {"data": {"images": f"{listed}\n{upgraded.device_plugin.image}"}}, MERGE)

    assert before.what == "refused"
    wait_for(lambda: objects.apply(sent).what == "applied")
    admin("PATCH", path, {"data": {"images": listed}}, MERGE)


def test_others_daemonsets_are_none_of_our_policys_business(admin: Admin) -> None:
    """It binds our groups only."""
    theirs = but(but(PLUGIN, f"{POD}/containers/1/image", "own:1"), "metadata", {"name": "own", "namespace": "default"})

    assert admin("POST", "/apis/apps/v1/namespaces/default/daemonsets?dryRun=All", theirs)[0] == 201


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("containers/0/image", "evil:1", "not among those"),
        ("initContainers", [{"name": "i", "image": "evil:1"}], "not among those"),
        ("containers/0/securityContext", {"privileged": True}, "is privileged"),
        ("containers/0/securityContext", {"allowPrivilegeEscalation": True}, "may become it"),
        ("containers/0/securityContext", {"capabilities": {"add": ["SYS_PTRACE"]}}, "capability"),
        ("hostPID", True, "namespace of its host"),
        ("hostNetwork", True, "namespace of its host"),
        ("hostIPC", True, "namespace of its host"),
        ("volumes", [{"name": "v", "hostPath": {"path": "/"}}], "other than an emptyDir"),
        ("volumes", [{"name": "v", "secret": {"secretName": "s"}}], "other than an emptyDir"),
        ("affinity", ABSENT, "not bound to one node"),
        ("nodeName", "n", "passes the scheduler by"),
        ("serviceAccountName", "another", "has an account"),
        ("automountServiceAccountToken", True, "has an account"),
        ("priorityClassName", "system-node-critical", "preempt"),
    ],
)
def test_a_job_that_is_no_smoke_is_refused(smoker: Kube, path: str, value: Any, words: str) -> None:
    """Before a pod comes of it: PodSecurity alone would let the Job stand and refuse its pods for ever."""
    with pytest.raises(Refused, match=words):
        smoker.post(JOBS, but(JOB, f"{POD}/{path}", value))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("activeDeadlineSeconds", ABSENT, "activeDeadlineSeconds"),
        ("activeDeadlineSeconds", 86_401, "activeDeadlineSeconds"),
        ("parallelism", 801, "more than 800 pods"),
    ],
)
def test_a_job_without_bounds_is_refused(smoker: Kube, field: str, value: Any, words: str) -> None:
    """In time and in number."""
    with pytest.raises(Refused, match=words):
        smoker.post(JOBS, but(JOB, f"spec/{field}", value))


def test_a_job_as_ours_are_is_taken(smoker: Kube) -> None:
    """The faults above are the only ones of those Jobs."""
    assert smoker.post(JOBS, JOB)["metadata"]["name"] == JOB["metadata"]["name"]


RESET = reset_job("run", "ip-10-0-0-4.ec2.internal", SMOKE_IMAGE)
SYSTEM_JOBS = "/apis/batch/v1/namespaces/gpuops-system/jobs"


def test_the_job_that_resets_gpus_is_taken(plane: ControlPlane) -> None:
    """As manifests/reset_job.yaml has it; the smoke's rules are none of its."""
    repairer = member(plane, "repairers")

    assert repairer.post(SYSTEM_JOBS, RESET)["metadata"]["name"] == RESET["metadata"]["name"]
    repairer.delete(f"{SYSTEM_JOBS}/{RESET['metadata']['name']}")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("containers/0/image", "evil:1", "by one command"),
        ("containers/0/command", ["nsenter", "--target=1", "sh"], "by one command"),
        ("containers/0/args", ["-c", "id"], "by one command"),
        ("containers/0/env", [{"name": "LD_PRELOAD", "value": "x"}], "by one command"),
        ("initContainers", [{"name": "i", "image": SMOKE_IMAGE}], "by one command"),
        ("volumes", [{"name": "v", "hostPath": {"path": "/"}}], "no volume"),
        ("hostNetwork", True, "no volume"),
        ("nodeName", "n", "through the scheduler"),
        ("affinity", ABSENT, "not bound to one node"),
        ("serviceAccountName", "gpuops-device-plugin", "has an account"),
        ("automountServiceAccountToken", True, "has an account"),
    ],
)
def test_no_other_job_enters_a_host(plane: ControlPlane, path: str, value: Any, words: str) -> None:
    """One command, to the letter, on one node."""
    with pytest.raises(Refused, match=words):
        member(plane, "repairers").post(SYSTEM_JOBS, but(RESET, f"{POD}/{path}", value))


def test_who_configures_may_do_nothing_else(plane: ControlPlane, admin: Admin) -> None:
    """No deletion, no other object, no Secret, no pod."""
    kube = member(plane, "configurers")
    acts: list[Callable[[], object]] = [
        lambda: kube.delete(path_of(PLUGIN)),
        lambda: kube.get("/api/v1/namespaces/gpuops-system/configmaps/gpuops-images"),
        lambda: kube.post("/api/v1/namespaces/gpuops-system/configmaps", {"metadata": {"name": "other"}}),
        lambda: kube.post("/api/v1/namespaces/gpuops-system/pods", {"metadata": {"name": "p"}}),
        lambda: kube.get("/api/v1/secrets"),
    ]
    for act in acts:
        with pytest.raises(Refused, match="forbidden"):
            act()


NODE_PATCHERS = {"admitters", "drainers", "repairers"}
RIGHTS: dict[str, set[str]] = {
    "get nodes": {"readers", "drainers", "admitters", "configurers", "repairers"},
    "get pods": {"readers", "drainers", "repairers"},
    "patch nodes": NODE_PATCHERS,
    "create pods/eviction": {"drainers", "repairers"},
    "delete pods": {"drainers"},
    "patch pods": {"drainers"},
    "get persistentvolumes": {"claimers"},
    "create jobs.batch gpuops": {"smokers"},
    "delete jobs.batch gpuops": {"judges"},
    "get pods/log gpuops": {"judges"},
    "create jobs.batch gpuops-system": {"repairers"},
    "delete jobs.batch gpuops-system": {"repairers"},
    "get pods/log gpuops-system": {"repairers"},
    "get pods/proxy gpuops-system": {"scrapers"},
    "get pods/proxy kube-system": {"scrapers"},
    "patch daemonsets.apps gpuops-system/gpuops-device-plugin": {"configurers"},
    "patch configmaps gpuops-system/gpuops-device-plugin": {"configurers"},
    **{
        act: set[str]()
        for act in (
            *(f"{verb} nodes" for verb in ("create", "delete", "update", "deletecollection")),
            *(f"{verb} pods" for verb in ("create", "update", "deletecollection")),
            *(f"create pods/{sub}" for sub in ("exec", "attach", "portforward", "ephemeralcontainers")),
            "get pods/proxy default",
            "get pods/log default",
            "get nodes/proxy",
            "create jobs.batch default",
            "create jobs.batch kube-system",
            "create daemonsets.apps kube-system/gpuops-device-plugin",
            "patch daemonsets.apps gpuops-system/another",
            "delete daemonsets.apps gpuops-system/gpuops-device-plugin",
            "patch configmaps gpuops/gpuops-images",
            "patch configmaps gpuops-system/gpuops-images",
            "get secrets gpuops-system",
            "create serviceaccounts/token gpuops-system/gpuops-dcgm-exporter",
            "create clusterrolebindings.rbac.authorization.k8s.io",
            "bind clusterroles.rbac.authorization.k8s.io",
            "escalate clusterroles.rbac.authorization.k8s.io",
            "impersonate groups",
            "update validatingadmissionpolicies.admissionregistration.k8s.io",
            "delete validatingadmissionpolicybindings.admissionregistration.k8s.io",
        )
    },
}
"""Each right, and which groups have it; what nobody has stands last."""


@pytest.mark.parametrize("act", RIGHTS)
def test_a_right_is_had_by_those_groups_that_need_it(admin: Admin, act: str) -> None:
    """Asked of the apiserver for every group that rbac.yaml binds: a reader cannot evict, a judge starts no Job."""
    assert {group for group in bound_groups() if may(admin, group, act)} == RIGHTS[act]


def test_who_may_edit_every_namespace_gets_no_hold_of_a_node_through_ours(plane: ControlPlane, admin: Admin) -> None:
    """PodSecurity lets privileged pods into gpuops-system, so that nobody else may run or enter one there."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "people"}
    binding = {"metadata": {"name": "people"}, "roleRef": role, "subjects": [group]}
    assert admin("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)[0] == 201
    people = requests_with(plane, "people")
    harmless = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    wait_for(lambda: people("POST", "/api/v1/namespaces/default/pods?dryRun=All", harmless)[0] == 201)
    wait_for(lambda: people("POST", "/api/v1/namespaces/gpuops-system/pods?dryRun=All", harmless)[0] != 201)
    theirs = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": theirs}
    pod = {"metadata": {"name": "p"}, "spec": theirs}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    job = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {**theirs, "restartPolicy": "Never"}}}}
    admin("POST", "/api/v1/namespaces/gpuops-system/pods", pod)
    space = "namespaces/gpuops-system"

    for path, body in (
        (f"/api/v1/{space}/pods", {**pod, "metadata": {"name": "q"}}),
        (f"/apis/apps/v1/{space}/deployments", deployment),
        (f"/apis/apps/v1/{space}/daemonsets", deployment),
        (f"/apis/batch/v1/{space}/jobs", job),
        (f"/api/v1/{space}/pods/p/exec?command=sh&stdout=true", None),
    ):
        status, answer = people("POST", path, body)
        assert (status, "in gpuops-system runs what gpuops installs" in str(answer)) == (403, True), answer
    status, answer = people("POST", "/api/v1/namespaces/gpuops/pods", pod)
    assert (status, "violates PodSecurity" in str(answer)) == (403, True), answer
    admin("DELETE", f"/api/v1/{space}/pods/p", {"gracePeriodSeconds": 0})
