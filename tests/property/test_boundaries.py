"""Whatever comes in, nothing leaves a boundary but an answer or an error that it documents.

Covers: events and requests of every function, fleet.yaml, NodeConfigs and settings in user data, expositions, smoke
logs, registries' documents, objects of the apiserver, scenario files. Each begins with something good that is then
damaged, since what is nearly right gets furthest. `make test` tries some hundred of each, `make fuzz` many thousand.
"""

import base64
import copy
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpuops.domain.admission.event import read_event
from gpuops.domain.cluster import read_node, read_pod
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.vectors import READ_AT, read_vector, readings_of
from gpuops.domain.drivers.images import config_digest, environment_of, parse_document, parse_image, platform_manifest
from gpuops.domain.drivers.require import Offer, holds
from gpuops.domain.drivers.workloads import uses_of
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, Unhealthy
from gpuops.domain.plugin_config.check import check_plugin_config
from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.pipeline import ImageAvailable
from gpuops.domain.smoke.logs import ailments, computed, cuda_of, diagnosed, driver_of, gpus_of, telling
from gpuops.domain.userdata import parse_user_data, with_startup_taint
from gpuops.entry import _attempt, _parse, _run_of, _subject, _time_of
from gpuops.signals.read import parse_signal, read_signal
from rehearsal.scenario.file import ScenarioError, parse
from tests.fakes.smoke_logs import GOOD
from tests.machines.machine_world import models

ROOT = Path(__file__).parents[2]
OURS = (Conflict, Invalid, Refused, Unavailable, Unhealthy)
EVENTS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "events").glob("*.json")}
REQUESTS = {
    path.parent.name: models("".join(word.title() for word in path.parent.name.split("_")))[0]
    for path in (ROOT / "functions").glob("*/app.py")
}
ENVELOPES = [event for name in sorted(EVENTS) for event in (EVENTS[name], EVENTS[name].get("event", {}))]
FLEET = (ROOT / "fleet.yaml").read_text()
SCENARIO = (ROOT / "scenarios" / "canary.yaml").read_text()
NODE_CONFIG = """\
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {name: demo}
  kubelet:
    config: {registerWithTaints: [{key: a, value: b, effect: NoSchedule}]}
    flags: [--node-labels=a=b, "--register-with-taints=nvidia.com/gpu=true:NoSchedule"]
"""
SETTINGS = '[settings.kubernetes]\ncluster-name = "demo"\n[settings.kubernetes.node-taints]\n"a" = ["b:NoSchedule"]\n'
PARTS = f"--B\nContent-Type: application/node.eks.aws\n\n{NODE_CONFIG}\n" * 2
ARCHIVE = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n{PARTS}--B--\n'
EXPOSITION = """\
# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",pod="p",namespace="n",vgpu="1",modelName="T4"} 42 1790000000000
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1",GPU_I_ID="1"} 1024
DCGM_EXP_XID_ERRORS_COUNT{gpu="0",UUID="GPU-1",xid="79"} 1
DCGM_EXP_CLOCK_EVENTS_COUNT{gpu="0",UUID="GPU-1",clock_event="sw_power_cap"} 3
DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-1"} 79
"""
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
VECTOR = """{"status": "success", "data": {"resultType": "vector", "result": [
{"metric": {"gpu": "0", "UUID": "GPU-1", "Hostname": "n1", "job": "a"}, "value": [1795424400.0, "1795424400"]},
{"metric": {"gpu": "0", "UUID": "GPU-1", "node": "n2", "vgpu": "1", "exported_pod": "p"}, "value": [1, "NaN"]}]}}"""
DIGEST = "sha256:" + "0" * 64
NODE: Any = {
    "metadata": {"name": "n", "uid": "u", "labels": {"a": "b"}, "annotations": {"gpuops/admitted": "x"}},
    "spec": {"providerID": "aws:///us-east-1a/i-1", "taints": [{"key": "k", "effect": "NoSchedule"}]},
    "status": {
        "allocatable": {"nvidia.com/gpu": "4"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"bootID": "b"},
    },
}
POD: Any = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "ownerReferences": [{"kind": "Job", "name": "j"}]},
    "spec": {
        "containers": [{"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
        "nodeName": "n",
    },
    "status": {"phase": "Running"},
}
YAML = st.sampled_from(
    ["[", "]", "{", "}", "*", "&a ", "!!int ''", "!!bool x", "!!timestamp x", "!!float ''", "!!set {a}", "!!binary x",
     ": ", "- ", "\n", "\t", "\0", "\ufeff", "~", "<<: ", "? ", "| ", "99999999999999999999", "2026-99-99", "0x", "é"]
)  # fmt: skip
TOKENS = YAML | st.sampled_from(
    ['"', "'", "{", "}", "=", ",", "--B", "--B--", "\r\n", "NaN", "+Inf", "-1e999", "GPU-", "#"]
)
WORDS = 5000
"""Characters of the longest complaint; a scenario's names every line."""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("x" * 300)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=6), part, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, *goods: str) -> str:
    """A good text, a few places of which were cut out, doubled, or replaced by a piece of syntax."""
    text = draw(st.sampled_from(goods))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        new = draw(
            st.just("")
            | TOKENS
            | TOKENS.map(lambda token: token * 40)
            | st.just(text[start:end] * 2)
            | st.text(max_size=4)
        )
        text = text[:start] + new + text[end:]
    return text


@st.composite
def bent(draw: st.DrawFn, *goods: Any) -> Any:
    """A good document, some of whose values are something else, gone, or have company."""
    document = copy.deepcopy(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(1, 3))):
        way: list[Any] = []
        place = document
        while isinstance(place, dict | list) and place and draw(st.integers(0, 4)):
            key = draw(st.sampled_from(sorted(place, key=str) if isinstance(place, dict) else range(len(place))))
            way, place = [*way, key], place[key]
        document = _with(document, way, draw(VALUES), gone=draw(st.booleans()))
    return document


def _with(document: Any, way: list[Any], value: Any, *, gone: bool) -> Any:
    """The document with another value at the end of the way, or with none."""
    if not way:
        return value
    place = document
    for key in way[:-1]:
        place = place[key]
    if gone:
        del place[way[-1]]
    else:
        place[way[-1]] = value
    return document


def allowed(act: Callable[[], object], *errors: type[Exception]) -> None:
    """Act; nothing may come of it but an answer or one of these errors (or our five), in words that fit a line."""
    said, documented = "answered", errors or OURS
    try:
        act()
    except documented as error:
        said = str(error)
    assert 0 < len(said) < WORDS


@given(st.sampled_from(sorted(REQUESTS)).flatmap(lambda name: st.tuples(st.just(name), bent(EVENTS[name]) | VALUES)))
def test_a_request_is_read_or_refused(asked: tuple[str, Any]) -> None:
    """Before anything is done: what does not parse reaches no handler. The doors of `entry` read any event as well."""
    function, event = asked

    for look in (_run_of, _subject, _attempt):
        look(event)
    allowed(lambda: _time_of(event))
    allowed(lambda: _parse(REQUESTS[function], event))


@given(bent(*ENVELOPES) | VALUES)
def test_an_event_is_one_that_we_know_or_says_why_not(event: Any) -> None:
    """Launches, signals, images of a pipeline; as text too, as it lies in a queue."""
    allowed(lambda: read_event(event))
    allowed(lambda: read_signal(event))
    allowed(lambda: ImageAvailable.model_validate(event), ValidationError)


@given(st.text() | damaged(*(json.dumps(event) for event in ENVELOPES)))
def test_a_message_is_a_signal_or_goes_to_quarantine(text: str) -> None:
    """No JSON, half of one, or one that is too deep."""
    allowed(lambda: parse_signal(text))


@given(damaged(FLEET) | st.text())
def test_a_policy_is_read_or_its_lines_are_named(text: str) -> None:
    """Any text that somebody uploads."""
    allowed(lambda: parse_policy(text, "v"), Invalid)


@given(damaged(NODE_CONFIG, SETTINGS, ARCHIVE).map(str.encode) | st.binary(), st.integers(0, 3), st.integers(0, 40))
def test_user_data_is_understood_or_left_alone(text: bytes, wraps: int, cut: int) -> None:
    """Gzip, base64, both, cut off; an edit that is made reads back with its taint, whatever the rest says."""
    data = gzip.compress(text) if wraps & 1 else text
    data = base64.b64encode(data) if wraps & 2 else data
    b64 = base64.b64encode(data[: len(data) - cut] if cut % 4 == 0 else data).decode()

    allowed(lambda: parse_user_data(b64), Invalid)
    allowed(lambda: with_startup_taint(b64), Invalid)
    allowed(lambda: parse_user_data(text.decode(errors="replace")), Invalid)


@given(damaged(EXPOSITION) | st.text())
def test_an_exposition_is_read_or_is_none(text: str) -> None:
    """Half an answer, a proxy's words, values that are no numbers."""
    allowed(lambda: read_samples(text), Unavailable)


@given(damaged(VECTOR) | st.text())
def test_a_prometheus_answers_or_does_not(text: str) -> None:
    """The same, in JSON; whatever it says, each node that was asked for is known or silent."""

    def read() -> None:
        lines = [line for name in ("DCGM_FI_DEV_FB_USED", READ_AT) for line in read_vector(name, text.encode())]
        assert set(readings_of(lines, ["n1", "n2"], NOW)) == {"n1", "n2"}

    allowed(read, Unavailable)


@given(damaged(*GOOD.values()) | st.text())
def test_any_log_can_be_read(log: str) -> None:
    """A container prints what it likes; reading never fails, and what is kept is short."""
    kept = [driver_of(log) or "", cuda_of(log) or "", *(product for product, _ in gpus_of(log)), *telling("c", log)]
    kept += [fault.fault for fault in ailments(log)] + [line for lines in diagnosed(log).values() for line in lines]

    assert isinstance(computed(log), bool)
    assert all(len(line) < 1000 and line.isprintable() for line in kept)


@given(damaged("version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n"))
def test_a_plugins_configuration_has_a_verdict(text: str) -> None:
    """Nearly good ones too."""
    allowed(lambda: check_plugin_config(text), Invalid)


@given(
    bent({"mediaType": "x", "manifests": [{"platform": {"os": "linux", "architecture": "amd64"}, "digest": DIGEST}]})
    | bent({"config": {"digest": DIGEST, "Env": ["A=b"]}}),
    damaged("nvcr.io/nvidia/cuda:12@" + DIGEST, "cuda>=12.8 brand=tesla,driver>=535"),
)
def test_what_a_registry_says_is_read_or_refused(document: Any, text: str) -> None:
    """Anybody's image, in anybody's registry."""
    body = json.dumps(document).encode()

    def read() -> None:
        found = parse_document(body)
        allowed(lambda: platform_manifest(found, "x86_64"))
        allowed(lambda: config_digest(found))
        allowed(lambda: environment_of(found))

    allowed(read)
    allowed(lambda: parse_document(text.encode()))
    allowed(lambda: parse_image(text))
    allowed(lambda: holds(text, Offer("12.8", "535.1", "8.0", frozenset({"tesla"}))))


QUANTITIES = st.from_regex(r"[0-9]{1,9}([kMGTPE]|[KMGTPE]i|[eE][0-9]|000m)?", fullmatch=True)
"""As the apiserver keeps whole numbers: a thousand is `1k`."""
ANNOTATED = st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4)


@given(ANNOTATED, ANNOTATED, st.text(max_size=30), QUANTITIES)
def test_what_people_write_on_nodes_and_pods_stays_text(
    labels: dict[str, str], notes: dict[str, str], name: str, quantity: str
) -> None:
    """The apiserver keeps the shape of its objects; names, labels, annotations and quantities are anybody's."""
    marks = {"gpuops/checkpoint-requested": name, "gpuops/class": name, **notes}
    pod, node = copy.deepcopy(POD), copy.deepcopy(NODE)
    pod["metadata"] |= {"name": name, "labels": labels, "annotations": marks}
    pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = quantity
    node["metadata"] |= {"labels": labels, "annotations": notes}
    node["status"]["allocatable"]["nvidia.com/gpu"] = quantity

    read_pod(pod)
    list(uses_of(pod))
    allowed(lambda: read_node(node), Invalid)


@given(damaged(SCENARIO) | st.text())
def test_a_scenario_is_read_or_its_line_is_named(text: str) -> None:
    """It is somebody's file."""
    allowed(lambda: parse(Path("scenario.yaml"), text), ScenarioError)
