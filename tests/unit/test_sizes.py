"""Too much of anything ends in one clear error, before it costs the memory of a function.

Covers: answers of a cluster and of what it proxies, expositions, policies and scenarios that are deep or long, user
data that unpacks without end, logs; and the largest that must still work: 10,000 pods, a group of 450.
"""

import base64
import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gpuops.adapters.kube import MAX_BYTES, Kube
from gpuops.adapters.metrics import Metrics
from gpuops.adapters.pods import Pods
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.series import MAX_CHARACTERS
from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.plugin_config.check import check_plugin_config
from gpuops.domain.policy import parse_policy
from gpuops.domain.quantity import whole
from gpuops.domain.rotation.gates import STATE_BYTES
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.plan import decide_rotation
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.smoke.logs import ailments, diagnosed, gpus_of
from gpuops.domain.userdata import parse_user_data
from gpuops.signals.read import parse_signal
from rehearsal.control_plane import certificates
from rehearsal.scenario.file import ScenarioError, parse
from tests.fakes.rotation import OLD, POLICY, TARGET, group, instance
from tests.fakes.serving import serving

SERIES = 'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1"} 1\n'
FUNCTION_BYTES = 256 << 20
PODS, PAGE = 10_000, 500
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)

DEEP = ["[" * 200, "[" * 20_000, "{a: " * 5_000, "- " * 5_000, "".join(f"{' ' * depth}a:\n" for depth in range(600))]


class Cluster(BaseHTTPRequestHandler):
    """Pods without end, or an answer without end."""

    def do_GET(self) -> None:
        """Answer by path."""
        if "/pods" in self.path and "endless" not in self.path:
            self._answer(json.dumps(page(self.path)).encode(), 1)
        else:
            self._answer(SERIES.encode() * 25_000, 50)

    def _answer(self, part: bytes, times: int) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(times):
                self.wfile.write(part)
        except (BrokenPipeError, ConnectionResetError):
            return  # the caller had enough

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def page(path: str) -> dict[str, object]:
    """One page of pods, and where the next begins."""
    start = int(path.partition("continue=")[2] or 0)
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "b" * 99}]}]}
    items = [{"metadata": {"name": f"p{n}", "namespace": "a"}, "spec": spec} for n in range(start, start + PAGE)]
    after = str(start + PAGE) if start + PAGE < PODS else ""
    return {"items": items, "metadata": {"continue": after}}


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A connection to it."""
    folder = tmp_path_factory.mktemp("ca")
    certificates.authority("nobody").write(folder, "ca")
    with serving(Cluster) as url:
        yield Kube(url, (folder / "ca.crt").read_text(), "t")


def peak(act: Callable[[], object]) -> int:
    """Bytes that were held at one time."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_answer_of_fifty_megabytes_is_refused_before_it_is_read(kube: Kube) -> None:
    """An exporter, or whoever has taken its port, may say as much as it likes."""

    def ask() -> None:
        with pytest.raises(Invalid, match=f"longer than {MAX_BYTES} bytes"):
            kube.get_text("/endless")

    assert peak(ask) < FUNCTION_BYTES / 2


def test_an_exporter_of_fifty_megabytes_is_refused_after_four(kube: Kube) -> None:
    """Eight are asked at once, and one that says too much keeps no other from being read."""
    one = {"metadata": {"namespace": "kube-system", "name": "endless"}, "spec": {"nodeName": "n"}}
    kube.get_all = lambda *_: iter([one])  # type: ignore[method-assign]

    def ask() -> None:
        readings = Metrics(kube).read_all(["n", "m"], NOW)
        assert f"longer than {MAX_CHARACTERS} bytes" in readings["n"].silent
        assert readings["m"].silent == "no exporter runs on the node"

    assert peak(ask) < 8 * MAX_CHARACTERS
    del kube.get_all


def test_a_long_exposition_is_not_parsed() -> None:
    """It would take minutes, and gigabytes."""
    with pytest.raises(Unavailable, match="characters; no node has more"):
        read_samples(SERIES * 100_000)


def test_ten_thousand_pods_are_read_page_by_page(kube: Kube) -> None:
    """No page is longer than the bound, and none is left out."""
    assert len({pod.name for pod in Pods(kube).pods_on("n")}) == PODS


def test_a_group_of_450_with_ten_thousand_pods_is_planned_whole() -> None:
    """As many nodes as EKS lets a managed group have: each once, within what a state carries and a function holds."""
    old = [instance(number) for number in range(450)]
    loads = [
        NodeLoad(one.id, one.zone, pods=1 + PODS // 450, jobs=1, gang=f"default/{n // 8:040}")
        for n, one in enumerate(old)
    ]
    situation = Situation(
        group=group(old),
        policy=parse_policy(POLICY, "v1").groups[0],
        target=TARGET,
        template_amis=frozenset({OLD}),
        loads=loads,
        adds_startup_taint=True,
        seen=NOW,
    )

    def plan() -> None:
        decision = decide_rotation(situation, NOW)
        assert (decision.status, len({node.instance for node in decision.nodes})) == ("roll", 450)
        assert len(json.dumps(decision.model_dump(mode="json"))) < STATE_BYTES

    assert peak(plan) < FUNCTION_BYTES / 8


@pytest.mark.parametrize("text", DEEP, ids=range(5))
def test_what_is_deep_is_refused_in_words(text: str) -> None:
    """YAML's and JSON's parsers go down by recursion; Python's own limit is not the reader's business."""
    with pytest.raises(Invalid):
        parse_policy(text, "v")
    with pytest.raises(ScenarioError):
        parse(Path("s.yaml"), text)
    with pytest.raises(Invalid):
        parse_user_data(
            base64.b64encode(f"apiVersion: node.eks.aws/v1\nkind: NodeConfig\nspec: {text}".encode()).decode()
        )
    with pytest.raises(Invalid):
        parse_signal(text)
    check_plugin_config(text)


@pytest.mark.parametrize("tag", ["!!int ''", "!!bool x", "!!timestamp x", "!!float ''", "!!binary é"])
def test_a_tag_that_does_not_fit_is_a_fault_of_its_line(tag: str) -> None:
    """PyYAML's constructors raise whatever they stumble over."""
    with pytest.raises(Invalid, match="line 2"):
        parse_policy(f"groups:\n- group: {tag}\n", "v")
    with pytest.raises(ScenarioError):
        parse(Path("s.yaml"), f"name: {tag}\n")
    with pytest.raises(Invalid, match="no NodeConfig"):
        parse_user_data(base64.b64encode(f"kind: {tag}".encode()).decode())


def test_user_data_that_unpacks_without_end_is_refused() -> None:
    """A gzip stream of some kilobytes may hold gigabytes."""
    bomb = base64.b64encode(gzip.compress(b"\0" * (64 << 20))).decode()

    with pytest.raises(Invalid, match="unpacks to more than"):
        parse_user_data(bomb)


def test_a_log_of_any_length_is_read_at_its_beginning() -> None:
    """Patterns that walk back and forth would take for ever over megabytes."""
    log = ("| " + "a" * 200 + "\n") * 200_000

    assert (gpus_of(log), ailments(log), diagnosed(log)["Fail"]) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", 4),
        ("1k", 1000),
        ("2e0", 2),
        ("1Ki", 1024),
        ("1000m", 1),
        ("1500m", 1),
        ("0", 0),
        ("-1", -1),
        (".5G", 500_000_000),
    ],
)
def test_a_quantity_is_read_as_kubernetes_writes_it(text: str, number: int) -> None:
    """A pod that asks for a thousand GPUs asks for `1k`: no reader of pods may stumble over it."""
    assert whole(text) == number


@pytest.mark.parametrize("text", ["", "k", "1kk", "1 k", "0x1", "1e", "1" * 50, "٣"])
def test_what_is_no_quantity_is_invalid(text: str) -> None:
    """The apiserver keeps none."""
    with pytest.raises(Invalid, match="no quantity"):
        whole(text)
