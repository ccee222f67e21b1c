"""The manifests as they are rendered: configurations, config-manager, host mounts, counters, who may attribute."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from gpuops.adapters.manifests import PluginManifest, exporter_objects, plugin_objects
from gpuops.domain.cluster import Node
from gpuops.domain.config.shapes import keep_used, key_texts, keys_in_use
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL
from gpuops.domain.plugin_config.check import check_plugin_config
from gpuops.domain.policy import RUNGS, ClusterPolicy, DcgmExporter, DevicePlugin, Profile

POLICY = ClusterPolicy(cluster="gpu", mode="apply", node_selector={"team": "ml"})
PROFILES = {"notebooks": Profile(replicas=12, rename_by_default=True, fail_requests_greater_than_one=False)}
FIVE = ("GPU_UTIL", "FB_USED", "GPU_TEMP", "POWER_USAGE", "MEM_COPY_UTIL")


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The item of this name."""
    (found,) = (item for item in items if item["name"] == name)
    return found


def plugin_pod(policy: ClusterPolicy = POLICY) -> Any:
    """The plugin's pod."""
    return plugin_objects(policy, key_texts(policy.device_plugin))[1]["spec"]["template"]["spec"]


def exporter_pod(**given: Any) -> Any:
    """The exporter's pod."""
    policy = POLICY.model_copy(update={"dcgm_exporter": DcgmExporter(**given)})
    return exporter_objects(policy)[1]["spec"]["template"]["spec"]


@pytest.mark.parametrize("rename", [False, True])
def test_every_key_is_a_configuration_that_the_plugin_takes_as_meant(rename: bool) -> None:  # noqa: FBT001
    """Each rung and profile, through our own validator, which knows what the real one silently ignores."""
    texts = key_texts(DevicePlugin(profiles=PROFILES, rename_by_default=rename))

    reports = {key: check_plugin_config(text) for key, text in texts.items()}
    assert {key for key, report in reports.items() if not report.accepted_by_plugin or report.problems} == set()
    shapes = {key: (report.replicas, report.resource) for key, report in reports.items()}
    shared = "nvidia.com/gpu.shared" if rename else "nvidia.com/gpu"
    rungs = {key: (replicas, shared) for key, replicas in RUNGS.items()}
    assert shapes == {"exclusive": (1, "nvidia.com/gpu"), "notebooks": (12, "nvidia.com/gpu.shared"), **rungs}


def test_a_profile_takes_the_plugins_own_settings_where_it_says_nothing() -> None:
    """And its own where it does."""
    plugin = DevicePlugin(profiles={"a": Profile(replicas=2), **PROFILES}, fail_requests_greater_than_one=True)
    slicing = {
        key: yaml.safe_load(text)["sharing"]["timeSlicing"] for key, text in key_texts(plugin).items() if key[0] in "an"
    }

    assert {key: value["failRequestsGreaterThanOne"] for key, value in slicing.items()} == {
        "a": True,
        "notebooks": False,
    }


def test_a_key_in_use_stays_to_the_letter_and_is_named_with_its_nodes() -> None:
    """Edited by somebody, or no longer in the policy; a key that nobody uses follows the policy."""
    nodes = [Node(name=n, labels={PLUGIN_CONFIG_LABEL: key}) for n, key in (("n2", "r2"), ("n1", "r2"), ("n3", "gone"))]
    wanted = {"exclusive": "a", "r2": "b", "r3": "c"}
    live = {"exclusive": "x", "r2": "edited", "gone": "g", "unused": "u"}

    texts, findings = keep_used(wanted, live, keys_in_use([*nodes, Node(name="n4")]), "ConfigMap a/b")

    assert texts == {"exclusive": "a", "r2": "edited", "r3": "c", "gone": "g"}
    assert [finding.reason for finding in findings] == [
        "key gone is no longer in the policy, and stays as it is: it is in use on n3",
        "key r2 differs from the policy, and stays as it is: it is in use on n1, n2",
    ]
    assert all(finding.left for finding in findings)


def test_a_key_in_use_that_is_missing_is_put_back() -> None:
    """Its absence is what crashes the sidecar."""
    nodes = [Node(name="n1", labels={PLUGIN_CONFIG_LABEL: "r2"})]

    assert keep_used({"r2": "b"}, {}, keys_in_use(nodes), "x") == ({"r2": "b"}, [])


def test_the_config_manager_runs_once_before_the_plugin_and_then_beside_it() -> None:
    """NVIDIA's own names of variables and paths; one process namespace, so that it can send the signal."""
    pod = plugin_pod()
    init, sidecar = pod["initContainers"][0], named(pod["containers"], "nvidia-device-plugin-sidecar")
    env = [{e["name"]: e.get("value") for e in c["env"]} for c in (init, sidecar)]

    assert pod["shareProcessNamespace"] is True
    assert [c["command"] for c in (init, sidecar)] == [["config-manager"]] * 2
    assert [e["ONESHOT"] for e in env] == ["true", "false"]
    assert [e["SEND_SIGNAL"] for e in env] == ["false", "true"]
    assert {e["DEFAULT_CONFIG"] for e in env} == {"exclusive"}
    assert {(e["NODE_LABEL"], e["CONFIG_FILE_SRCDIR"]) for e in env} == {(PLUGIN_CONFIG_LABEL, "/available-configs")}
    plugin = named(pod["containers"], "nvidia-device-plugin-ctr")
    assert named(plugin["env"], "CONFIG_FILE")["value"] == env[0]["CONFIG_FILE_DST"] == "/config/config.yaml"


def test_the_plugin_runs_on_the_policys_nodes_whatever_their_taints() -> None:
    """The GPU's taint, our startup taint, a team's; never on a node that MIG cuts up."""
    pod = plugin_pod()

    assert pod["nodeSelector"] == {"team": "ml"}
    keys = {toleration.get("key") for toleration in pod["tolerations"]}
    assert keys == {"nvidia.com/gpu", "startup-taint.cluster-autoscaler.kubernetes.io/gpuops", None}
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert all({e["key"] for e in t["matchExpressions"]} >= {"nvidia.com/mig.config"} for t in terms)
    assert pod["priorityClassName"] == "system-node-critical"
    assert named(pod["volumes"], "kubelet-device-plugins")["hostPath"]["path"] == "/var/lib/kubelet/device-plugins"
    assert named(pod["volumes"], "available-configs")["configMap"] == {"name": "gpuops-device-plugin"}


def test_every_container_of_the_plugin_has_the_policys_image_and_no_privilege() -> None:
    """One image pinned by the admission policy is enough."""
    pod = plugin_pod()
    containers = [*pod["initContainers"], *pod["containers"]]

    assert {c["image"] for c in containers} == {POLICY.device_plugin.image}
    assert all(c["securityContext"]["capabilities"] == {"drop": ["ALL"]} for c in containers)


def test_the_exporter_counts_what_everyone_asks_for_and_what_breaks() -> None:
    """As the default counters spell them; one line each."""
    counters = exporter_objects(POLICY)[0]["data"]["counters.csv"]
    fields = [line.split(",")[0] for line in counters.splitlines() if not line.startswith("#")]

    assert len(fields) == len(set(fields))
    wanted = {f"DCGM_FI_DEV_{name}" for name in (*FIVE, "FB_FREE", "FB_RESERVED", "XID_ERRORS", "ROW_REMAP_FAILURE")}
    assert wanted | {"DCGM_FI_PROF_GR_ENGINE_ACTIVE"} <= set(fields)
    assert {"DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_FI_DEV_THERMAL_VIOLATION"} <= set(fields)


def test_attribution_to_pods_brings_its_rights_and_goes_with_them() -> None:
    """Virtual GPUs without pod uid report zero for every pod: both or none."""
    with_pods, without = exporter_pod(), exporter_pod(per_pod=False, interval_seconds=10)

    assert (with_pods["hostPID"], "hostPID" in without) == (True, False)
    assert with_pods["containers"][0]["securityContext"]["privileged"] is True
    assert without["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
    for name in ("KUBERNETES_VIRTUAL_GPUS", "DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID"):
        values = [named(pod["containers"][0]["env"], name)["value"] for pod in (with_pods, without)]
        assert values == ["true", "false"]
    assert named(without["containers"][0]["env"], "DCGM_EXPORTER_INTERVAL")["value"] == "10000"


def test_a_service_monitor_is_made_where_the_policy_wants_one() -> None:
    """With the Service that it needs."""
    policy = POLICY.model_copy(update={"dcgm_exporter": DcgmExporter(service_monitor=True)})

    assert [o["kind"] for o in exporter_objects(POLICY)] == ["ConfigMap", "DaemonSet"]
    assert [o["kind"] for o in exporter_objects(policy)][2:] == ["Service", "ServiceMonitor"]


def test_nothing_that_is_rendered_is_null_or_empty() -> None:
    """The apiserver drops Go's zeros, and what it drops is an error."""

    def leaves(value: Any) -> Any:
        if isinstance(value, dict) and value:
            return [leaf for key, item in value.items() if key != "emptyDir" for leaf in leaves(item)]
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) and value else [value]

    rendered = [*plugin_objects(POLICY, key_texts(POLICY.device_plugin)), *exporter_objects(POLICY)]

    assert not [leaf for o in rendered for leaf in leaves(o) if leaf in (None, "", [], {})]


@pytest.mark.parametrize("fault", [{"image": "a b"}, {"node_selector": {"a": "b\nc: d"}}, {"more": 1}])
def test_a_value_that_could_change_a_manifest_is_refused(fault: dict[str, Any]) -> None:
    """Before it comes near the file."""
    with pytest.raises(ValidationError):
        PluginManifest.model_validate({"image": "a", "node_selector": {}, "configurations": {}, **fault})
