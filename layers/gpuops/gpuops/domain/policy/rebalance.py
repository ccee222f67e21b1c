"""What fleet.yaml may say about how many shares of each GPU a group should have, as its load changes."""

from typing import Annotated

from pydantic import Field

from gpuops.domain.policy.parts import Part
from gpuops.domain.run import Mode


class Rebalance(Part):
    """How the shares of a group's GPUs follow its load."""

    mode: Mode = "observe"
    """`apply` has nodes changed, where the group's mode is `apply`, too; `observe` and `recommend` plan and report."""
    most: Annotated[int, Field(ge=1, le=8)] = 4
    """Never more shares of a GPU than this, whatever would fit."""
    memory_percent: Annotated[float, Field(gt=0, le=98)] = 90
    """Of a GPU's memory that the pods on it may fill together: they may exceed it in one of 50 five-minute windows,
    and all of the memory in one of 200."""
    busy_percent: Annotated[float, Field(gt=0, le=400)] = 100
    """How busy the pods on one GPU may be together, in 85 of 100 looks."""
    crowded_percent: Annotated[float, Field(gt=0, le=100)] = 85
    """Shares grow while pods are pending, or hold so many percent of all shares of the nodes that have pods."""
    crowded_minutes: Annotated[int, Field(ge=0, le=1440)] = 10
    """For so long without a break before shares grow."""
    grow_minutes: Annotated[int, Field(ge=0, le=1440)] = 30
    """More shares must have fitted in every look for so long; fewer need no waiting."""
    cool_down_minutes: Annotated[int, Field(ge=0, le=1440)] = 30
    """Between two changes of the group's shares."""
    changes_per_day: Annotated[int, Field(ge=1, le=48)] = 4
    """How often the group's shares may change within 24 hours; fewer shares for safety are not held back by it."""
    history_hours: Annotated[float, Field(ge=0, le=720)] = 24
    """How long a workload must have been measured before its peaks count as known; a declared one needs no history."""
    steer: bool = False
    """Set soft taints (PreferNoSchedule), by which pods fill GPUs in use before they go to empty nodes, and keep away
    from GPUs on which another peak would not fit: an autoscaler then finds empty nodes to take away."""
