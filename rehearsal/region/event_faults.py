"""What may become of an event on its way from the bus to a target: EventBridge delivers at least once, in any order.

A rule is data, and holds from the moment it is set; all that match an event work together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from rehearsal.scenario import EventFault


@dataclass(frozen=True)
class Fate:
    """What becomes of one event."""

    copies: int = 1
    late_seconds: float = 0.0
    skew_seconds: float = 0.0


def fate_of(event: Mapping[str, Any], faults: Iterable[EventFault]) -> Fate:
    """All faults that match, together; without any it comes once, at once and with its time."""
    found = [f for f in faults if fnmatchcase(event["source"], f.source) and _typed(event, f)]
    copies = 0 if any(f.kind == "lost" for f in found) else 1 + sum(f.kind == "twice" for f in found)
    late, skew = (sum(f.seconds for f in found if f.kind == kind) for kind in ("late", "skewed"))
    return Fate(copies, late, skew)


def _typed(event: Mapping[str, Any], fault: EventFault) -> bool:
    return fnmatchcase(event["detail-type"], fault.detail_type)
