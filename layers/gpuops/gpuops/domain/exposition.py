"""What dcgm-exporter says about each GPU of a node, as far as decisions need it.

Written for 4.5.3-4.8.2 and its neighbours: `Hostname` became `hostname`, older ones lack `pci_bus_id`, and a counter
that DCGM cannot read is left out or printed as one of its blanks (dcgm_structs.h: from 0x7ffffff0 upwards).

Under sharing with KUBERNETES_VIRTUAL_GPUS a device's series is repeated for each pod with the labels `vgpu`, `pod` and
`namespace`, and the device's own stays beside them without. Values are therefore taken from the latter, where it is
there, and never summed over both.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpuops.domain.errors import Unavailable

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

BLANK = 0x7FFF_FFF0
LAST_XID = "DCGM_FI_DEV_XID_ERRORS"
XID_COUNT = "DCGM_EXP_XID_ERRORS_COUNT"
FREE = "DCGM_FI_DEV_FB_FREE"


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one scrape; None stands for what the exporter does not say."""

    uuid: str
    holders: Mapping[int, str] = field(default_factory=dict)
    """Who holds which replica: `namespace/pod` by index. Empty, too, where the exporter tells no replicas apart."""
    free_mib: int | None = None
    xids: frozenset[int] = frozenset()
    """Every Xid that it shows at all, the last one (0 is none) and counted ones."""


def read_gpus(text: str) -> dict[str, GpuReading]:
    """Return the readings by UUID. MIG instances are none: they bear their GPU's UUID, and nothing else of it.

    Raises: Unavailable when this is no exposition: a proxy's words, or half of an answer.
    """
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - 0.01 s, for a scrape only

    samples: dict[str, list[Sample]] = defaultdict(list)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                uuid = sample.labels.get("UUID", "")
                if uuid.startswith("GPU-") and not sample.labels.get("GPU_I_ID"):
                    samples[uuid].append(sample)
    except (ValueError, IndexError) as error:  # the parser raises either
        raise Unavailable(f"the exporter's answer cannot be read: {str(error)[:100]!r}") from error
    return {uuid: _reading(uuid, found) for uuid, found in samples.items()}


def _reading(uuid: str, samples: Iterable["Sample"]) -> GpuReading:
    samples = tuple(samples)
    last = _value(LAST_XID, samples)
    return GpuReading(
        uuid=uuid,
        holders=dict(_holders(samples)),
        free_mib=_value(FREE, samples),
        xids=frozenset({*_counted(samples), *([last] if last else [])}),
    )


def _holders(samples: Iterable["Sample"]) -> Iterator[tuple[int, str]]:
    for sample in samples:
        index = sample.labels.get("vgpu", "")
        if index.isdecimal() and sample.labels.get("pod"):
            yield int(index), f"{sample.labels.get('namespace', '')}/{sample.labels['pod']}"


def _value(name: str, samples: Iterable["Sample"]) -> int | None:
    """The device's own value, or else the largest of its pods' copies."""
    found = [s for s in samples if s.name == name and 0 <= s.value < BLANK]  # a NaN compares as false
    own = [s for s in found if not s.labels.get("vgpu")]
    return max((int(s.value) for s in own or found), default=None)


def _counted(samples: Iterable["Sample"]) -> Iterator[int]:
    for sample in samples:
        xid = sample.labels.get("xid", "")
        if sample.name == XID_COUNT and sample.value > 0 and xid.isdecimal():
            yield int(xid)
