"""What is known of a node's GPUs at one moment, or why nothing is: silence is no fault of a GPU."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.errors import Invalid, Refused, Unavailable

STALE = timedelta(seconds=90)
"""Three intervals of the exporter, which reads its counters every 30 s."""


@dataclass(frozen=True)
class Readings:
    """What the exporter said, or why it said nothing: an exporter that is missing is no fault of a GPU."""

    gpus: Mapping[str, GpuSample] = field(default_factory=dict)
    silent: str = ""

    @property
    def headroom(self) -> dict[str, int] | None:
        """Free memory of each GPU; None unless it is known of all of them."""
        free = {uuid: gpu.memory_free_mib for uuid, gpu in self.gpus.items()}
        known = {uuid: mib for uuid, mib in free.items() if mib is not None}
        return known if known and len(known) == len(free) else None


def read_exporter(scrape: Callable[[], str | None], node: str = "", now: datetime | None = None) -> Readings:
    """Ask once. An exporter that cannot be read is told in the evidence, and judges nothing."""
    try:
        text = scrape()
        return Readings(read_samples(text, node, now)) if text else Readings(silent="no exporter runs on the node")
    except (Invalid, Refused, Unavailable) as fault:
        return Readings(silent=str(fault))
