"""The decisions of Auto Scaling, as pure functions: which zone next, who goes, is it lopsided, when to try again."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rehearsal.region.autoscaling_model import Member

FIRST_RETRY_SECONDS = 30
LONGEST_RETRY_SECONDS = 600


def select_zones(zones: Sequence[str], present: Iterable[Member]) -> list[str]:
    """The zones in which to try a launch, emptiest first, else in the group's own order."""
    counts = Counter(member.zone for member in present)
    return sorted(zones, key=lambda zone: counts[zone])


def select_scale_in(present: Sequence[Member]) -> Member | None:
    """The default termination policy: fullest zone, then oldest template version, then the oldest instance.

    Protected instances are never chosen, and those not yet in service only when nothing else is left.
    """
    candidates = [member for member in present if not member.protected]
    candidates = [member for member in candidates if member.serving] or candidates
    if not candidates:
        return None
    counts = Counter(member.zone for member in present)
    return min(
        candidates,
        key=lambda member: (-counts[member.zone], int(member.template["Version"]), member.launched, member.instance_id),
    )


def select_relief(zones: Sequence[str], present: Sequence[Member]) -> str | None:
    """The zone that AZRebalance launches in: it lags by two or more, and the fullest one has somebody to give."""
    counts = Counter(member.zone for member in present)
    emptiest = select_zones(zones, present)[0]
    fullest = max(zones, key=lambda zone: counts[zone])
    if counts[fullest] - counts[emptiest] < 2:  # noqa: PLR2004 - a difference of one is balance
        return None
    spare = [member for member in present if member.zone == fullest and not member.protected]
    return emptiest if spare else None


def retry_seconds(failures: int) -> float:
    """Back-off after this many launches in vain."""
    return float(min(FIRST_RETRY_SECONDS * 2 ** max(failures - 1, 0), LONGEST_RETRY_SECONDS))
