"""What an open change took away from a group, and what its stages make of the group's instances.

Originals are a value written down before the first act, so whoever finds it later, however the run died, can put
the group back. Goals are computed from them, never from what a half-done attempt left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.rotation.group import Group, Instance, Template
from gpuops.domain.rotation.launch import override_amis, retarget, with_amis
from gpuops.domain.rotation.move import Move
from gpuops.domain.rotation.nodegroup import Managed
from gpuops.domain.rotation.strategy import IN_PLACE, Strategy, suspended_by
from gpuops.domain.rotation.target import Target
from gpuops.domain.run import Run

Stage = Literal["canary", "forward", "back"]
"""A few nodes to the target and a bake; the others; or, where the target proved to be bad, the way back."""


class Moved(BaseModel):
    """One launch template of the group: as the group names it, the number behind that, and our new version."""

    model_config = ConfigDict(frozen=True)

    source: Template
    resolved: Template
    new: Template | None = None
    back: Template | None = None
    """Our version of the original, by which nodes go back: newcomers are told apart by their version."""


class Undo(BaseModel):
    """The originals of one group, and whose change it is."""

    model_config = ConfigDict(frozen=True)

    run: Run
    at: datetime
    target: Target
    stage: Stage = "forward"
    surge: int
    """Nodes that this stage added, and its last slots give back; none where an old one goes first."""
    carried: int = 0
    """Nodes that earlier stages added and did not give back: the close takes them out."""
    max: int
    desired: int
    """The group's size without any of these nodes, as it was when this stage began."""
    sizes: frozenset[int] = frozenset()
    """The sizes that earlier stages asked for: a maximum that is one of them is ours."""
    launch: dict[str, Any]
    suspended: frozenset[str]
    protects_new: bool
    moved: tuple[Moved, ...]
    strategy: Strategy = "surge"
    """Whether a new node comes before the old one goes, or after, or none does."""
    may_stay: bool = False
    """Whether EC2 is known to allow that instances stay, should there be no capacity for others."""
    swapped: frozenset[str] = frozenset()
    """`<instance> <image before>` of each whose root volume was to be replaced; noted before the replacement."""
    gangs: dict[str, str] = {}
    """Old instances that were one of several nodes of a gang when it was planned, and the gang."""
    together: frozenset[str] = frozenset()
    """Old instances that a gang waits for: their claims come first, so that its nodes can be closed together."""
    order: tuple[str, ...] = ()
    """The instances of this stage that are to go, as the plan names them: who costs least goes first."""
    candidates: tuple[str, ...] = ()
    """Those that are as idle as the canaries: which of them those are is decided by zone."""
    managed: Managed | None = None
    """Of a managed node group: then nothing else is put back."""
    move: Move | None = None
    """Of a managed node group that moves into a new one: newcomers are told apart by where they stand."""
    grown: frozenset[str] = frozenset()
    """Instances for whose going the Auto Scaling group of the newcomers grew by one; noted before it does."""
    decremented: frozenset[str] = frozenset()
    """Instances whose termination gives back one node of the surge; noted before each such termination."""
    settled: frozenset[str] = frozenset()
    """Those of them that were noted in earlier stages."""
    stopped: str | None = None
    """Why no further node of this stage may be started: its first failure."""
    condemned: str | None = None
    """Why the target is held to be bad."""
    abandoned: str | None = None
    """Why the last newcomer was abandoned."""
    failed: frozenset[str] = frozenset()
    """Newcomers that failed their admission."""

    @property
    def new_templates(self) -> frozenset[Template]:
        """The versions that newcomers of this stage run."""
        return frozenset(self.versions().values())

    @property
    def our_templates(self) -> frozenset[Template]:
        """The versions that only nodes of this change run, whichever way they went."""
        return frozenset(version for moved in self.moved for version in (moved.new, moved.back) if version)

    @property
    def size(self) -> int:
        """What this stage asks for as it begins."""
        return self.desired + self.carried + self.surge

    @property
    def in_place(self) -> bool:
        """Whether instances stay, and get another root volume."""
        return self.strategy == IN_PLACE

    @property
    def suspends(self) -> tuple[str, ...]:
        """Auto Scaling's processes that stand still while the change is open."""
        return suspended_by(self.strategy)

    @property
    def images_before(self) -> dict[str, str]:
        """By instance whose root volume was to be replaced, the image that it ran."""
        return dict(note.split() for note in self.swapped)

    @property
    def receiver(self) -> str:
        """The Auto Scaling group in which newcomers of this stage come."""
        return self.move.receiver(back=self.stage == "back") if self.move else self.run.group

    @property
    def receiver_size(self) -> int:
        """What this stage asks of that group, where it is another one than the old instances'."""
        return self.move.base + self.surge + len(self.grown - self.move.grown) if self.move else self.size

    def is_new(self, instance: Instance) -> bool:
        """Whether the instance is a newcomer of this stage."""
        if self.move:
            return instance.home == self.receiver and instance.id not in self.move.settled
        return instance.template in self.new_templates

    def is_ours(self, instance: Instance) -> bool:
        """Whether this change launched the instance."""
        if self.move:
            return self.has_gone(instance) or self.is_new(instance)
        return instance.template in self.our_templates

    def moved_to_target(self, instance: Instance) -> bool:
        """Whether the instance runs the target because of this change: what goes back if it proves to be bad.

        Auto Scaling goes on naming the launch template from which an instance came, whatever its root volume is by now.
        """
        if self.move:
            return self.has_gone(instance)
        if self.in_place:
            noted = instance.id in self.images_before or self.is_ours(instance)
            return noted and instance.ami == self.target.ami
        return self.is_ours(instance) and not (self.stage == "back" and self.is_new(instance))

    def has_gone(self, instance: Instance) -> bool:
        """Whether this change launched the instance as one of its target."""
        if self.move:
            return instance.home == self.move.into and instance.id not in self.move.settled
        return instance.template in {moved.new for moved in self.moved if moved.new}

    def given_back(self, group: Group) -> int:
        """How many nodes this stage gave back. A note alone gives none: the termination after it may have failed."""
        return sum(group.instance(name) is None for name in self.decremented - self.settled)

    def olds(self, group: Group) -> list[Instance]:
        """Return what is left to replace, in the plan's order, then what came after the plan and missed the target."""
        places = {name: place for place, name in enumerate(self.order)}
        olds = [instance for instance in group.staying if self._is_old(instance)]
        return sorted(olds, key=lambda instance: (places.get(instance.id, len(places)), instance.id))

    def _is_old(self, instance: Instance) -> bool:
        """Whether the instance is to go: it misses the target or, on the way back, was moved to it."""
        if self.stage == "back":
            return self.moved_to_target(instance)
        return instance.ami != self.target.ami and not self.is_new(instance)

    def versions(self) -> Mapping[Template, Template]:
        """From each template as the group named it to the version of it that newcomers of this stage get."""
        found = {moved.source: moved.back if self.stage == "back" else moved.new for moved in self.moved}
        return {source: version for source, version in found.items() if version}

    @property
    def opened_launch(self) -> dict[str, Any]:
        """The launch specification while this stage is open."""
        moved = retarget(self.launch, self.versions(), self.target.ami)
        return with_amis(moved, override_amis(self.launch)) if self.stage == "back" else moved


@dataclass(frozen=True)
class GroupUpdate:
    """Goals for a group's own settings; None leaves one as it is."""

    launch: dict[str, Any] | None = None
    max: int | None = None
    desired: int | None = None
    protects_new: bool | None = None
