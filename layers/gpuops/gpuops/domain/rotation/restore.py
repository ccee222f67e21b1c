"""How a group is put back once its change ends, whether every node was rolled or not.

Whether the run succeeded is read from the group, not from the run: an execution that died after its last node has
succeeded, and only what runs now can say which image new nodes should get.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpuops.domain.rotation.change import GroupUpdate, Stage, Undo
from gpuops.domain.rotation.group import Group, Instance, Template
from gpuops.domain.rotation.launch import override_amis, retarget, templates_of, with_amis


@dataclass(frozen=True)
class Restore:
    """Goals that put the group's settings back; the words go to the report."""

    update: GroupUpdate
    resume: tuple[str, ...]
    unprotect: tuple[str, ...]
    restored: tuple[str, ...]
    left: tuple[str, ...]


def is_rolled(group: Group, undo: Undo) -> bool:
    """Whether every instance that stays runs the target, and is to."""
    return undo.stage != "back" and all(instance.ami == undo.target.ami for instance in group.staying)


def lopsided(group: Group) -> str | None:
    """Say so when the zones are so uneven that AZRebalance, once resumed, will move nodes by itself."""
    sizes = Counter(instance.zone for instance in group.staying)
    if not sizes or max(sizes.values()) - min(sizes.values()) < 2:  # noqa: PLR2004 - a difference of one is balance
        return None
    told = ", ".join(f"{zone} {size}" for zone, size in sorted(sizes.items()))
    return f"zones are uneven ({told}): Auto Scaling will balance them, and may terminate loaded nodes for it"


def plan_restore(group: Group, undo: Undo, latest: Mapping[str, int]) -> Restore:
    """Return the goals that put processes, protection, sizes and launch templates back.

    `latest` has the newest version of each launch template by its id.
    """
    launch, notes = _launch(group, undo, latest)
    resume = tuple(name for name in undo.suspends if name in group.suspended and name not in undo.suspended)
    unprotect = tuple(i.id for i in _protected(group, undo) if i.in_service)
    protects = undo.protects_new if group.protects_new != undo.protects_new else None
    maximum, kept = _maximum(group, undo)
    return Restore(
        update=GroupUpdate(launch=launch, max=maximum, protects_new=protects),
        resume=resume,
        unprotect=unprotect,
        restored=_words(launch, resume, unprotect, protects, maximum),
        left=(*notes, *kept),
    )


def arriving(group: Group, undo: Undo) -> tuple[str, ...]:
    """Return the newcomers whose protection stays for now: Auto Scaling takes it off instances in service only."""
    return tuple(instance.id for instance in _protected(group, undo) if not instance.in_service)


def _protected(group: Group, undo: Undo) -> list[Instance]:
    """Protected because of this change."""
    return [] if undo.protects_new else [i for i in group.staying if undo.is_ours(i) and i.protected]


def _maximum(group: Group, undo: Undo) -> tuple[int | None, tuple[str, ...]]:
    """The original maximum, once the size fits below it and nobody else has set another."""
    if group.max == undo.max or group.max not in {*undo.sizes, undo.size}:
        return None, ()
    if group.desired > undo.max:
        return None, (f"maximum size {group.max}: the group has {group.desired} nodes, above {undo.max}",)
    return undo.max, ()


def _launch(group: Group, undo: Undo, latest: Mapping[str, int]) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The launch specification to end with (None: as it is), and what the operator should know about it."""
    if not undo.our_templates:
        return None, ()
    complete = all(moved.new for moved in undo.moved)
    known = {_names(undo.launch), *_opened(undo)}
    wanted, notes = _rolled(undo, latest) if complete and is_rolled(group, undo) else _unrolled(undo, latest)
    if _names(group.launch) == _names(wanted):
        return None, notes
    if _names(group.launch) not in known:
        return None, ("launch template: somebody else changed it meanwhile, so it stays",)
    return wanted, notes


def _opened(undo: Undo) -> Iterator[tuple[object, ...]]:
    """The specifications that stages of the change have given the group, as far as their versions exist."""
    stages: tuple[Stage, ...] = ("forward", "back")
    for stage in stages:
        at = undo.model_copy(update={"stage": stage})
        if len(at.versions()) == len(undo.moved):
            yield _names(at.opened_launch)


def _rolled(undo: Undo, latest: Mapping[str, int]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The new versions stay; `$Latest` is written again where it still means ours."""
    versions: dict[Template, Template] = {}
    notes: list[str] = []
    for source, new in undo.versions().items():
        follows = source.version == "$Latest" and latest.get(source.id) == int(new.version)
        versions[source] = source if follows else new
        if not follows:
            notes.append(f"launch template {new.id}: the group now names version {new.version} (was {source.version})")
    return retarget(undo.launch, versions, undo.target.ami), tuple(notes)


def _unrolled(undo: Undo, latest: Mapping[str, int]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The original specification; `$Latest` would now mean our version, so its old number stands in."""
    versions: dict[Template, Template] = {}
    notes: list[str] = []
    for moved in undo.moved:
        newest = {int(version.version) for version in (moved.new, moved.back) if version}
        ours = moved.source.version == "$Latest" and latest.get(moved.source.id) in newest
        versions[moved.source] = moved.resolved if ours else moved.source
        if ours:
            notes.append(f"launch template {moved.source.id}: version {moved.resolved.version} stands in for $Latest")
    back = retarget(undo.launch, versions, undo.target.ami)
    return with_amis(back, override_amis(undo.launch)), tuple(notes)


def _names(launch: dict[str, Any]) -> tuple[object, ...]:
    """What tells two specifications apart: the templates and images that they name."""
    return templates_of(launch), override_amis(launch)


def _words(
    launch: dict[str, Any] | None,
    resume: tuple[str, ...],
    unprotect: tuple[str, ...],
    protects: bool | None,  # noqa: FBT001 - one of the goals, told in words
    maximum: int | None,
) -> tuple[str, ...]:
    """What is put back, for the report."""
    words = [f"resumed {name}" for name in resume]
    named = [f"{template.id} version {template.version}" for template in templates_of(launch)] if launch else []
    words += [f"launch template {', '.join(named)}"] if named else []
    if protects is not None:
        words.append(f"protection of new instances {'on' if protects else 'off'}")
    words += [f"protection of {len(unprotect)} instances off"] if unprotect else []
    if maximum is not None:
        words.append(f"maximum size {maximum}")
    return tuple(words)
