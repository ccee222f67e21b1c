"""The machines of the simulated kubelets.

Covers: user data (nodeadm, MIME, Bottlerocket), the registered Node, hardware, GPU ids and allocation, and plugin
configurations against what the real parser answered.
"""

import base64
from dataclasses import replace
from typing import Any

import pytest

from rehearsal.kubelets.devices import Devices, Sharing, devices_of
from rehearsal.kubelets.hardware import hardware_of
from rehearsal.kubelets.machine import Machine, machine_of
from rehearsal.kubelets.node import node_object
from rehearsal.kubelets.plugin import Manager, configs_of, manager_of, sharing_of, slicing_of
from rehearsal.kubelets.userdata import flags_of
from rehearsal.scenario import Group
from tests.rehearsal.kubelet_world import Box, Image, pod_template

NODE_CONFIG = """\
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config:
      registerWithTaints: [{key: from-config, effect: NoSchedule}]
    flags: FLAGS
"""
MPS = "  mps: {resources: [{name: nvidia.com/gpu, replicas: 2}]}\n"
OPTIONS = "version: v1\nsharing: {timeSlicing: {%s, resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n"
TIME_SLICED = "version: v1\nsharing:\n  timeSlicing: {resources: [{name: %s, replicas: %s}]}\n"


def encoded(text: str) -> str:
    """As EC2 keeps it."""
    return base64.b64encode(text.encode()).decode()


def machine(image: Image | None = None, instance_type: str = "g4dn.12xlarge") -> Machine:
    """A machine of four T4 GPUs, unless told otherwise."""
    made = machine_of(Box(7, instance_type), image or Image())
    assert isinstance(made, Machine)
    return made


def test_the_last_taint_flag_wins_and_labels_add_up() -> None:
    """Kubelet replaces its taints with each repetition of the flag, but merges its labels."""
    flags = ["--node-labels=a=1,b=", "--register-with-taints=lost=1:NoSchedule", "--node-labels=c=3"]
    flags.append("--register-with-taints=x=1:NoSchedule,y:NoExecute")

    read = flags_of(encoded(NODE_CONFIG.replace("FLAGS", str(flags))), "al2023")

    assert read is not None
    assert read.labels == {"a": "1", "b": "", "c": "3"}
    assert read.taints == ({"key": "x", "value": "1", "effect": "NoSchedule"}, {"key": "y", "effect": "NoExecute"})


def test_the_kubelet_configurations_taints_count_without_a_flag() -> None:
    """NodeConfig can say it in either place."""
    read = flags_of(encoded(NODE_CONFIG.replace("FLAGS", "[]")), "al2023")

    assert read is not None
    assert read.taints == ({"key": "from-config", "effect": "NoSchedule"},)


def test_a_node_config_is_found_among_mime_parts() -> None:
    """A shell script beside it does no harm."""
    config = NODE_CONFIG.replace("FLAGS", "['--node-labels=a=1']")
    text = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n'
        "--B\nContent-Type: text/x-shellscript\n\n#!/bin/bash\ntrue\n"
        f"--B\nContent-Type: application/node.eks.aws\n\n{config}\n--B--\n"
    )
    read = flags_of(encoded(text), "al2023")

    assert read is not None
    assert read.labels == {"a": "1"}


def test_bottlerocket_settings_are_read_as_toml() -> None:
    """One key may have several taints."""
    text = '[settings.kubernetes.node-labels]\na = "1"\n[settings.kubernetes.node-taints]\nx = ["v:NoSchedule"]\n'

    read = flags_of(encoded(text), "bottlerocket")

    assert read is not None
    assert (read.labels, read.taints) == ({"a": "1"}, ({"key": "x", "value": "v", "effect": "NoSchedule"},))


@pytest.mark.parametrize("text", ["", "#!/bin/bash\n/etc/eks/bootstrap.sh demo\n", "kind: Pod\n", "a: [\n", "a = 1"])
@pytest.mark.parametrize("family", ["al2023", "bottlerocket"])
def test_user_data_that_configures_no_node_keeps_the_machine_out(text: str, family: str) -> None:
    """As in life: the instance runs and never joins."""
    assert flags_of(encoded(text), family) is None


@pytest.mark.parametrize(
    ("instance_type", "cores", "pods", "gpus", "product"),
    [
        ("m7i.large", 2, 29, 0, "NVIDIA "),
        ("g4dn.xlarge", 4, 29, 1, "Tesla T4"),
        ("g5g.xlarge", 4, 58, 1, "NVIDIA T4G"),
        ("p5.48xlarge", 192, 3138, 8, "NVIDIA H100 80GB HBM3"),
    ],
)
def test_hardware_follows_ec2s_description(instance_type: str, cores: int, pods: int, gpus: int, product: str) -> None:
    """Cores, room for pods by network addresses, GPUs with the driver's product name."""
    found = hardware_of(instance_type)

    assert (found.cores, found.pods, found.gpus, found.gpu_product) == (cores, pods, gpus, product)


def test_gpu_ids_depend_on_instance_and_index_alone() -> None:
    """Same instance, same boards; another instance, others."""
    first, again, other = (devices_of(i, hardware_of("p5.48xlarge")).gpus for i in ("i-1", "i-1", "i-2"))

    assert first == again
    assert len({gpu.uuid for gpu in (*first, *other)}) == 16
    assert first[3].uuid.startswith("GPU-")


def test_shared_devices_are_spread_over_gpus_and_run_out() -> None:
    """Two GPUs by two: four pods, the first two on different boards, no fifth."""
    devices = Devices(machine().devices.gpus[:2], Sharing(2))

    given = [devices.allocate(f"pod-{i}", 1) for i in range(5)]

    assert given[:4] == [None] * 4
    assert given[4] is not None
    assert "Requested: 1, Available: 0" in given[4]
    assert devices.gpus_of("pod-0") != devices.gpus_of("pod-1")
    assert sorted(d.id.rsplit("::")[1] for held in devices.held.values() for d in held) == ["0", "0", "1", "1"]


def test_a_smaller_configuration_takes_no_device_from_a_pod() -> None:
    """The pod keeps an id that is no longer published, and nobody else gets the GPU's shared ones by mistake."""
    devices = Devices(machine().devices.gpus[:1], Sharing(2))
    devices.allocate("a", 1)
    devices.allocate("b", 1)

    devices.publish(Sharing())

    assert [d.id.endswith("::1") for d in devices.held["b"]] == [True]
    assert (devices.count, devices.available()) == (1, 1)
    devices.release("a")
    assert devices.gpus_of("a") == ()


@pytest.mark.parametrize(
    ("config", "sharing"),
    [
        ("version: v1\n", Sharing()),
        ("", Sharing()),
        (TIME_SLICED % ("nvidia.com/gpu", 4), Sharing(4)),
        (TIME_SLICED % ("gpu", 3), Sharing(3)),
        (TIME_SLICED % ("nvidia.com/gpu", "4.0"), Sharing(4)),
        (TIME_SLICED % ("nvidia.com/gpu", 1), None),
        (TIME_SLICED % ("nvidia.com/gpu", "'4'"), None),
        (TIME_SLICED % ("nvidia.com/gpu", 2.5), None),
        ("version: v2\n", None),
        ("version: v1\nsharing: {timeSlicing: {}}\n", None),
        ("version: v1\nsharing: {timeSlicingProfile: {replicas: 4}}\n", Sharing()),
        (OPTIONS % "renameByDefault: true", Sharing(4, renamed=True)),
        (OPTIONS % "failRequestsGreaterThanOne: true", Sharing(4, at_most_one=True)),
        (OPTIONS % "failRequestsGreaterThanOne: 'true'", None),
        (TIME_SLICED % ("nvidia.com/gpu", 4) + MPS, Sharing(2)),
    ],
)
def test_a_configuration_shares_as_the_real_plugin_would(config: str, sharing: Sharing | None) -> None:
    """None: the plugin exits over it, and the node has no GPU."""
    assert sharing_of({"key": config}, "key") == sharing


def test_no_configuration_means_exclusive_and_an_unknown_key_means_none() -> None:
    """The config-manager ends with an error over a key that is not there."""
    assert sharing_of({"key": "version: v1\n"}, "") == Sharing()
    assert sharing_of({"key": "version: v1\n"}, "other") is None


@pytest.mark.parametrize(
    ("env", "labels", "keys", "chosen"),
    [
        ({"DEFAULT_CONFIG": "exclusive"}, {}, ["exclusive", "r2"], "exclusive"),
        ({"DEFAULT_CONFIG": "exclusive"}, {"l": "r2"}, ["exclusive", "r2"], "r2"),
        ({"DEFAULT_CONFIG": "gone"}, {}, ["exclusive"], None),
        ({}, {"l": "gone"}, ["exclusive"], None),
        ({"FALLBACK_STRATEGIES": "named,single"}, {}, ["default", "r2"], "default"),
        ({"FALLBACK_STRATEGIES": "named,single"}, {}, ["r2"], "r2"),
        ({"FALLBACK_STRATEGIES": "named,single"}, {}, ["exclusive", "r2"], None),
        ({"FALLBACK_STRATEGIES": "single,empty"}, {}, ["exclusive", "r2"], ""),
        ({}, {}, ["exclusive"], None),
    ],
)
def test_the_config_manager_takes_label_then_default_then_fallbacks(
    env: dict[str, str], labels: dict[str, str], keys: list[str], chosen: str | None
) -> None:
    """In config-manager's own order; the label is the one that the environment names."""
    pod = managed_pod({"NODE_LABEL": "l", **env})

    assert manager_of(pod).choose(labels, dict.fromkeys(keys, "")) == chosen


def test_a_plugin_without_a_config_manager_takes_the_label_alone() -> None:
    """As an operator's DaemonSet that only mounts its configurations."""
    pod = pod_template("p")

    assert manager_of(pod) == Manager()
    assert manager_of(pod).choose({"nvidia.com/device-plugin.config": "r2"}, {"r2": ""}) == "r2"
    assert manager_of(pod).choose({}, {"r2": "", "r3": ""}) == ""


def test_configurations_are_found_where_the_config_manager_looks() -> None:
    """By the mount at its source directory, whatever the volume is called."""
    pod = managed_pod({"NODE_LABEL": "l", "CONFIG_FILE_SRCDIR": "/configs"})

    assert configs_of(pod) == "ours"
    assert configs_of(pod_template("p")) is None


def managed_pod(env: dict[str, str]) -> Any:
    """A pod whose init container runs config-manager with this environment, over the ConfigMap `ours`."""
    listed = [{"name": name, "value": value} for name, value in env.items()]
    init = {"name": "init", "image": "i", "env": listed, "volumeMounts": [{"name": "v", "mountPath": "/configs"}]}
    return pod_template("p", initContainers=[init], volumes=[{"name": "v", "configMap": {"name": "ours"}}])


def test_bottlerocket_shares_by_its_settings_with_its_own_defaults() -> None:
    """Its template renames and refuses more than one share unless it is told not to."""
    kind = {"device-sharing-strategy": "time-slicing"}

    assert slicing_of({}) == Sharing()
    assert slicing_of(kind) == Sharing(2, renamed=True, at_most_one=True)
    told = {"replicas": 4, "rename-by-default": False, "fail-requests-greater-than-one": False}
    assert slicing_of({**kind, "time-slicing": told}) == Sharing(4)


def test_a_renamed_resource_takes_the_old_ones_place_and_refuses_two_shares() -> None:
    """Kubelet goes on showing what is no longer published, as 0."""
    devices = Devices(machine().devices.gpus[:1], Sharing(2, renamed=True, at_most_one=True))
    devices.publish(devices.sharing)

    assert devices.amounts() == {"nvidia.com/gpu": "0", "nvidia.com/gpu.shared": "2"}
    assert "maximum request size for shared resources is 1; found 2" in str(devices.refusal(2))
    assert devices.refusal(1) is None


def test_a_board_that_was_seen_before_is_the_first_gpu_of_its_launch_alone() -> None:
    """With what is wrong with it; the other boards are the instance's own."""
    past = {"launch": 2, "uuid": "GPU-11111111-2222-3333-4444-555555555555", "faults": ["xid_79"]}
    group = Group(name="g", instance_type="g4dn.12xlarge", zones=("z",), size=0, max=1, release="r", boards=(past,))

    first, second = (machine_of(replace(Box(7, "g4dn.12xlarge"), launch=n), Image(), group) for n in (1, 2))

    assert isinstance(first, Machine)
    assert isinstance(second, Machine)
    assert (first.xids, second.xids) == ([], [79])
    assert second.devices.gpus[0].uuid == past["uuid"]
    assert [gpu.uuid for gpu in second.devices.gpus[1:]] == [gpu.uuid for gpu in first.devices.gpus[1:]]


def test_a_node_registers_with_what_its_user_data_says() -> None:
    """Not ready, with kubelet's own taint and the flags'."""
    made: Any = node_object(machine(), 0)

    assert [taint["key"] for taint in made["spec"]["taints"]] == [
        "node.cloudprovider.kubernetes.io/uninitialized",
        "nvidia.com/gpu",
    ]
    assert made["status"]["conditions"][0]["status"] == "False"
    assert "nvidia.com/gpu" not in made["status"]["capacity"]
