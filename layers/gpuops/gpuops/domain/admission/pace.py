"""How often an admission looks and asks, so that a hundred launches at once stay within what AWS's APIs take.

EC2 gives an account and region 100 requests at once for each Describe action, and 20 more per second (EC2 developer
guide, "Request throttling"). Auto Scaling publishes no number, and all of its actions share one bucket (AWS re:Post,
"autoscaling API calls throttled"), so none of them is asked more than 20 times in a second by us. Whoever comes from an
event looks first when nodes of its group usually are there, and then ever more seldom; an instance's own name spreads
that, so that a repeated call decides the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from statistics import median_high

FIRST, FIRST_SPREAD = timedelta(seconds=60), timedelta(seconds=30)
"""A GPU instance registers a minute after its launch at the earliest: nothing is lost by not looking before."""
USUAL_SPREAD = timedelta(seconds=10)
"""Soon after the usual time, when half of the nodes are complete: a look at which all are makes each of them late."""
USUAL_LONGEST = timedelta(minutes=10)
REMEMBERED = 64
"""What is usual is the median of so many boots. Of a wave the slowest come last: a memory of few would be theirs."""
SHORTEST, LONGEST = timedelta(seconds=20), timedelta(seconds=60)
SHARE = 10
"""What is looked at again is noticed at most a tenth of the time late that it was waited for, and a half of that."""
GPUS = timedelta(seconds=10)
"""The device plugin tells a Ready node's GPUs within seconds."""
SPREAD = 0.5
BEATS = 3
"""Heartbeats in one timeout of the hook: one may get lost."""


@dataclass(frozen=True)
class Boots:
    """How the group's last nodes came: whole seconds by instance, the newest last."""

    seconds: Mapping[str, int]
    """From each instance's launch event until its Node was Ready, by the Node's own word: a look comes later."""
    settling: Mapping[str, int]
    """Of these, from the registration of those Nodes on that were seen before they were Ready."""
    heartbeat: int
    """The timeout of the hook that waited meanwhile; 0 without one. No event tells it."""

    @property
    def settles(self) -> int | None:
        """Seconds from registration until a Node usually is Ready; None where nobody knows."""
        return median_high(self.settling.values()) if self.settling else None


def first_seconds(who: str, usual: Boots | None = None) -> int:
    """Return the pause before the first look: until nodes of the group usually are there, and in time for its hook."""
    if usual is None:
        return math.ceil((FIRST + FIRST_SPREAD * _chance(who)).total_seconds())
    median = timedelta(seconds=median_high(usual.seconds.values()))
    pause = min(median, USUAL_LONGEST) + GPUS + USUAL_SPREAD * _chance(who)
    if usual.heartbeat:
        pause = min(pause, timedelta(seconds=usual.heartbeat) / BEATS)
    return math.ceil(pause.total_seconds())


def boot_seen(
    before: Boots | None, who: str, booted: timedelta, settled: timedelta | None, heartbeat: int | None
) -> Boots:
    """Return what is remembered from now on: this instance's boot, too, once, and no more than so many."""
    seconds = _with(before.seconds if before else {}, who, booted)
    settling = _with(before.settling if before else {}, who, settled)
    return Boots(seconds, settling, heartbeat or 0)


def _with(seen: Mapping[str, int], who: str, took: timedelta | None) -> dict[str, int]:
    """The same with one more, the newest last."""
    if took is None:
        return dict(seen)
    others = {name: seconds for name, seconds in seen.items() if name != who}
    return dict([*others.items(), (who, round(took.total_seconds()))][-REMEMBERED:])


def poll_seconds(
    who: str,
    since: datetime,
    now: datetime,
    deadline: datetime,
    heartbeat: int | None = None,
    *,
    shortest: timedelta = SHORTEST,
) -> int:
    """Return the pause before the next look: never past the deadline, and in time for the hook's next heartbeat."""
    pause = min(max(shortest, (now - since) / SHARE), LONGEST) * (1 + SPREAD * _chance(f"{who}/{now.isoformat()}"))
    return in_time(pause, now, deadline, heartbeat)


def in_time(pause: timedelta, now: datetime, deadline: datetime, heartbeat: int | None) -> int:
    """Return a pause cut to the deadline and to the hook's next heartbeat: whole seconds, at least one."""
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
