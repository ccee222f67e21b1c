"""What runs on the simulated machines lets us see.

Covers: nvidia-smi, dcgmi and vectorAdd as smoke jobs call them, how long containers run, the exporter's text and how it
is set up, how the containers of a pod end, and which find too little GPU memory.
"""

import math
from typing import Any

import pytest

from rehearsal.kubelets.devices import Sharing
from rehearsal.kubelets.exporter import BUSY, MEMORY_MIB, METRICS, Load, View, exposition
from rehearsal.kubelets.exporter_view import COLLECTORS, view_of
from rehearsal.kubelets.logs import Outcome, outcome_of, seconds_of
from rehearsal.kubelets.machine import Machine, machine_of
from rehearsal.kubelets.run import Run
from rehearsal.kubelets.starving import seen_of, starves
from rehearsal.kubelets.status import Place, crashing, ended
from tests.rehearsal.kubelet_world import Box, Image, pod_template


def machine(image: Image | None = None, instance_type: str = "g4dn.12xlarge") -> Machine:
    """A machine of four T4 GPUs, unless told otherwise."""
    made = machine_of(Box(7, instance_type), image or Image())
    assert isinstance(made, Machine)
    return made


def played(*command: str, image: Image | None = None, gpus: int = 2) -> Outcome:
    """What a container prints that was given some of the GPUs."""
    on = machine(image)
    return outcome_of({"name": "c", "image": "smoke", "command": list(command)}, {}, on, on.devices.gpus[:gpus])


def test_nvidia_smi_lists_the_containers_own_gpus() -> None:
    """Numbered from zero, with the driver's ids."""
    uuids = [gpu.uuid for gpu in machine().devices.gpus[:2]]

    assert played("nvidia-smi", "-L").text.splitlines() == [
        f"GPU {index}: Tesla T4 (UUID: {uuid})" for index, uuid in enumerate(uuids)
    ]


def test_nvidia_smi_answers_queries_as_csv_and_in_long() -> None:
    """What is not played is [N/A], as the tool says it."""
    asked = played("nvidia-smi", "--query-gpu=uuid,driver_version,fan.speed", "--format=csv,noheader", gpus=1)
    long = played("nvidia-smi -q", gpus=1).text

    assert asked.text == f"{machine().devices.gpus[0].uuid}, 580.159.03, [N/A]\n"
    assert "CUDA Version                              : 13.0" in long
    assert "        Pending                           : No" in long
    assert "            DRAM Uncorrectable            : 0" in long


@pytest.mark.parametrize(
    ("command", "image", "gpus", "exit_code"),
    [
        (("vectorAdd",), Image(), 1, 0),
        (("vectorAdd",), Image(faults=("smoke_fails",)), 1, 1),
        (("vectorAdd",), Image(), 0, 1),
        (("nvidia-smi",), Image(driver=None), 1, 9),
        (("nvidia-smi",), Image(), 0, 6),
        (("sh", "-c", "nvidia-smi && vectorAdd"), Image(faults=("smoke_fails",)), 1, 1),
        (("true",), Image(), 0, 0),
    ],
)
def test_programs_fail_as_the_real_ones_do(command: tuple[str, ...], image: Image, gpus: int, exit_code: int) -> None:
    """A fault of the image, no device, no driver."""
    assert played(*command, image=image, gpus=gpus).exit_code == exit_code


def test_a_sample_image_without_a_command_runs_its_program() -> None:
    """NVIDIA's image tag names it."""
    on = machine()
    container = {"name": "c", "image": "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"}

    assert "Test PASSED" in outcome_of(container, {}, on, on.devices.gpus[:1]).text


def test_the_exporter_gives_every_metric_for_every_gpu() -> None:
    """Labels as dcgm-exporter 4.5.3 writes them; memory adds up; only a busy GPU names a pod."""
    on = machine()
    pod = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "c"}]}}
    loads = [Load(gpu, [pod] if gpu.index == 0 else [], 60) for gpu in on.devices.gpus]

    samples = [line for line in exposition(on, loads).splitlines() if not line.startswith("#")]
    memory = {s.split("{")[0]: float(s.split()[-1]) for s in samples if 'gpu="0"' in s and "_FB_" in s}

    assert len(samples) == 4 * sum(not name.startswith("DCGM_EXP_") for name in METRICS)
    assert sum(memory.values()) == on.hardware.gpu_memory_mib
    assert all(('pod="p"' in sample) == ('gpu="0"' in sample) for sample in samples)


SICK = Image(faults=("ecc_uncorrectable", "remap_pending", "xid_79", "xid_63"))


def test_a_sick_board_shows_in_every_form_of_nvidia_smi() -> None:
    """The first GPU alone, whose neighbour stays well; Xids are not shown, as in life."""
    long = played("nvidia-smi -q", image=SICK).text
    fields = "index,ecc.errors.uncorrected.volatile.total,remapped_rows.pending"
    asked = played(f"nvidia-smi --query-gpu={fields} --format=csv,noheader,nounits", image=SICK).text

    assert [line.split(": ")[1] for line in long.splitlines() if "DRAM Uncorrectable" in line] == ["1", "1", "0", "0"]
    pending = [line.split(": ")[1] for line in long.splitlines() if line.startswith("        Pending")]
    assert pending == ["Enabled", "Yes", "Enabled", "No"]
    assert asked == "0, 1, Yes\n1, 0, No\n"
    assert "Xid" not in long


@pytest.mark.parametrize(
    ("command", "image", "exit_code", "word"),
    [
        ("dcgmi diag -r 1", Image(), 0, "| software                  | Pass"),
        ("dcgmi diag -r 1", SICK, 226, "| software                  | Fail"),
        ("dcgmi diag --run 2 -j", Image(), 0, '"name": "memory"'),
        ("dcgmi diag -r 2 -j", Image(faults=("smoke_fails",)), 226, '"status": "Fail"'),
    ],
)
def test_a_diagnostic_fails_over_a_sick_board(command: str, image: Image, exit_code: int, word: str) -> None:
    """As a table or as JSON."""
    found = played(command, image=image)

    assert (found.exit_code, word in found.text) == (exit_code, True)


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        ("nvidia-smi -L", 10),
        ("nvidia-smi -L && sleep infinity", math.inf),
        ("nvidia-smi -L && sleep 60", 70),
        ("while true; do sleep 5; done", math.inf),
        ("dcgmi diag -r 3", 1800),
        ("run", 30),
    ],
)
def test_a_container_runs_as_long_as_its_programs(command: str, seconds: float) -> None:
    """One that sleeps runs until it is killed, with its log already written."""
    assert seconds_of({"name": "c", "image": "i", "command": ["sh", "-c", command]}) == seconds


def tenant(name: str, *, busy: str, memory: str) -> Any:
    """A pod that computes so much and holds so much memory."""
    told = {"rehearsal.gpuops.dev/gpu-busy": busy, "rehearsal.gpuops.dev/gpu-memory-mib": memory}
    spec = {"containers": [{"name": "main"}]}
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "annotations": told}, "spec": spec}


def samples(text: str, name: str) -> list[str]:
    """Labels after the driver's version, and the value, of each series of that name."""
    lines = [line for line in text.splitlines() if line.startswith(name + "{")]
    return [line.partition('DCGM_FI_DRIVER_VERSION="580.159.03"')[2].lstrip(",") for line in lines]


def test_each_share_has_series_of_its_own_where_the_exporter_knows_virtual_gpus() -> None:
    """GPU_UTIL and FB_USED are the pod's own, others the device's; the device's own series has no pod."""
    on = machine(instance_type="g4dn.xlarge")
    pods = [tenant("a", busy="0.25", memory="1000"), tenant("b", busy="0.5", memory="3000")]
    load = Load(on.devices.gpus[0], pods, 60, [0, 2])

    text = exposition(on, [load], View(virtual=True, pod_uid=True))
    blind = exposition(on, [load], View(virtual=True))

    told = ['pod_uid="uid-a",vgpu="0",container="main",namespace="default",pod="a"} 1000']
    told.append('pod_uid="uid-b",vgpu="2",container="main",namespace="default",pod="b"} 3000')
    assert samples(text, "DCGM_FI_DEV_FB_USED") == ["} 4000", *told]
    assert [s.split()[-1] for s in samples(text, "DCGM_FI_DEV_GPU_UTIL")] == ["75", "25", "50"]
    assert len({s.split()[-1] for s in samples(text, "DCGM_FI_DEV_GPU_TEMP")}) == 1
    assert [s.split()[-1] for s in samples(blind, "DCGM_FI_DEV_GPU_UTIL")] == ["75", "0", "0"]


def test_without_virtual_gpus_one_pod_stands_for_all_of_a_device() -> None:
    """The last one that came."""
    on = machine(instance_type="g4dn.xlarge")
    load = Load(on.devices.gpus[0], [tenant("a", busy="0", memory="1"), tenant("b", busy="0", memory="2")], 60, [0, 1])

    assert samples(exposition(on, [load]), "DCGM_FI_DEV_FB_USED") == ['container="main",namespace="default",pod="b"} 3']


def test_xids_are_the_last_one_and_if_asked_for_a_count_of_each() -> None:
    """DCGM_FI_DEV_XID_ERRORS is a value, not a count; the exporter's own counts are off unless its list has them."""
    on = machine(SICK)
    loads = [Load(gpu, [], 60) for gpu in on.devices.gpus[:2]]
    listed = View(counters=frozenset({"DCGM_EXP_XID_ERRORS_COUNT"}))

    assert samples(exposition(on, loads), "DCGM_FI_DEV_XID_ERRORS") == ["} 63", "} 0"]
    assert "DCGM_EXP" not in exposition(on, loads)
    assert samples(exposition(on, loads, listed), "DCGM_EXP_XID_ERRORS_COUNT") == [
        'window_size_in_ms="300000",xid="79"} 1',
        'window_size_in_ms="300000",xid="63"} 1',
    ]
    assert "DCGM_FI_DEV" not in exposition(on, loads, listed).replace("DCGM_FI_DRIVER", "")


def exporter(**more: Any) -> Any:
    """An exporter's pod that mounts the ConfigMap `ours` at /etc/counters."""
    volume = {"name": "v", "configMap": {"name": "ours"}}
    pod: Any = pod_template("p", image="nvcr.io/nvidia/k8s/dcgm-exporter:4", volumes=[volume])
    pod["metadata"]["namespace"] = "ns"
    mounts = [{"name": "v", "mountPath": "/etc/counters"}]
    pod["spec"]["containers"][0] |= {"command": [], "volumeMounts": mounts, **more}
    return pod


@pytest.mark.parametrize(
    ("more", "view"),
    [
        ({}, View()),
        ({"env": [{"name": "KUBERNETES_VIRTUAL_GPUS", "value": "true"}]}, View(virtual=True)),
        ({"args": ["-f", "/etc/counters/c.csv"]}, View(counters=frozenset({"A", "B"}))),
        ({"args": ["--collectors=/etc/counters/c.csv"]}, View(counters=frozenset({"A", "B"}))),
        (
            {"env": [{"name": COLLECTORS, "value": "/etc/counters/c.csv"}]},
            View(counters=frozenset("AB")),
        ),
        ({"args": ["-f", "/etc/counters/other.csv"]}, View(counters=frozenset())),
        ({"args": ["-f", "/etc/dcgm-exporter/dcp-metrics-included.csv"]}, View()),
    ],
)
def test_an_exporter_shows_what_it_was_set_up_to_show(more: Any, view: View) -> None:
    """By environment and by the list of counters that it mounts; a list that is not there shows nothing."""
    data = {"c.csv": "# Format\nA, gauge, text\n\n  B, counter, text, with commas\n#C, gauge, off\n"}

    assert view_of(exporter(**more), lambda namespace, name: {("ns", "ours"): data}.get((namespace, name))) == view


def test_what_follows_a_failed_init_container_never_begins() -> None:
    """The pod has failed; its main container waits for ever."""
    pod = pod_template("p", initContainers=[{"name": "first", "image": "i"}])

    status: Any = ended(pod, Place("10.128.0.1", "10.0.1.7", 0), {"first": 1, "main": 0}, 5)["status"]

    assert status["phase"] == "Failed"
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 1
    assert "waiting" in status["containerStatuses"][0]["state"]


def test_a_newcomer_falls_where_the_others_leave_too_little_memory() -> None:
    """Of 16 GiB less what the driver keeps; whoever crashes holds its share, and no memory, and its status says so."""
    on = machine(instance_type="g4dn.xlarge")
    on.devices.publish(Sharing(replicas=3))
    runs = {uid: Run(_needing(uid, mib), on, 0, "running") for uid, mib in {"a": 7000, "b": 8000, "c": 1000}.items()}
    assert not any(on.devices.allocate(uid, 1) for uid in runs)
    assert starves(runs["c"], runs)
    runs["b"].stage = "crashing"
    assert not starves(runs["c"], runs)
    assert seen_of(runs["a"]) is runs["a"].pod
    assert seen_of(runs["b"])["metadata"]["annotations"] == {MEMORY_MIB: "0", BUSY: "0"}
    (container,) = crashing(runs["b"].pod, Place("10.0.0.1", "10.0.0.2", 0.0))["status"]["containerStatuses"]
    assert (container["state"]["waiting"]["reason"], container["lastState"]["terminated"]["exitCode"]) == (
        "CrashLoopBackOff",
        1,
    )


def _needing(uid: str, mib: int) -> dict[str, Any]:
    meta = {"name": uid, "namespace": "default", "uid": uid, "annotations": {MEMORY_MIB: str(mib)}}
    return {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}]}}
