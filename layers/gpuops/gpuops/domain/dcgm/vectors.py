"""What a Prometheus answers to an instant query, and what its answers say about the GPUs of many nodes.

It adds labels of its own to an exporter's, evaluates whatever it last heard within five minutes, may have scraped one
exporter twice, and may have the series of other clusters: so the time of each reading is asked for, a node is believed
by name alone, and what was told twice, or of two places, is nobody's to decide by.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gpuops.domain.dcgm.lines import Line
from gpuops.domain.dcgm.parse import sample_of
from gpuops.domain.dcgm.readings import STALE, Readings
from gpuops.domain.dcgm.sample import moment
from gpuops.domain.dcgm.series import TENANT, Series, sort_series
from gpuops.domain.errors import Unavailable

READ_AT = "gpuops_read_at"
"""Name of the lines that say when, in seconds since 1970."""
PLACES = ("node", "kubernetes_node", "Hostname", "hostname")
"""Labels that may name the node: of the usual scrape configurations, and of the exporter itself."""
DEVICE = ("UUID", "gpu", "modelName", "DCGM_FI_DRIVER_VERSION", "GPU_I_ID", "GPU_I_PROFILE")
OF_GPU = (*DEVICE, "vgpu", "xid", "clock_event")
SCRAPER = ("job", "instance", "prometheus_replica", "__replica__")
KEPT = frozenset((*PLACES, *OF_GPU, *TENANT, *SCRAPER, *(f"exported_{name}" for name in TENANT)))
MAX_TOLD = 200


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Series(_Wire):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(_Wire):
    resultType: Literal["vector"]  # noqa: N815 - Prometheus's own name
    result: list[_Series]


class _Answer(_Wire):
    """Prometheus's HTTP API, "Format overview" and "Instant queries"; `isPartial` is VictoriaMetrics's."""

    status: Literal["success", "error"]
    data: _Data | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    isPartial: bool = False  # noqa: N815 - the same


def read_vector(name: str, body: bytes) -> list[Line]:
    """Return the answer to one query as lines of that name, without labels that mean nothing here.

    Raises: Unavailable for an error, for a part of the answer, and for what is no answer at all.
    """
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        raise Unavailable(f"Prometheus's answer for {name} cannot be read: {first['loc']}: {first['msg']}") from error
    if answer.warnings or answer.isPartial:
        why = "; ".join(answer.warnings)[:MAX_TOLD] or "it says so"
        raise Unavailable(f"Prometheus answers for {name} with a part only: {why}")
    if answer.data is None or answer.status != "success":
        raise Unavailable(f"Prometheus has no answer for {name}: {answer.error[:MAX_TOLD]}")
    return [_line(name, each) for each in answer.data.result]


def _line(name: str, series: _Series) -> Line:
    try:
        value = float(series.value[1])
    except ValueError as error:
        raise Unavailable(f"Prometheus's answer for {name} has the value {series.value[1][:MAX_TOLD]!r}") from error
    return Line(name, {key: text for key, text in series.metric.items() if key in KEPT}, value, None)


def readings_of(lines: Iterable[Line], nodes: Collection[str], now: datetime) -> dict[str, Readings]:
    """Return for each of the nodes what is known of its GPUs, or why nothing is; other nodes' series are left out."""
    known, silent = set(nodes), dict[str, str]()
    found: dict[str, dict[str, list[Series]]] = defaultdict(dict)
    for uuid, series in sort_series(lines).items():
        places = sorted({name for each in series for name in _places(each) if name in known})
        for node in places:
            found[node][uuid] = series
            if why := _why_not(uuid, series, places, now):
                silent[node] = why
    return {node: _reading(node, found.get(node, {}), silent.get(node, "")) for node in nodes}


def _reading(node: str, found: Mapping[str, Sequence[Series]], silent: str) -> Readings:
    if silent or not found:
        return Readings(silent=silent or "Prometheus has no series of its GPUs")
    return Readings({uuid: _sample(uuid, series, node) for uuid, series in found.items()})


def _sample(uuid: str, series: Sequence[Series], node: str) -> Any:
    told = [each for each in series if each.name != READ_AT]
    sample = sample_of(uuid, told, node, moment(_read_at(series)))
    again = _told_twice(series)
    return sample.model_copy(update={"problems": (*sample.problems, again)}) if again else sample


def _why_not(uuid: str, series: Sequence[Series], places: Sequence[str], now: datetime) -> str:
    """Why a GPU's series say nothing about its node."""
    if len(places) > 1:
        return f"{uuid} is said to be on {' and on '.join(places)}"
    at = moment(_read_at(series))
    if at is None:
        return f"nothing says when {uuid} was read"
    return f"{uuid} was last read at {at.isoformat(timespec='seconds')}" if now - at > STALE else ""


def _read_at(series: Iterable[Series]) -> float | None:
    return max((each.value for each in series if each.name == READ_AT), default=None)


def _told_twice(series: Iterable[Series]) -> str:
    """Which scrapers tell the same of a GPU; empty where each series is there once."""
    same = (*OF_GPU, *TENANT)
    times = Counter((each.name, *(each.labels.get(key, "") for key in same)) for each in series)
    if max(times.values(), default=0) <= 1:
        return ""
    scrapers = sorted({"/".join(each.labels.get(key, "") for key in SCRAPER[:2]) for each in series})
    return f"it is told twice, by {', '.join(scrapers)[:MAX_TOLD]}: choose one by `prometheus.labels`"


def _places(series: Series) -> Iterator[str]:
    return (series.labels[key] for key in PLACES if series.labels.get(key))
