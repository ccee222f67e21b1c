"""A Prometheus's answers: read into the samples that exporters' texts become, or refused with a reason.

Covered: the same samples by either way, labels of scrapers that renamed the exporter's, other clusters, stale and
undated readings, two scrapers, two places of one GPU, partial answers, errors by status, redirections, sizes,
signatures, which PromQL is sent, which places a policy may name.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuops.adapters.prometheus import MAX_BYTES, Prometheus
from gpuops.domain.dcgm.lines import Line, plain_lines
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.queries import FAULTS, MEASURES
from gpuops.domain.dcgm.vectors import READ_AT, read_vector, readings_of
from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.domain.policy import parse_policy
from gpuops.domain.policy.prometheus import Prometheus as Place
from tests.fakes.prometheus import Server, served, vector

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
A, B = "GPU-0a1b2c3d-0000-1111-2222-333344445555", "GPU-9f8e7d6c-0000-1111-2222-333344445555"
WORKSPACE = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-0a1b2c3d-0000-1111-2222-333344445555"
TENANT = 'vgpu="1",container="c",namespace="default",pod="web",pod_uid="u"'
PAGE = f"""\
DCGM_FI_PROF_GR_ENGINE_ACTIVE{{gpu="0",UUID="{A}",modelName="NVIDIA L4",Hostname="n1"}} 0.25
DCGM_FI_DEV_FB_USED{{gpu="0",UUID="{A}",modelName="NVIDIA L4",Hostname="n1"}} 3000
DCGM_FI_DEV_FB_USED{{gpu="0",UUID="{A}",modelName="NVIDIA L4",Hostname="n1",{TENANT}}} 2000
DCGM_FI_DEV_FB_FREE{{gpu="0",UUID="{A}",modelName="NVIDIA L4",Hostname="n1"}} 20000
DCGM_EXP_XID_ERRORS_COUNT{{gpu="0",UUID="{A}",modelName="NVIDIA L4",Hostname="n1",xid="79"}} 1
DCGM_EXP_CLOCK_EVENTS_COUNT{{gpu="0",UUID="{A}",modelName="NVIDIA L4",Hostname="n1",clock_event="hw_slowdown"}} 2
"""


def lines(page: str = PAGE, at: datetime | None = NOW, /, **more: str) -> list[Line]:
    """What a Prometheus says that scraped the page at that time, and put labels of its own on it."""
    found = [line._replace(labels={**line.labels, **more}) for line in plain_lines(page) or ()]
    times = {line.labels["UUID"]: line for line in found if "vgpu" not in line.labels}
    dated = [line._replace(name=READ_AT, value=at.timestamp()) for line in times.values()] if at else []
    return [*found, *dated]


def test_the_same_is_known_by_either_way() -> None:
    """Device, shares, memory, Xids, clock events."""
    readings = readings_of(lines(job="gpus", instance="10.0.0.1:9400"), ["n1"], NOW)
    assert readings["n1"].gpus == read_samples(PAGE, "n1", NOW)


def test_a_scraper_that_renames_the_exporters_labels_is_understood() -> None:
    """Its own `pod` is the exporter's; another job of the same Prometheus renames nothing."""
    renamed = PAGE.replace("container=", "exported_container=").replace("namespace=", "exported_namespace=")
    renamed = renamed.replace(",pod=", ",exported_pod=").replace("Hostname", "hostname")
    theirs = lines(renamed, job="a", pod="dcgm-exporter-x", namespace="monitoring", container="exporter")
    other = lines(PAGE.replace(A, B).replace('"n1"', '"n2"'), job="b")
    readings = readings_of([*theirs, *other], ["n1", "n2"], NOW)

    (share,) = readings["n1"].gpus[A].pods
    assert (share.title, share.replica, share.memory_used_mib) == ("default/web", 1, 2000)
    assert [pod.title for pod in readings["n2"].gpus[B].pods] == ["default/web"]


@pytest.mark.parametrize("label", ["node", "kubernetes_node"])
def test_a_node_is_known_by_its_scrapers_word_too(label: str) -> None:
    """An exporter without NODE_NAME gives its own pod's name as Hostname."""
    found = lines(PAGE.replace('Hostname="n1"', 'Hostname="exporter-x"'), **{label: "n1"})
    assert set(readings_of(found, ["n1"], NOW)["n1"].gpus) == {A}


def test_nodes_of_other_clusters_are_left_out() -> None:
    """And ours without series are silent."""
    readings = readings_of(lines(), ["n7"], NOW)
    assert readings["n7"].silent == "Prometheus has no series of its GPUs"
    assert list(readings) == ["n7"]


def test_an_old_reading_is_none() -> None:
    """The value of an instant query looks new for five minutes; one whose time nobody tells is no better."""
    late, undated = NOW - timedelta(seconds=91), lines(PAGE, None)
    assert "was last read at 2026-11-23T08:58:29" in readings_of(lines(PAGE, late), ["n1"], NOW)["n1"].silent
    assert "nothing says when" in readings_of(undated, ["n1"], NOW)["n1"].silent
    assert readings_of(lines(PAGE, NOW - timedelta(seconds=60)), ["n1"], NOW)["n1"].silent == ""


def test_two_scrapers_of_one_exporter_are_a_problem() -> None:
    """Even where they agree: what pods use would be added up over both."""
    both = [*lines(job="a", instance="x"), *lines(job="b", instance="x")]
    (problem,) = readings_of(both, ["n1"], NOW)["n1"].gpus[A].problems
    assert problem == "it is told twice, by a/x, b/x: choose one by `prometheus.labels`"


def test_a_gpu_in_two_places_is_in_none() -> None:
    """Neither node is judged by it."""
    both = [*lines(), *lines(PAGE.replace('"n1"', '"n2"'))]
    readings = readings_of(both, ["n1", "n2"], NOW)
    assert {reading.silent for reading in readings.values()} == {f"{A} is said to be on n1 and on n2"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (vector(warnings=["store x is down"]), "with a part only: store x is down"),
        (vector(isPartial=True), "with a part only"),
        (b'{"status": "error", "errorType": "execution", "error": "too many samples"}', "too many samples"),
        (b'{"status": "success", "data": {"resultType": "matrix", "result": []}}', "cannot be read"),
        (vector(({"UUID": A}, "many")), "has the value 'many'"),
        (b"<html>", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
    ],
)
def test_half_an_answer_is_none(body: bytes, words: str) -> None:
    """A pool is not changed by half of a picture."""
    with pytest.raises(Unavailable, match=words):
        read_vector("X", body)


def test_only_our_own_promql_is_sent() -> None:
    """One metric at a time, all at the moment of the look, with the policy's labels."""
    server = Server()
    with served(server) as url:
        Prometheus(f"{url}/prom/", {"cluster": "demo", "job": "gpus"}).read_all(["n1"], NOW)
        Prometheus(url).read_faults(["n1"], NOW)

    measures, faults = server.asked[: len(MEASURES)], server.asked[len(MEASURES) :]
    assert measures[0]["query"] == 'timestamp(DCGM_FI_DEV_GPU_TEMP{cluster="demo",job="gpus"})'
    assert [ask["query"] for ask in faults] == [
        "timestamp(DCGM_FI_DEV_GPU_TEMP{})",
        "DCGM_FI_DEV_XID_ERRORS{} > 0",
        "DCGM_EXP_XID_ERRORS_COUNT{} > 0",
        "DCGM_EXP_CLOCK_EVENTS_COUNT{} > 0",
    ]
    assert {ask["time"] for ask in server.asked} == {f"{NOW.timestamp():.3f}"}
    assert {ask["path"] for ask in measures} == {"/prom/api/v1/query"}
    assert {ask["path"] for ask in faults} == {"/api/v1/query"}
    assert not any("Authorization" in headers for headers in server.headers)


def test_a_workspaces_questions_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """For its region and service; the SDK's own variable says where AWS is."""
    server = Server()
    with served(server) as url:
        for name, value in {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "AKIAEXAMPLE", "SECRET_ACCESS_KEY": "x"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        Prometheus.of(Place(url=WORKSPACE, region="us-east-1")).read_faults(["n1"], NOW)

    assert server.asked[0]["path"] == f"{WORKSPACE.partition('.com')[2]}/api/v1/query"
    assert "/us-east-1/aps/aws4_request" in server.headers[0]["Authorization"]
    assert len(server.headers) == len(FAULTS)


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, Refused), (401, Refused), (429, Unavailable), (503, Unavailable), (404, Invalid), (302, Invalid)],
)
def test_what_is_no_answer_is_one_of_our_errors(status: int, error: type[Exception]) -> None:
    """Nobody is followed elsewhere."""
    server = Server()
    server.status, server.body = status, b"no"
    with served(server) as url, pytest.raises(error, match=f"HTTP {status}"):
        Prometheus(url).read_all(["n1"], NOW)


def test_an_answer_without_end_is_refused() -> None:
    """Before it costs a function's memory."""
    server = Server()
    server.body, server.times = b" " * (1 << 20), (MAX_BYTES >> 20) + 2
    with served(server) as url, pytest.raises(Invalid, match="more than"):
        Prometheus(url).read_all(["n1"], NOW)


def test_nobody_there_is_unavailable() -> None:
    """Its port is closed."""
    with pytest.raises(Unavailable, match="does not answer"):
        Prometheus("http://127.0.0.1:1").read_all(["n1"], NOW)


GOOD: list[dict[str, Any]] = [
    {"url": "http://prometheus.internal:9090"},
    {"url": "https://10.0.0.5/prometheus/"},
    {"url": WORKSPACE, "region": "us-east-1", "labels": {"cluster": "demo"}},
]
BAD: list[dict[str, Any]] = [
    {"url": WORKSPACE, "region": "eu-west-1"},
    {"url": "https://workspaces.example/workspaces/ws-1", "region": "us-east-1"},
    {"url": f"{WORKSPACE}@example.com", "region": "us-east-1"},
    {"url": "http://user:secret@prometheus.internal"},
    {"url": "http://prometheus.internal/?a=b"},
    {"url": "http://169.254.169.254/"},
    {"url": "http://127.0.0.1:9001"},
    {"url": "http://[::1]:9090"},
    {"url": "http://localhost:9090"},
    {"url": "file:///etc/passwd"},
    {"url": "http://a", "labels": {"cluster": '"} or up{a="'}},
    {"url": "http://a", "labels": {"a-b": "c"}},
    {"url": "http://a", "query": "up"},
]


@pytest.mark.parametrize("given", GOOD)
def test_a_policy_names_a_place(given: dict[str, Any]) -> None:
    """One of AWS's for a region, any other without."""
    assert Place.model_validate(given).url == given["url"]


@pytest.mark.parametrize("given", BAD)
def test_a_policy_names_no_other_place(given: dict[str, Any]) -> None:
    """Signatures go to AWS, nothing to the function itself, and no PromQL stands in a label."""
    with pytest.raises(Invalid, match="prometheus"):
        parse_policy(f"clusters: [{{cluster: a, prometheus: {given}}}]\ngroups: [{{cluster: a, group: b}}]", "v")
