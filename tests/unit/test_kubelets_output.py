"""What runs on the simulated machines lets us see.

Covers: nvidia-smi and vectorAdd as smoke jobs call them, the exporter's text, and how the containers of a pod end.
"""

from typing import Any

import pytest

from rehearsal.kubelets.exporter import METRICS, Load, exposition
from rehearsal.kubelets.logs import Outcome, outcome_of
from rehearsal.kubelets.machine import Machine, machine_of
from rehearsal.kubelets.status import Place, ended
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
    assert "Pending                                   : No" in long


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

    assert len(samples) == 4 * len(METRICS)
    assert sum(memory.values()) == on.hardware.gpu_memory_mib
    assert all(('pod="p"' in sample) == ('gpu="0"' in sample) for sample in samples)


def test_what_follows_a_failed_init_container_never_begins() -> None:
    """The pod has failed; its main container waits for ever."""
    pod = pod_template("p", initContainers=[{"name": "first", "image": "i"}])

    status: Any = ended(pod, Place("10.128.0.1", "10.0.1.7", 0), {"first": 1, "main": 0}, 5)["status"]

    assert status["phase"] == "Failed"
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 1
    assert "waiting" in status["containerStatuses"][0]["state"]
