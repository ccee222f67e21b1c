"""What a Prometheus is asked about GPUs: a fixed list of PromQL, in which only the policy's labels stand besides.

One metric at a time, since all of a thousand nodes in one answer would be 150 MB. The value of an instant query bears
the time of the question, so when a GPU was read is a question of its own; of Xids and clock events only what is there
at all is asked for.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gpuops.domain.dcgm.parse import (
    BUSY,
    CLOCK_EVENTS,
    DEVICE,
    FREE,
    LAST_XID,
    RESERVED,
    TOTAL,
    USED,
    UTIL,
    VIOLATION,
    XID_COUNT,
)
from gpuops.domain.dcgm.vectors import READ_AT

TEMPERATURE = f"{DEVICE}GPU_TEMP"
"""Every GPU has one, a partitioned one, too."""
CAUSES = ("POWER", "THERMAL", "SYNC_BOOST", "BOARD_LIMIT", "LOW_UTIL", "RELIABILITY")
GAUGES = (BUSY, UTIL, USED, FREE, RESERVED, TOTAL, TEMPERATURE, f"{DEVICE}MEM_COPY_UTIL", f"{DEVICE}POWER_USAGE")


class Query(NamedTuple):
    """One question, and the name under which its answer is read."""

    name: str
    form: str = "{}"

    def text(self, labels: Mapping[str, str]) -> str:
        """Return the PromQL for series with these labels of the policy, which lets nothing of PromQL's syntax in."""
        wanted = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        metric = TEMPERATURE if self.name == READ_AT else self.name
        return self.form.format(f"{metric}{{{wanted}}}")


SEEN_AT = Query(READ_AT, "timestamp({})")
FAULTS = (SEEN_AT, *(Query(name, "{} > 0") for name in (LAST_XID, XID_COUNT, CLOCK_EVENTS)))
MEASURES = (*FAULTS, *map(Query, GAUGES), *(Query(f"{DEVICE}{cause}{VIOLATION}") for cause in CAUSES))
