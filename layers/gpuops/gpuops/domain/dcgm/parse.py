"""From an exposition to samples: one value a GPU, with what does not fit together said beside it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from gpuops.domain.dcgm.sample import GpuSample, PodShare, moment
from gpuops.domain.dcgm.series import Series, label, number, read_series

DEVICE = "DCGM_FI_DEV_"
BUSY, UTIL = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", f"{DEVICE}GPU_UTIL"
USED, FREE, RESERVED, TOTAL = (f"{DEVICE}FB_{kind}" for kind in ("USED", "FREE", "RESERVED", "TOTAL"))
LAST_XID, XID_COUNT, CLOCK_EVENTS = f"{DEVICE}XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_CLOCK_EVENTS_COUNT"
VIOLATION = "_VIOLATION"
PER_PROCESS = (UTIL, USED)
"""What may be a pod's own, and is then added up where no series of the device stands beside it."""
PERCENT = 100.0
CLOSE = 1.01
"""A ratio may be rounded up; more than that is no ratio."""


def read_samples(text: str, node: str = "", scraped: datetime | None = None) -> dict[str, GpuSample]:
    """Return the samples by UUID; `node` and `scraped` are the scraper's word, and win over the text's.

    Raises: Unavailable when this is no exposition: a proxy's words, or half of an answer.
    """
    return {uuid: sample_of(uuid, found, node, scraped) for uuid, found in read_series(text).items()}


def sample_of(uuid: str, found: Sequence[Series], node: str, scraped: datetime | None) -> GpuSample:
    """Return one GPU by its series."""
    whole = [series for series in found if not series.mig]
    problems: list[str] = []
    values = {name: _value(name, whole, problems) for name in dict.fromkeys(series.name for series in whole)}
    last = values.get(LAST_XID)
    return GpuSample(
        node=node or label(found, "node", "Hostname", "hostname"),
        uuid=uuid,
        index=number(label(found, "gpu")),
        product=label(found, "modelName"),
        driver=label(found, "DCGM_FI_DRIVER_VERSION"),
        time=scraped or moment(max((series.at for series in found if series.at is not None), default=None)),
        last_xid=None if last is None else int(last),
        xids=tuple(sorted({*_counted(whole), *([int(last)] if last else [])})),
        violations={_cause(name): value for name, value in values.items() if VIOLATION in name and value is not None},
        clock_events={s.labels["clock_event"]: int(s.value) for s in whole if _is_clock_event(s)},
        pods=tuple(_pods(whole)),
        mig=tuple(sorted({series.mig for series in found if series.mig})),
        **_measured(values, problems),
        problems=tuple(problems),
    )


def _measured(values: dict[str, float | None], problems: list[str]) -> dict[str, Any]:
    """The gauges, with what cannot be left out and said."""
    ratio, source = _busy(values, problems)
    used, free, reserved = (values.get(name) for name in (USED, FREE, RESERVED))
    total = values.get(TOTAL)
    if total is None and used is not None and free is not None:
        total = used + free + (reserved or 0)
    if total is not None and used is not None and used > total:
        problems.append(f"{used:.0f} MiB used of {total:.0f}")
    return {
        "busy_ratio": ratio,
        "busy_source": source,
        "memory_used_mib": _whole(used),
        "memory_free_mib": _whole(free),
        "memory_reserved_mib": _whole(reserved),
        "memory_total_mib": _whole(total),
        "memory_copy_ratio": _ratio("MEM_COPY_UTIL", values.get(f"{DEVICE}MEM_COPY_UTIL"), PERCENT, problems),
        "temperature_celsius": values.get(f"{DEVICE}GPU_TEMP"),
        "power_watts": values.get(f"{DEVICE}POWER_USAGE"),
    }


Source = Literal["GR_ENGINE_ACTIVE", "GPU_UTIL"]


def _busy(values: dict[str, float | None], problems: list[str]) -> tuple[float | None, Source | None]:
    """How busy it is: the profiling counter where there is one."""
    ratio = _ratio("GR_ENGINE_ACTIVE", values.get(BUSY), 1.0, problems)
    if ratio is not None:
        return ratio, "GR_ENGINE_ACTIVE"
    ratio = _ratio("GPU_UTIL", values.get(UTIL), PERCENT, problems)
    return ratio, None if ratio is None else "GPU_UTIL"


def _ratio(name: str, value: float | None, whole: float, problems: list[str]) -> float | None:
    if value is None:
        return None
    if value > whole * CLOSE:
        problems.append(f"{name} is {value:g} of {whole:g}")
        return None
    return min(1.0, value / whole)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _value(name: str, series: Iterable[Series], problems: list[str]) -> float | None:
    """The device's own value. Without one: what its pods' processes use together, or else one of their copies."""
    found = [s for s in series if s.name == name and not s.blank and not _has_own_reading(s)]
    own = [s for s in found if not s.of_share]
    if not own and name in PER_PROCESS and any(s.labels.get("pod_uid") for s in found):
        return sum(s.value for s in found)
    if own and len({s.value for s in own}) > 1:
        problems.append(f"{name} has {len({s.value for s in own})} values")
    return max((s.value for s in own or found), default=None)


def _has_own_reading(series: Series) -> bool:
    """Series that are counted by a further label: they are read one by one."""
    return series.name in {XID_COUNT, CLOCK_EVENTS}


def _counted(series: Iterable[Series]) -> Iterator[int]:
    for each in series:
        xid = number(each.labels.get("xid", ""))
        if each.name == XID_COUNT and not each.blank and each.value > 0 and xid is not None:
            yield xid


def _is_clock_event(series: Series) -> bool:
    return series.name == CLOCK_EVENTS and not series.blank and bool(series.labels.get("clock_event"))


def _cause(name: str) -> str:
    """`power` for DCGM_FI_DEV_POWER_VIOLATION."""
    return name.removeprefix(DEVICE).replace(VIOLATION, "").lower()


def _pods(series: Sequence[Series]) -> Iterator[PodShare]:
    """Every pod that is named, once for each container and share, with what is its own."""
    named: dict[tuple[str, str, str, int | None], list[Series]] = {}
    for each in series:
        labels = each.labels
        if labels.get("pod"):
            key = (labels.get("namespace", ""), labels["pod"], labels.get("container", ""), each.replica)
            named.setdefault(key, []).append(each)
    for (namespace, pod, container, replica), own in named.items():
        uid = label(own, "pod_uid")
        measured = {s.name: s.value for s in own if s.name in PER_PROCESS and not s.blank and s.of_share and uid}
        busy, used = measured.get(UTIL), measured.get(USED)
        yield PodShare(
            namespace=namespace,
            pod=pod,
            container=container,
            uid=uid,
            replica=replica,
            busy_ratio=None if busy is None else min(1.0, busy / PERCENT),
            memory_used_mib=_whole(used),
        )
