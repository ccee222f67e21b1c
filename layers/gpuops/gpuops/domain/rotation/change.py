"""What an open change took away from a group, and the goals that open it.

Originals are a value written down before the first act, so whoever finds it later, however the run died, can put
the group back. Goals are computed from them, never from what a half-done attempt left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from gpuops.domain.rotation.gates import Target
from gpuops.domain.rotation.group import Group, Instance, Template
from gpuops.domain.rotation.launch import retarget
from gpuops.domain.rotation.strategy import Strategy
from gpuops.domain.run import Run

SUSPENDED = ("AZRebalance", "AlarmNotification", "ScheduledActions")
"""Auto Scaling's processes that would move or remove nodes behind our back."""


class Moved(BaseModel):
    """One launch template of the group: as the group names it, the number behind that, and our new version."""

    model_config = ConfigDict(frozen=True)

    source: Template
    resolved: Template
    new: Template | None = None


class Undo(BaseModel):
    """The originals of one group, and whose change it is."""

    model_config = ConfigDict(frozen=True)

    run: Run
    at: datetime
    target: Target
    surge: int
    """Nodes that the change added; none where an old one goes first."""
    max: int
    desired: int
    launch: dict[str, Any]
    suspended: frozenset[str]
    protects_new: bool
    moved: tuple[Moved, ...]
    strategy: Strategy = "surge"
    """Whether a new node comes before the old one goes, or after."""
    order: tuple[str, ...] = ()
    """The old instances as the plan names them: who costs least goes first."""
    decremented: frozenset[str] = frozenset()
    """Instances whose termination gives back one node of the surge; noted before each such termination."""
    stopped: str | None = None
    """Why no further node may be started: the first failure of the run."""
    abandoned: str | None = None
    """Why the last newcomer was abandoned."""

    @property
    def new_templates(self) -> frozenset[Template]:
        """The versions that only nodes of this change run."""
        return frozenset(moved.new for moved in self.moved if moved.new)

    def is_new(self, instance: Instance) -> bool:
        """Whether this change launched the instance."""
        return instance.template in self.new_templates

    def olds(self, group: Group) -> list[Instance]:
        """Return what is left to replace, in the plan's order, then what came after the plan and missed the target."""
        places = {name: place for place, name in enumerate(self.order)}
        olds = [i for i in group.staying if i.ami != self.target.ami and not self.is_new(i)]
        return sorted(olds, key=lambda instance: (places.get(instance.id, len(places)), instance.id))

    def versions(self) -> Mapping[Template, Template]:
        """From each template as the group named it to our new version of it."""
        return {moved.source: moved.new for moved in self.moved if moved.new}

    @property
    def opened_launch(self) -> dict[str, Any]:
        """The launch specification while the change is open."""
        return retarget(self.launch, self.versions(), self.target.ami)


@dataclass(frozen=True)
class GroupUpdate:
    """Goals for a group's own settings; None leaves one as it is."""

    launch: dict[str, Any] | None = None
    max: int | None = None
    desired: int | None = None
    protects_new: bool | None = None


def originals(
    group: Group,
    run: Run,
    *,
    target: Target,
    surge: int,
    moved: tuple[Moved, ...],
    now: datetime,
    order: tuple[str, ...] = (),
    strategy: Strategy = "surge",
) -> Undo:
    """Return what must be written down before the first act on the group."""
    return Undo(
        run=run,
        at=now,
        target=target,
        surge=surge,
        max=group.max,
        desired=group.desired,
        launch=group.launch,
        suspended=group.suspended & set(SUSPENDED),
        protects_new=group.protects_new,
        moved=moved,
        strategy=strategy,
        order=order,
    )


def open_goals(group: Group, undo: Undo) -> GroupUpdate:
    """Return what is still missing for the change to be open; a scale-up by somebody else in between is kept."""
    size = undo.desired + undo.surge
    return GroupUpdate(
        launch=undo.opened_launch if group.launch != undo.opened_launch else None,
        max=size if group.max < size else None,
        desired=size if undo.surge and group.desired < size else None,
        protects_new=True if not group.protects_new else None,
    )


def missing_suspensions(group: Group) -> tuple[str, ...]:
    """Return the processes that still run and must not while the change is open."""
    return tuple(process for process in SUSPENDED if process not in group.suspended)
