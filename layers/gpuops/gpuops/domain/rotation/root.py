"""What another root volume makes of a running instance, where EC2 allows it, and what its task's state means.

EC2 replaces the root volume of a running instance by one of another image, and reboots it: the instance, its addresses
and its place stay, and so does its user data. Sources: EC2 user guide, "Replace the root volume for an Amazon EC2
instance without stopping it"; EC2 API reference, ReplaceRootVolumeTask.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Instance, TemplateVersion
from gpuops.domain.rotation.image import Image
from gpuops.domain.rotation.strategy import Swap

PATIENCE = timedelta(minutes=30)
"""A task of EC2's own example takes 20 seconds; the volume is filled from the image's snapshot while it is used."""
LOOK_SECONDS = 20
"""Between two looks at a task."""
RUNNING = ("pending", "in-progress", "failing", "failing-detached")
METAL = ".metal"


@dataclass(frozen=True)
class RootTask:
    """One replacement, as EC2 tells it."""

    id: str
    state: str
    image: str
    started: datetime | None = None

    @property
    def runs(self) -> bool:
        """Whether it is not over yet."""
        return self.state in RUNNING


@dataclass(frozen=True)
class Progress:
    """Where a replacement stands."""

    status: Literal["begin", "replacing", "replaced", "failed"]
    reason: str


def decide_swap(instance: Instance, wanted: str, task: RootTask | None) -> Progress:
    """Begin it, wait, or say how it ended; `task` is the one that this slot began, if it did.

    A task that failed leaves the old volume attached, or none at all: then the instance is lost.
    """
    if task is not None and task.runs:
        return Progress("replacing", f"{instance.id}: task {task.id} is {task.state}")
    if instance.ami == wanted:
        return Progress("replaced", f"{instance.id} runs {wanted}")
    if task is None:
        return Progress("begin", f"{instance.id} gets a root volume of {wanted}")
    if task.state == "succeeded":
        return Progress("replacing", f"{instance.id}: task {task.id} succeeded; EC2 still names {instance.ami}")
    lost = ": it has no root volume" if task.state == "failed-detached" else ": it keeps the one it had"
    return Progress("failed", f"{instance.id}: task {task.id} {task.state}{lost}")


def image_wanted(undo: Undo, instance: Instance, original: str) -> str:
    """Return the image that the instance is to run next; on the way back its own of before.

    `original` is what the group launched before: for what somebody scaled up meanwhile, which never ran another one.
    """
    return undo.images_before.get(instance.id, original) if undo.stage == "back" else undo.target.ami


def look_at_swap(
    family: str, types: Iterable[str], versions: Iterable[TemplateVersion], images: Mapping[str, Image], target: str
) -> Swap:
    """Return whether EC2 would replace the group's root volumes by the target's, by what it tells of its images.

    A root volume may not shrink, virtual machines alone can be helped so, and of Bottlerocket we have not seen that
    what it keeps on its second volume fits every other version.
    """
    if family == "bottlerocket":
        return Swap("Bottlerocket keeps its settings on a second volume, which would stay", known=True)
    if metal := sorted(kind for kind in types if METAL in kind):
        return Swap(f"EC2 replaces no root volume of {metal[0]}", known=True)
    new, known = images.get(target), True
    for version in versions:
        has, gets = _root_gib(version, images), new.root_gib if new else None
        if has is None or gets is None:
            known = False
        elif has > gets:
            of = f"{version.template.id} version {version.template.version}"
            return Swap(f"EC2 lets no root volume shrink: {of} has {has} GiB, {target} {gets} GiB", known=True)
    return Swap(known=known)


def _root_gib(version: TemplateVersion, images: Mapping[str, Image]) -> int | None:
    """The size that a launch template gives to the root volume, or else its image; None where neither says it."""
    image = images.get(version.ami)
    if image is None:
        return None
    for mapping in version.data.get("BlockDeviceMappings", ()):
        size = mapping.get("Ebs", {}).get("VolumeSize")
        if mapping.get("DeviceName") == image.root_device and size:
            return int(size)
    return image.root_gib
