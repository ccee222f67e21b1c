"""The exporter's text: values of a device beside its pods' copies, replicas and who holds them, blanks, MIG, Xids."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuops.adapters.kube import Kube
from gpuops.adapters.metrics import Metrics
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.sample import PodShare
from gpuops.domain.errors import Unavailable

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
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
    text += line("DCGM_FI_DEV_FB_RESERVED", 470)

    first, second = read_samples(text).values()

    assert (first.uuid, first.node, first.index, first.product) == (A, "n1", 0, "NVIDIA L4")
    assert (first.memory_used_mib, first.memory_free_mib, first.memory_total_mib) == (7000, 15000, 22470)
    assert (first.last_xid, first.xids) == (31, (31,))
    assert (second.memory_free_mib, second.memory_total_mib, second.last_xid) == (22000, None, None)


def test_the_device_counts_and_not_its_pods_processes() -> None:
    """Since dcgm-exporter 4.5.3-4.8.2 a pod's series may be its own processes': the device's stays beside them."""
    text = line("DCGM_FI_DEV_FB_FREE", 9000) + held(0, "web-1", value=4000) + held(2, "web-2", value=5000)

    reading = read_samples(text)[A]

    assert reading.memory_free_mib == 9000
    assert reading.holders == {0: "default/web-1", 2: "default/web-2"}


def test_without_a_device_of_its_own_the_copies_are_not_added_up() -> None:
    """Before that, every pod shows the whole device's value."""
    assert read_samples(held(0, "web-1", value=9000) + held(1, "web-2", value=9000))[A].memory_free_mib == 9000


@pytest.mark.parametrize("blank", ["9223372036854775794", "2147483632", "140737488355328", "NaN", "-1"])
def test_a_blank_is_no_value(blank: str) -> None:
    """DCGM's words for not supported, not found, not permitted."""
    reading = read_samples(line("DCGM_FI_DEV_FB_FREE", blank) + line("DCGM_FI_DEV_XID_ERRORS", blank))[A]

    assert (reading.memory_free_mib, reading.xids) == (None, ())


def test_counted_xids_outlive_the_last_one() -> None:
    """DCGM_FI_DEV_XID_ERRORS shows only the last one, and 0 is none."""
    text = line("DCGM_FI_DEV_XID_ERRORS", 0)
    text += line("DCGM_EXP_XID_ERRORS_COUNT", 2, xid="79", window_size_in_ms="300000")
    text += line("DCGM_EXP_XID_ERRORS_COUNT", 0, xid="31", window_size_in_ms="300000")

    assert read_samples(text)[A].xids == (79,)


def test_a_mig_instance_is_not_its_gpu() -> None:
    """It bears the UUID of its GPU; what it has is not the whole, but that it is there makes the GPU nobody's."""
    sample = read_samples(line("DCGM_FI_DEV_FB_FREE", 4000, GPU_I_ID="7", GPU_I_PROFILE="1g.5gb"))[A]

    assert (sample.memory_free_mib, sample.mig) == (None, ("1g.5gb/7",))


def test_the_profiling_counter_wins_over_utilisation() -> None:
    """A loaded T4 read 91 percent and 0.156 at the same moment: the first counts any kernel, however small."""
    both = line("DCGM_FI_DEV_GPU_UTIL", 91) + line("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.156205)

    exact, rough = read_samples(both)[A], read_samples(line("DCGM_FI_DEV_GPU_UTIL", 91))[A]

    assert (exact.busy_ratio, exact.busy_source) == (0.156205, "GR_ENGINE_ACTIVE")
    assert (rough.busy_ratio, rough.busy_source) == (0.91, "GPU_UTIL")


@pytest.mark.parametrize(("name", "value"), [("DCGM_FI_DEV_GPU_UTIL", 140), ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 60)])
def test_a_ratio_above_one_is_none(name: str, value: float) -> None:
    """A counter in another unit than its name says would fill or empty a pool."""
    sample = read_samples(line(name, value))[A]

    assert sample.busy_ratio is None
    assert "of" in sample.problems[0]


def test_what_contradicts_itself_is_said() -> None:
    """Two values of one device, and more memory in use than there is."""
    text = line("DCGM_FI_DEV_GPU_TEMP", 40) + line("DCGM_FI_DEV_GPU_TEMP", 80, container="c", namespace="a", pod="b")
    text += line("DCGM_FI_DEV_FB_USED", 9000) + line("DCGM_FI_DEV_FB_TOTAL", 8000)

    assert read_samples(text)[A].problems == ("DCGM_FI_DEV_GPU_TEMP has 2 values", "9000 MiB used of 8000")


def shares(uid: str = "") -> str:
    """Two pods on two shares of one GPU, as the exporter shows what their processes use, or fails to."""
    more = {"pod_uid": uid} if uid else {}
    values = {"DCGM_FI_DEV_GPU_UTIL": (30, 20), "DCGM_FI_DEV_FB_USED": (1000, 3000), "DCGM_FI_DEV_GPU_TEMP": (50, 50)}
    return "".join(
        line(name, value, vgpu=str(i), container="c", namespace="default", pod=f"web-{i}", **more)
        for name, both in values.items()
        for i, value in enumerate(both)
    )


def test_a_pods_own_use_is_known_by_its_uid() -> None:
    """dcgm-exporter maps processes to pods by their UID only; without it every pod shows nothing of its own."""
    device = line("DCGM_FI_DEV_GPU_UTIL", 50) + line("DCGM_FI_DEV_FB_USED", 4100)

    known, unknown = read_samples(device + shares("u-1"))[A], read_samples(device + shares())[A]

    assert [(pod.replica, pod.busy_ratio, pod.memory_used_mib) for pod in known.pods] == [
        (0, 0.3, 1000),
        (1, 0.2, 3000),
    ]
    assert [(pod.replica, pod.busy_ratio, pod.memory_used_mib) for pod in unknown.pods] == [
        (0, None, None),
        (1, None, None),
    ]
    assert (known.busy_ratio, known.memory_used_mib) == (unknown.busy_ratio, unknown.memory_used_mib) == (0.5, 4100)
    assert known.shared


def test_without_the_device_its_pods_own_values_are_added_up_and_copies_are_not() -> None:
    """Labelled or unlabelled, never both: temperature is a copy, memory in use is each process's."""
    sample = read_samples(shares("u-1"))[A]

    assert (sample.busy_ratio, sample.memory_used_mib, sample.temperature_celsius) == (0.5, 4000, 50.0)
    assert sample.problems == ()


def test_prometheus_own_labels_are_not_the_pods() -> None:
    """With honorLabels off, `pod` is the exporter's own and `exported_pod` whoever works; idle GPUs lack the latter."""
    text = line("DCGM_FI_DEV_FB_FREE", 1, pod="exp-1", namespace="gpu", exported_pod="web", exported_namespace="shop")
    text += line("DCGM_FI_DEV_FB_FREE", 2, B, pod="exp-1", namespace="gpu")

    busy, idle = read_samples(text).values()

    assert busy.pods == (PodShare(namespace="shop", pod="web"),)
    assert idle.pods == ()


def test_an_exporter_is_nobodys_tenant() -> None:
    """Where all GPUs are idle no `exported_pod` is left anywhere, and only the exporter's own name stands."""
    assert read_samples(line("DCGM_FI_DEV_FB_FREE", 1, pod="nvidia-dcgm-exporter-x", namespace="gpu"))[A].pods == ()


def test_host_names_in_either_spelling_and_the_scrapers_word_first() -> None:
    """`Hostname` became `hostname`; either may be the exporter's pod's."""
    text = 'DCGM_FI_DEV_FB_FREE{gpu="3",UUID="GPU-1",hostname="pod-7"} 5\n'

    assert read_samples(text)["GPU-1"].node == "pod-7"
    assert read_samples(text, node="ip-10-0-1-7")["GPU-1"].node == "ip-10-0-1-7"


def test_violations_and_clock_events_are_told_by_cause() -> None:
    """Growth of any of them freezes the growth of a pool."""
    text = line("DCGM_FI_DEV_THERMAL_VIOLATION", 120) + line("DCGM_FI_DEV_POWER_VIOLATION", 0)
    text += line("DCGM_EXP_CLOCK_EVENTS_COUNT", 3, clock_event="hw_thermal_slowdown", window_size_in_ms="300000")

    sample = read_samples(text)[A]

    assert sample.violations == {"thermal": 120.0, "power": 0.0}
    assert sample.clock_events == {"hw_thermal_slowdown": 3}


def test_a_time_in_the_text_is_the_samples_unless_the_scraper_knows_better() -> None:
    """Prometheus's federation writes one, in milliseconds."""
    text = line("DCGM_FI_DEV_FB_FREE", 5).strip() + " 1790000000000\n"
    scraped = datetime(2026, 11, 23, tzinfo=UTC)

    assert read_samples(text)[A].time == datetime.fromtimestamp(1_790_000_000, UTC)
    assert read_samples(text, scraped=scraped)[A].time == scraped
    assert read_samples(line("DCGM_FI_DEV_FB_FREE", 5).strip() + " 99999999999999999\n")[A].time is None


@pytest.mark.parametrize("label", ["vgpu", "xid"])
def test_a_number_of_absurd_length_is_no_number(label: str) -> None:
    """Labels are somebody else's text."""
    assert A in read_samples(line("DCGM_EXP_XID_ERRORS_COUNT", 1, pod="p", **{label: "9" * 5000}))


@pytest.mark.parametrize("text", ["<html>bad gateway</html>", 'x{UUID="GPU-1', 'x{a="0", ="1"} 3'])
def test_what_is_no_exposition_is_no_answer(text: str) -> None:
    """It may be one later."""
    with pytest.raises(Unavailable, match="cannot be read"):
        read_samples(text)


@given(st.text(max_size=200) | st.text('abUID="GPU-{},\\ 01.#\n', max_size=200))
def test_nothing_in_an_answer_crashes_a_function(text: str) -> None:
    """It is read, or it is Unavailable."""
    try:
        readings = read_samples(text)
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

    def get_text(self, path: str, query: object = (), most: int = 0) -> str:
        """See Kube."""
        self.asked.append(path)
        return self.text


def pod(name: str, image: str = "nvcr.io/x:1", *, where: str = "gpu-operator", **labels: str) -> dict[str, Any]:
    """One item of the pods API."""
    meta = {"name": name, "namespace": where, "labels": labels}
    return {"metadata": meta, "spec": {"nodeName": "n1", "containers": [{"image": image}]}}


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


STRANGER = pod("zz", where="default", app="dcgm-exporter")
LEAVING = pod("old", app="dcgm-exporter")
LEAVING["metadata"]["deletionTimestamp"] = "2026-11-23T09:00:00Z"


def test_whoever_may_make_pods_does_not_say_what_a_gpu_does() -> None:
    """A pod with an exporter's label in a namespace that nobody named is not asked; nor one that is being replaced."""
    for others in ((STRANGER,), (LEAVING,), (STRANGER, LEAVING)):
        kube = Pods(*others, pod("ours", app="dcgm-exporter"))
        assert Metrics(kube).read_all(["n1"], NOW)["n1"].silent == ""
        assert Metrics(Pods(*others)).scrape("n1") is None
        assert Metrics(Pods(*others)).read_all(["n1"], NOW)["n1"].silent == "no exporter runs on the node"


def test_the_policy_names_further_namespaces() -> None:
    """Then that exporter is as good as any."""
    assert Metrics(Pods(STRANGER), ["default"]).scrape("n1") == "x 1\n"


def test_two_exporters_on_one_node_are_both_not_believed() -> None:
    """They may contradict one another; other nodes are read all the same."""
    elsewhere = pod("third", app="dcgm-exporter")
    elsewhere["spec"]["nodeName"] = "n2"
    kube = Pods(pod("one", app="dcgm-exporter"), pod("two", where="kube-system", app="dcgm-exporter"), elsewhere)
    readings = Metrics(kube).read_all(["n1", "n2"], NOW)

    assert "2 exporters run on the node (gpu-operator/one, kube-system/two)" in readings["n1"].silent
    assert readings["n2"].silent == ""
    with pytest.raises(Unavailable, match="keep one"):
        Metrics(Pods(pod("one", app="dcgm-exporter"), pod("two", app="dcgm-exporter"))).scrape("n1")
