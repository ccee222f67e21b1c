"""The series of an exposition, sorted by GPU, with the labels of every version and scraper brought to one spelling.

Written for dcgm-exporter 4.5.3-4.8.2 and its neighbours: `Hostname` became `hostname` (commit d5e5f51), older ones lack
`pci_bus_id`, and a Prometheus with `honorLabels: false` puts its target's own names into `pod`, `namespace` and
`container` and the exporter's into `exported_pod` and so on (dcgm-exporter #340). A counter that DCGM cannot read is
left out, or printed as one of its blanks (dcgm_structs.h: from 0x7ffffff0 upwards).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpuops.domain.dcgm.lines import Line, plain_lines
from gpuops.domain.errors import Unavailable

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

MAX_CHARACTERS = 4 << 20
"""Sixteen GPUs with a hundred counters for each of fifty pods have half of that."""
BLANK = 0x7FFF_FFF0
TENANT = ("pod", "namespace", "container", "pod_uid")
"""Labels that say for whom a GPU works."""
CONTESTED = TENANT[:3]
"""Those of them that a scraper's target bears as well: the others it leaves as they are."""
EXPORTER = "dcgm-exporter"
DIGITS = 6


@dataclass(frozen=True)
class Series:
    """One series of one GPU: a value of the device itself, of a pod on it, or of a MIG instance."""

    name: str
    labels: Mapping[str, str]
    value: float
    at: float | None = None
    """Seconds since 1970, where the text says so."""

    @property
    def mig(self) -> str:
        """Profile and id of the MIG instance that it is about, empty for a whole GPU."""
        instance = self.labels.get("GPU_I_ID", "")
        return f"{self.labels.get('GPU_I_PROFILE', '')}/{instance}" if instance else ""

    @property
    def replica(self) -> int | None:
        """The share of the GPU that its pod holds, where virtual GPUs are told apart."""
        return number(self.labels.get("vgpu", ""))

    @property
    def of_share(self) -> bool:
        """Whether it stands beside the device's own series, for one share of it."""
        return bool(self.labels.get("vgpu"))

    @property
    def blank(self) -> bool:
        """Whether DCGM had no value; a NaN compares as false."""
        return not 0 <= self.value < BLANK


def read_series(text: str) -> dict[str, list[Series]]:
    """Return each GPU's series by UUID, in the order of the text; what bears no UUID of a GPU is left out.

    Raises: Unavailable when this is no exposition: a proxy's words, half of an answer, or far too much.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unavailable(f"the exporter's answer has {len(text)} characters; no node has more than {MAX_CHARACTERS}")
    return sort_series(plain_lines(text) or _parsed(text))


def sort_series(lines: Iterable["Line | Sample"]) -> dict[str, list[Series]]:
    """Return each GPU's series by UUID, in their order. Which labels a scraper renamed, each of its jobs says."""
    samples = [sample for sample in lines if _is_gpus(sample)]
    renamed = {s.labels.get("job") for s in samples if any(f"exported_{label}" in s.labels for label in TENANT)}
    found: dict[str, list[Series]] = defaultdict(list)
    for sample in samples:
        labels = _spelled(sample.labels, renamed=sample.labels.get("job") in renamed)
        at = float(sample.timestamp) if sample.timestamp is not None else None
        found[labels["UUID"]].append(Series(sample.name, labels, sample.value, at))
    return found


def _parsed(text: str) -> Iterator["Line | Sample"]:
    """Every sample of a text that is not plain, or that has none."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - 0.01 s, for a scrape only

    try:
        for family in text_string_to_metric_families(text):
            yield from family.samples
    except (ValueError, IndexError) as error:  # the parser raises either
        raise Unavailable(f"the exporter's answer cannot be read: {str(error)[:100]!r}") from error


def label(series: Iterable[Series], *names: str) -> str:
    """Return the first of these labels that any of the series has, or nothing."""
    series = tuple(series)
    return next((value for name in names for each in series if (value := each.labels.get(name))), "")


def number(text: str) -> int | None:
    """Return the small number that a label holds; None for anything else, however long."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None


def _is_gpus(sample: "Line | Sample") -> bool:
    return bool(sample.labels.get("UUID", "").startswith("GPU-"))


def _spelled(labels: Mapping[str, str], *, renamed: bool) -> dict[str, str]:
    """Its labels as the exporter means them. Prometheus drops empty ones, so an idle GPU may lack `exported_pod`."""
    spelled = dict(labels)
    if renamed:
        for name in CONTESTED:
            spelled[name] = spelled.pop(f"exported_{name}", "")
    if EXPORTER in spelled.get("pod", ""):  # the scraper's own label for its target: nobody works on this GPU
        spelled |= dict.fromkeys(TENANT, "")
    return spelled
