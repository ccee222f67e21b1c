"""What is done about a node whose kubelet is dead, step by step, so that its pods and volumes can move.

Nobody knows whether its containers still run and write, so they may start elsewhere only once its instance is surely
off. Then Kubernetes' out-of-service taint has it delete the pods by force and detach their volumes at once (its
documentation, "Non-graceful node shutdown"), which it otherwise does six minutes later. A terminated instance is off,
too, but the cloud's controller deletes its Node, and the place for the taint with it: so it is stopped first.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.rotation.waiting import wait_seconds

SILENCE = timedelta(minutes=5)
"""How long a kubelet may be silent before that is taken for its death: as long as Kubernetes leaves its pods."""
ORDERLY = timedelta(minutes=5)
"""For the system to shut down by itself; EC2's user guide has a stop that hangs forced after some minutes."""
PATIENCE = timedelta(minutes=20)
"""From its death until it is terminated as it is: with what could not be stopped, or would not go."""
OFF = ("stopped", "terminated", "")
"""EC2's states of an instance that runs nothing; it forgets one an hour after its end."""
GOING = ("shutting-down",)


@dataclass(frozen=True)
class Fence:
    """The next step."""

    act: Literal["wait", "stop", "force", "release", "leave"]
    """`release`: the taint, now that it is off; `leave`: no more is tried, and it is terminated as it is."""
    reason: str
    wait_seconds: int = 0
    overdue: bool = False
    """Whether its pods and volumes have had their time to go."""


def decide_fence(state: str, silent: datetime, now: datetime, *, off: bool = False) -> Fence:
    """Decide by EC2's state of the instance; `silent` is since when its kubelet is known to be, `off` that it was off.

    A group that finds a stopped instance sick shuts it down before we do: it is as much off then as before.
    """
    dead, end = silent + SILENCE, silent + SILENCE + PATIENCE
    if off or state in OFF:
        pause = wait_seconds(dead, now, end)
        return Fence("release", f"its instance is {state or 'gone'}", pause, overdue=now >= end)
    if now < dead:
        return Fence("wait", "its kubelet is silent", math.ceil((dead - now).total_seconds()))
    if now >= end:
        return Fence("leave", f"its instance is {state} {PATIENCE} after it was to stop: it is terminated as it is")
    pause = wait_seconds(dead, now, dead + ORDERLY, end)
    if state in GOING:
        return Fence("wait", "its instance shuts down", pause)
    if now >= dead + ORDERLY:
        return Fence("force", f"its instance did not stop within {ORDERLY}: it is switched off", pause)
    return Fence("stop", "its kubelet is dead: its instance is stopped", pause)
