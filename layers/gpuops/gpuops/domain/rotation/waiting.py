"""When to look again at something that takes its time.

Every look costs nine events of an execution's history, which ends at 25,000: a fixed pause of 20 s would end a drain
that waits for a training Job after sixteen hours. So the pause grows with what was waited already, and what is looked
at again is noticed at most a twenty-fourth of that time late. The first looks come when the thing can first be true.
"""

import math
from datetime import datetime, timedelta

SHORTEST, LONGEST = timedelta(seconds=20), timedelta(minutes=15)
HOUR, LONGEST_REST = timedelta(hours=1), timedelta(hours=4)
SHARE = 24
SOON, SOON_SHARE = timedelta(seconds=5), 2
"""Pods that end at once have ended by then."""
LOOKS, LOOKS_BEFORE_A_DATE = 480, 120
"""Waits of months, too, come to about so many looks: past five days their pauses may be longer than the longest."""

SHORTEST_WATCH, LONGEST_WATCH = timedelta(minutes=1), timedelta(minutes=5)
"""An alarm's usual period is a minute; past five, what is watched for would come too late."""
WATCHES = 20


def wait_seconds(since: datetime, now: datetime, *ends: datetime, soonest: timedelta = SHORTEST) -> int:
    """Return the pause before the next look, never past the next of the ends: at each of them something is decided.

    From `soonest` on it grows fast to the shortest pause of a long wait.
    """
    waited, longest = now - since, max(LONGEST, (max(ends) - since) / LOOKS)
    shortest = min(max(soonest, waited / SOON_SHARE), SHORTEST)
    pause = min(max(shortest, waited / SHARE), longest)
    left = min((end - now for end in ends if end > now), default=pause)
    return max(1, math.ceil(min(pause, left).total_seconds()))


def rest_seconds(since: datetime, now: datetime, until: datetime | None = None) -> int:
    """Return the pause of a run that rests until a date, or since a person said so, until one lets it go on.

    Before a date it looks every hour whether it was cancelled, or more rarely while that is far; for a person the
    pauses grow with the rest, to four hours after four days.
    """
    if until is None:
        return math.ceil(min(max(SHORTEST, (now - since) / SHARE), LONGEST_REST).total_seconds())
    pause = max(HOUR, (until - now) / LOOKS_BEFORE_A_DATE)
    return max(1, math.ceil(min(pause, until - now).total_seconds()))


def pause_seconds(since: datetime, now: datetime, until: datetime) -> int:
    """Return the pause between two looks of a watch: a twentieth of it, between one and five minutes, to its end."""
    pause = min(max(SHORTEST_WATCH, (until - since) / WATCHES), LONGEST_WATCH)
    return max(1, math.ceil(min(pause, until - now).total_seconds()))
