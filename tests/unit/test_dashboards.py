"""Dashboards show what somebody measures: every metric named in them exists where it is said to come from."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpuops import entry
from gpuops.domain import errors
from gpuops.domain.faults.breaker import LAUNCH_SUSPENDED
from gpuops.domain.faults.sightings import EXPORTERS_SILENT, XIDS_SEEN
from gpuops.domain.rotation.capacity import CAPACITY_HELD
from tests.fakes.stack import template

ROOT = Path(__file__).parents[2]
QUEUED = ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage")
"""Of SQS: events that nobody took."""
GRAFANA = json.loads((ROOT / "dashboards/grafana.json").read_text())
COUNTERS = ROOT / "layers/gpuops/gpuops/manifests/dcgm_exporter.yaml"
ASKED_FOR = {
    "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_FB_RESERVED", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_MEM_COPY_UTIL",
    "DCGM_FI_DEV_POWER_VIOLATION", "DCGM_FI_DEV_THERMAL_VIOLATION", "DCGM_EXP_XID_ERRORS_COUNT",
    "DCGM_EXP_CLOCK_EVENTS_COUNT",
}  # fmt: skip
NODE_METRICS = {"utilization", "memory_utilization", "memory_total", "memory_used", "power_draw", "temperature",
                "tensor_core_utilization"}  # fmt: skip
"""Of Container Insights, under `node_gpu_` (amazon-cloudwatch-agent, awsemf/kubernetes.go)."""


def expressions() -> Iterator[str]:
    """Every query of the Grafana dashboard, the variables' included."""
    for panel in GRAFANA["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (v["query"]["query"] for v in GRAFANA["templating"]["list"] if v["type"] == "query")


def body() -> Any:
    """The CloudWatch dashboard as CloudWatch gets it."""
    whole = template()
    text = whole["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(re.sub(r"\$\{[\w:.]+\}", "x", text))


def searches() -> Iterator[tuple[str, str]]:
    """Schema and metric of each search on it."""
    for widget in body()["widgets"]:
        for (metric,) in widget["properties"].get("metrics", ()):
            found = re.fullmatch(r"SEARCH\('\{([\w,]+)\} MetricName=\"(\w+)\".*', '\w+', \d+\)", metric["expression"])
            assert found, metric
            yield found[1], found[2]


def error_names() -> set[str]:
    """The five that entry.py counts by name."""
    return {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}


def test_grafana_asks_only_for_counters_that_our_exporter_reads() -> None:
    """And for all of those that everyone asks for."""
    lines = COUNTERS.read_text().splitlines()
    counters = {line.split(",")[0].strip() for line in lines if line.strip().startswith("DCGM_") and "," in line}
    named = {name for query in expressions() for name in re.findall(r"DCGM_\w+", query)}
    assert named <= counters
    assert named >= ASKED_FOR


def test_grafana_takes_either_spelling_of_the_node_and_its_queries_are_whole() -> None:
    """Exporters before and after the change write Hostname or hostname."""
    for query in expressions():
        assert "Hostname" in query
        assert "hostname" in query
        assert all(query.count(a) == query.count(b) for a, b in ("()", "{}", "[]"))


def test_grafana_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    """A dashboard that Grafana would have to mend is none."""
    panels = GRAFANA["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & own
        assert at["x"] + at["w"] <= 24
        cells |= own


def test_cloudwatch_searches_only_for_what_is_written() -> None:
    """Our own metrics as entry.py names them, with its dimensions; Container Insights' by its list."""
    source = Path(entry.__file__).read_text()
    ours = {"Decided"} | error_names()
    assert '"Decided"' in source
    assert 'add_dimension(name="function"' in source
    found = list(searches())
    assert {metric for schema, metric in found if schema == "gpuops,function,service"} == ours
    rest = [(schema, metric) for schema, metric in found if schema != "gpuops,function,service"]
    assert {schema for schema, _ in rest} == {"ContainerInsights,ClusterName,InstanceId,NodeName"}
    assert {metric.removeprefix("node_gpu_") for _, metric in rest} <= NODE_METRICS


def test_cloudwatch_shows_every_alarm_of_the_template() -> None:
    """One that is not shown is found out too late."""
    whole = template()
    alarms = [name for name, made in whole["Resources"].items() if _always_there(made)]
    text = whole["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert alarms
    assert [name for name in alarms if f"${{{name}.Arn}}" not in text] == []
    watched = {whole["Resources"][name]["Properties"]["MetricName"] for name in alarms}
    assert watched <= {LAUNCH_SUSPENDED, CAPACITY_HELD, XIDS_SEEN, EXPORTERS_SILENT, "Decided", *QUEUED} | error_names()


def _always_there(made: dict[str, Any]) -> bool:
    """An alarm under a condition is not in every stack, so the dashboard cannot name it."""
    return made["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in made
