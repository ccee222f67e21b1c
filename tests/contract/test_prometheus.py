"""The adapter against a real Prometheus server that scrapes a page of ours each second.

Covered: the samples are those of the exporter's own text, honoured labels and renamed ones, a policy's labels choose
among clusters, two jobs that scrape one exporter, an exporter that stops, Xids and clock events by their own queries, a
query at a time without data.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpuops.adapters.prometheus import Prometheus
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.readings import Readings
from tests.contract.prometheus_server import PATIENCE_SECONDS, STEP_SECONDS, Exporter, exporting, prometheus

A, B = "GPU-0a1b2c3d-0000-1111-2222-333344445555", "GPU-9f8e7d6c-0000-1111-2222-333344445555"


def now() -> datetime:
    """A real server keeps real time."""
    return datetime.now(UTC)  # noqa: TID251 - see above


def page(node: str, uuid: str) -> str:
    """One GPU, of which a pod holds a share; it has an Xid and was throttled."""
    device = f'gpu="0",UUID="{uuid}",device="nvidia0",modelName="NVIDIA L4",Hostname="{node}"'
    share = f'{device},pod_uid="u",vgpu="1",container="c",namespace="shop",pod="web"'
    values = {
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.25,
        "DCGM_FI_DEV_GPU_UTIL": 40,
        "DCGM_FI_DEV_FB_USED": 3000,
        "DCGM_FI_DEV_FB_FREE": 20000,
        "DCGM_FI_DEV_GPU_TEMP": 55,
        "DCGM_FI_DEV_XID_ERRORS": 79,
        "DCGM_FI_DEV_THERMAL_VIOLATION": 12,
    }
    lines = [f"{name}{{{labels}}} {value}" for name, value in values.items() for labels in (device, share)]
    lines += [f'DCGM_EXP_XID_ERRORS_COUNT{{{device},xid="79"}} 1']
    lines += [f'DCGM_EXP_CLOCK_EVENTS_COUNT{{{device},clock_event="hw_thermal_slowdown"}} 2']
    return "\n".join([*lines, ""])


class Places:
    """Two exporters, the second of another cluster, and a Prometheus that scrapes them."""

    def __init__(self, url: str, first: Exporter) -> None:
        self.url, self.first = url, first

    def read(self, labels: Mapping[str, str], until: Callable[[dict[str, Readings]], bool]) -> dict[str, Readings]:
        """What is known of both nodes, once it is as it should be."""
        for _ in range(int(PATIENCE_SECONDS / STEP_SECONDS)):
            found = Prometheus(self.url, labels).read_all(["n1", "n2"], now())
            if until(found):
                return found
            time.sleep(STEP_SECONDS)
        raise AssertionError(f"it never was as it should be: {found}")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """One server for all."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    first, second = Exporter(page("n1", A)), Exporter(page("n2", B))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with exporting(first) as one, exporting(second) as two:
        pod = "pod: dcgm-exporter-x, namespace: monitoring, container: exporter"
        jobs = {
            "honoured": (one, True, "cluster: demo"),
            "renamed": (one, False, f"cluster: renamed, {pod}"),
            "other": (two, True, "cluster: other"),
        }
        with prometheus(folder, jobs, port) as url:
            yield Places(url, first)


@pytest.mark.parametrize("cluster", ["demo", "renamed"])
def test_a_scraped_page_is_read_like_the_page(places: Places, cluster: str) -> None:
    """With the exporter's labels honoured, and with its target's own before them."""
    readings = places.read({"cluster": cluster}, lambda found: bool(found["n1"].gpus))
    sample = readings["n1"].gpus[A]
    (expected,) = read_samples(page("n1", A), "n1", sample.time).values()

    assert sample == expected
    assert readings["n2"].silent == "Prometheus has no series of its GPUs"


def test_two_jobs_of_one_exporter_contradict(places: Places) -> None:
    """Without labels both are heard; the other cluster's node is known as well."""

    def is_told(found: dict[str, Readings]) -> bool:
        return bool(found["n2"].gpus) and any(sample.problems for sample in found["n1"].gpus.values())

    readings = places.read({}, is_told)

    assert any("told twice, by honoured/" in problem for problem in readings["n1"].gpus[A].problems)
    assert readings["n2"].gpus[B].problems == ()


def test_faults_are_asked_for_by_themselves(places: Places) -> None:
    """Xids and clock events that are there at all; nothing else is fetched."""
    places.read({"cluster": "demo"}, lambda found: bool(found["n1"].gpus))
    readings = Prometheus(places.url, {"cluster": "demo"}).read_faults(["n1"], now())
    sample = readings["n1"].gpus[A]

    assert (sample.xids, sample.clock_events) == ((79,), {"hw_thermal_slowdown": 2})
    assert sample.memory_used_mib is None


def test_nothing_is_known_of_a_time_before(places: Places) -> None:
    """An hour ago nobody was scraped."""
    then = now() - timedelta(hours=1)
    assert Prometheus(places.url).read_all(["n1"], then)["n1"].silent == "Prometheus has no series of its GPUs"


def test_an_exporter_that_stops_is_silent(places: Places) -> None:
    """As soon as a scrape of it fails; the last test, since it stays so."""
    places.read({"cluster": "demo"}, lambda found: bool(found["n1"].gpus))
    places.first.page = None
    readings = places.read({"cluster": "demo"}, lambda found: bool(found["n1"].silent))
    assert readings["n1"].silent == "Prometheus has no series of its GPUs"
