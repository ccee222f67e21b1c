"""How often an admission looks and asks, so that a hundred launches at once stay within what AWS's APIs take.

EC2 gives an account and region 100 requests at once for each Describe action, and 20 more per second (EC2 developer
guide, "Request throttling"). Auto Scaling publishes no number, and all of its actions share one bucket (AWS re:Post,
"autoscaling API calls throttled"), so none of them is asked more than 20 times in a second by us. Whoever comes from an
event looks first after a pause of its own, and then ever more seldom; an instance's own name decides when, so that a
repeated call decides the same.
"""

import math
from datetime import datetime, timedelta
from hashlib import sha256

FIRST, FIRST_SPREAD = timedelta(seconds=15), timedelta(seconds=30)
"""A GPU instance registers a minute after its launch at the earliest: nothing is lost by not looking at once."""
SHORTEST, LONGEST = timedelta(seconds=15), timedelta(seconds=60)
SHARE = 6
"""What is looked at again is noticed at most a sixth of the time late that it was waited for."""
SPREAD = 0.5
BEATS = 3
"""Heartbeats in one timeout of the hook: one may get lost."""


def first_seconds(who: str) -> int:
    """Return the pause before the first look."""
    return math.ceil((FIRST + FIRST_SPREAD * _chance(who)).total_seconds())


def poll_seconds(who: str, since: datetime, now: datetime, deadline: datetime, heartbeat: int | None = None) -> int:
    """Return the pause before the next look: never past the deadline, and in time for the hook's next heartbeat."""
    pause = min(max(SHORTEST, (now - since) / SHARE), LONGEST) * (1 + SPREAD * _chance(f"{who}/{now.isoformat()}"))
    if heartbeat is not None:
        pause = min(pause, timedelta(seconds=heartbeat) / BEATS)
    if now < deadline:
        pause = min(pause, deadline - now)
    return max(1, math.ceil(pause.total_seconds()))


def beats(last: datetime | None, now: datetime, heartbeat: int | None) -> bool:
    """Whether a hook needs another heartbeat; one whose timeout is not known gets one at each look."""
    if last is None or heartbeat is None:
        return True
    return now - last >= timedelta(seconds=heartbeat) / BEATS


def _chance(who: str) -> float:
    """A number from 0 to 1 that is the same for the same words."""
    return int(sha256(who.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
