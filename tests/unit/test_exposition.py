"""The exporter's text: values of a device beside its pods' copies, replicas and who holds them, blanks, MIG, Xids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuops.adapters.kube import Kube
from gpuops.adapters.metrics import Metrics
from gpuops.domain.errors import Unavailable
from gpuops.domain.exposition import GpuReading, read_gpus

A, B = "GPU-0a1b2c3d-0000-1111-2222-333344445555", "GPU-9f8e7d6c-0000-1111-2222-333344445555"


def line(name: str, value: object, uuid: str = A, **labels: str) -> str:
    """One sample as the exporter prints it."""
    more = "".join(f',{key}="{text}"' for key, text in labels.items())
    return f'{name}{{gpu="0",UUID="{uuid}",device="nvidia0",modelName="NVIDIA L4",Hostname="n1"{more}}} {value}\n'


def held(index: int, pod: str, name: str = "DCGM_FI_DEV_FB_FREE", value: int = 0) -> str:
    """A device's series repeated for the pod on one of its replicas."""
    return line(name, value, vgpu=str(index), container="c", namespace="default", pod=pod)


def test_a_device_is_read_with_its_memory_and_its_last_xid() -> None:
    """Two GPUs, the second without an Xid series: the exporter's default counters differ by version."""
    text = "# HELP DCGM_FI_DEV_FB_FREE Framebuffer memory free (in MiB).\n# TYPE DCGM_FI_DEV_FB_FREE gauge\n"
    text += line("DCGM_FI_DEV_FB_FREE", 15000) + line("DCGM_FI_DEV_FB_FREE", 22000, B)
    text += line("DCGM_FI_DEV_FB_USED", 7000) + line("DCGM_FI_DEV_XID_ERRORS", 31)

    assert read_gpus(text) == {
        A: GpuReading(A, {}, 15000, frozenset({31})),
        B: GpuReading(B, {}, 22000),
    }


def test_the_device_counts_and_not_its_pods_processes() -> None:
    """Since dcgm-exporter 4.5.3-4.8.2 a pod's series may be its own processes': the device's stays beside them."""
    text = line("DCGM_FI_DEV_FB_FREE", 9000) + held(0, "web-1", value=4000) + held(2, "web-2", value=5000)

    reading = read_gpus(text)[A]

    assert reading.free_mib == 9000
    assert reading.holders == {0: "default/web-1", 2: "default/web-2"}


def test_without_a_device_of_its_own_the_copies_are_not_added_up() -> None:
    """Before that, every pod shows the whole device's value."""
    assert read_gpus(held(0, "web-1", value=9000) + held(1, "web-2", value=9000))[A].free_mib == 9000


@pytest.mark.parametrize("blank", ["9223372036854775794", "2147483632", "140737488355328", "NaN", "-1"])
def test_a_blank_is_no_value(blank: str) -> None:
    """DCGM's words for not supported, not found, not permitted."""
    reading = read_gpus(line("DCGM_FI_DEV_FB_FREE", blank) + line("DCGM_FI_DEV_XID_ERRORS", blank))[A]

    assert (reading.free_mib, reading.xids) == (None, frozenset())


def test_counted_xids_outlive_the_last_one() -> None:
    """DCGM_FI_DEV_XID_ERRORS shows only the last one, and 0 is none."""
    text = line("DCGM_FI_DEV_XID_ERRORS", 0)
    text += line("DCGM_EXP_XID_ERRORS_COUNT", 2, xid="79", window_size_in_ms="300000")
    text += line("DCGM_EXP_XID_ERRORS_COUNT", 0, xid="31", window_size_in_ms="300000")

    assert read_gpus(text)[A].xids == frozenset({79})


def test_a_mig_instance_is_not_its_gpu() -> None:
    """It bears the UUID of its GPU."""
    assert read_gpus(line("DCGM_FI_DEV_FB_FREE", 4000, GPU_I_ID="7", GPU_I_PROFILE="1g.5gb")) == {}


@pytest.mark.parametrize("text", ["<html>bad gateway</html>", 'x{UUID="GPU-1', 'x{a="0", ="1"} 3'])
def test_what_is_no_exposition_is_no_answer(text: str) -> None:
    """It may be one later."""
    with pytest.raises(Unavailable, match="cannot be read"):
        read_gpus(text)


@given(st.text(max_size=200) | st.text('abUID="GPU-{},\\ 01.#\n', max_size=200))
def test_nothing_in_an_answer_crashes_a_function(text: str) -> None:
    """It is read, or it is Unavailable."""
    try:
        readings = read_gpus(text)
    except Unavailable:
        return
    assert all(uuid == reading.uuid for uuid, reading in readings.items())


class Pods(Kube):
    """A cluster that has these pods, and remembers what it was asked."""

    def __init__(self, *pods: object, text: str = "x 1\n") -> None:
        self.pods, self.text = pods, text
        self.asked: list[object] = []

    def get_all(self, path: str, query: object = ()) -> object:  # type: ignore[override]
        """See Kube."""
        self.asked.append(query)
        return iter(self.pods)

    def get_text(self, path: str, query: object = ()) -> str:
        """See Kube."""
        self.asked.append(path)
        return self.text


def pod(name: str, image: str = "nvcr.io/x:1", **labels: str) -> object:
    """One item of the pods API; an underscore stands for what a keyword cannot hold."""
    named = {key.replace("_", "."): value for key, value in labels.items()}
    meta = {"name": name, "namespace": "gpu-operator", "labels": named}
    return {"metadata": meta, "spec": {"containers": [{"image": image}]}}


@pytest.mark.parametrize(
    "exporter",
    [
        pod("e", app="nvidia-dcgm-exporter"),
        pod("e", app="gpuops-dcgm-exporter"),
        pod("e", "registry.example:5000/mirror/dcgm-exporter:4.5.3-4.8.2-ubi9"),
    ],
)
def test_the_nodes_own_exporter_is_asked_wherever_it_comes_from(exporter: object) -> None:
    """Through the apiserver, at the exporter's port."""
    kube = Pods(pod("web", "dcgm-exporter.example/web:1"), exporter)

    assert Metrics(kube).scrape("n1") == "x 1\n"
    assert kube.asked == [
        [("fieldSelector", "spec.nodeName=n1,status.phase=Running")],
        "/api/v1/namespaces/gpu-operator/pods/e:9400/proxy/metrics",
    ]


def test_no_exporter_is_no_text() -> None:
    """Neither is one that went away between the two questions."""
    assert Metrics(Pods(pod("web"))).scrape("n1") is None
    assert Metrics(Pods(pod("e", app="dcgm-exporter"), text="")).scrape("n1") is None
