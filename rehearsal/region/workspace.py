"""A workspace of Amazon Managed Service for Prometheus that scrapes the cluster's dcgm-exporters; moto has none of it.

Every exporter that answers is scraped at the moment of a question, with its labels honoured and its target's beside
them, as a collector does. Answers instant queries of three forms: a metric, a metric above 0, the time of a metric.
Leaves out: all other PromQL, the past, scrape intervals and the five minutes for which a value lasts, remote write.
tests/contract/test_prometheus.py asks a real server the same questions.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

METRIC = r"(?P<metric>[A-Z_a-z0-9]+)\{(?P<wanted>[^{}]*)\}"
QUERY = re.compile(rf"(?P<time>timestamp\()?{METRIC}(?(time)\))(?P<above> > 0)?")
LINE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
PATH = re.compile(r"/workspaces/ws-[0-9a-f-]{36}/api/v1/query")
Answer = tuple[int, Mapping[str, Any]]
Pages = Callable[[], Iterable[tuple[str, str]]]
"""Name of each exporter's pod, and what it answers."""


class Workspace:
    """Speaks Prometheus's HTTP API."""

    def __init__(self, pages: Pages, cluster: str) -> None:
        self._pages, self._cluster = pages, cluster

    def answer(self, method: str, path: str, _query: Mapping[str, str], body: bytes) -> Answer:
        """One call."""
        form = dict(parse_qsl(body.decode()))
        asked = QUERY.fullmatch(form.get("query", ""))
        if method != "POST" or not PATH.fullmatch(path) or asked is None:
            error = f"{method} {path} {form.get('query')!r} is not part of the rehearsal"
            return 400, {"status": "error", "errorType": "bad_data", "error": error}
        at = float(form["time"])
        result = [{"metric": labels, "value": [at, value]} for labels, value in self._found(asked, form["time"])]
        return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}

    def _found(self, asked: re.Match[str], at: str) -> Iterator[tuple[dict[str, str], str]]:
        wanted = dict(LABEL.findall(asked["wanted"]))
        for labels, value in self._series(asked["metric"]):
            if wanted.items() <= labels.items() and (not asked["above"] or float(value) > 0):
                yield (labels, value) if not asked["time"] else (_nameless(labels), at)

    def _series(self, metric: str) -> Iterator[tuple[dict[str, str], str]]:
        for pod, page in self._pages():
            target = {"__name__": metric, "job": "dcgm-exporter", "instance": pod, "cluster": self._cluster}
            for line in LINE.finditer(page):
                if line["name"] == metric:
                    yield {**target, **dict(LABEL.findall(line["labels"]))}, line["value"]


def _nameless(labels: Mapping[str, str]) -> dict[str, str]:
    """A function's result is no metric any more."""
    return {key: value for key, value in labels.items() if key != "__name__"}
