"""Look whether a new AMI is out for any group of the policy, and announce it after its hold; daily until it runs.

What was taken back, or goes backwards, is marked; a run that is at work on it starts no further node. An image that a
pipeline of Image Builder has finished is looked for at once, by the groups that follow the pipeline.

In:  {"now": "...", "event"?: EventBridge's envelope of an image that is AVAILABLE}
Out: {"status": "checked", "reason", "detected": [{"cluster", "group", "ami", "release"}],
      "changed": [{"group", "ami", "release", "status": "seen" | "withdrawn" | "older", "why"}]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.images import Found
from gpuops.adapters.world import World
from gpuops.domain.errors import EXPECTED, Invalid, together
from gpuops.domain.policy import GroupPolicy, ImagePipeline, Pinned
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.image import Image
from gpuops.domain.rotation.launch import override_amis, templates_of
from gpuops.domain.rotation.pipeline import ImageAvailable
from gpuops.domain.rotation.release import SeenRelease, Standing, Told, is_news
from gpuops.domain.rotation.standing import Look, judge_releases
from gpuops.domain.rotation.target import Target
from gpuops.entry import entry


class DetectRelease(BaseModel):
    """A tick of the schedule, which says nothing but the time; or the news of an image."""

    event: ImageAvailable | None = None


class Detected(BaseModel):
    """One announcement."""

    cluster: str
    group: str
    ami: str
    release: str


class Changed(BaseModel):
    """One release that stands otherwise than before, for one group."""

    group: str
    ami: str
    release: str
    status: Standing
    why: str


class Detection(BaseModel):
    """What was announced, and what was marked."""

    status: Literal["checked"] = "checked"
    reason: str
    detected: tuple[Detected, ...]
    changed: tuple[Changed, ...]


@dataclass(frozen=True)
class Seen:
    """Everything that one look shows about one group."""

    policy: GroupPolicy
    target: Found
    group: Group | None
    known: Sequence[SeenRelease]
    told: Told | None


@entry(DetectRelease)
def handler(request: DetectRelease, now: datetime) -> Detection:
    """Check; a second call finds the releases told."""
    return detect(now, World(), request.event.image if request.event else None)


def detect(now: datetime, world: World, image: str | None = None) -> Detection:
    """One group that cannot be checked keeps no other from its news; all errors are raised at the end.

    What many groups share is read once before: two hundred of them must stay within the APIs' rates.
    """
    groups = _look(_concerned(image, world), world)
    images = world.images.describe(ami for seen in groups for ami in _amis(seen))
    errors: list[Exception] = []
    detected: list[Detected] = []
    changed: list[Changed] = []
    for seen in groups:
        try:
            release, marked = _remember(seen, images, now, world)
            changed += marked
            detected += _announce(seen, release, now, world)
        except EXPECTED as error:
            errors.append(error)
    if errors:
        raise together(errors)
    reason = f"{len(groups)} groups checked, {len(detected)} releases announced, {len(changed)} marked"
    return Detection(reason=reason, detected=detected, changed=changed)


def _concerned(image: str | None, world: World) -> tuple[GroupPolicy, ...]:
    """Every group; or those that follow the pipeline of an image."""
    policies = world.policies.latest().groups
    if image is None:
        return policies
    pipeline = world.pipelines.pipeline_of(image)
    return tuple(p for p in policies if isinstance(p.ami, ImagePipeline) and p.ami.pipeline == pipeline)


def _look(policies: tuple[GroupPolicy, ...], world: World) -> list[Seen]:
    """What AWS and the table say now, group by group."""
    targets = world.images.targets(policies)
    groups = world.groups.describe_all([policy.group for policy in policies])
    return [Seen(p, targets[p.group], groups.get(p.group), *world.releases.of(p.group)) for p in policies]


def _amis(seen: Seen) -> set[str]:
    """Every image that the group's releases are compared by."""
    target = {seen.target.ami} if isinstance(seen.target, Target) else set()
    return target | _running(seen.group) | {release.target.ami for release in seen.known}


def _running(group: Group | None) -> set[str]:
    return {instance.ami for instance in group.staying if instance.ami} if group else set()


def _remember(
    seen: Seen, images: Mapping[str, Image], now: datetime, world: World
) -> tuple[SeenRelease, list[Changed]]:
    """Return the target as it is remembered now, and what stands otherwise than before."""
    name = seen.policy.group
    if not isinstance(seen.target, Target):
        raise seen.target
    known = {release.target.ami: release for release in seen.known}
    if seen.target.ami not in known:
        known[seen.target.ami] = world.releases.see(name, seen.target, now)
    follows = not isinstance(seen.policy.ami, Pinned)
    running = {ami: known[ami].target.release if ami in known else "" for ami in _running(seen.group)}
    look = Look(seen.target, follows, running, images, now)
    changed = judge_releases(known.values(), look)
    for release in changed:
        world.releases.keep(name, release)
    known |= {release.target.ami: release for release in changed}
    _stop_run(name, known, world)
    told = [Changed(group=name, **r.target.model_dump(), status=r.status, why=r.why) for r in changed]
    return known[seen.target.ami], told


def _stop_run(group: str, known: Mapping[str, SeenRelease], world: World) -> None:
    """Let a run that is at work on a withdrawn release start no further node; its own policy says what follows."""
    withdrawn = {ami: release for ami, release in known.items() if release.status == "withdrawn"}
    undo = world.store.undo(group) if withdrawn else None
    if undo and undo.stopped is None and undo.target.ami in withdrawn:
        why = withdrawn[undo.target.ami].why
        world.store.stop(undo.run, f"{undo.target.release} was withdrawn meanwhile: {why}")


def _announce(seen: Seen, release: SeenRelease, now: datetime, world: World) -> list[Detected]:
    """Announce the group's release if it is news. The event goes out before the note: rather twice than never.

    While a run holds the group, or all is stopped, there is nothing to tell: a run would only be refused. Nor of a
    release that proved to be bad in the group: only a person has it tried again.
    """
    policy, target = seen.policy, release.target
    if seen.group is None:
        raise Invalid(f"Auto Scaling group {policy.group!r} does not exist, or is being deleted")
    running = _images(seen.group, world)
    if not is_news(release, running, policy, seen.told, now) or _is_busy(policy.group, world):
        return []
    if world.releases.condemned(policy.group, target.ami):
        return []
    found = Detected(cluster=policy.cluster, group=policy.group, ami=target.ami, release=target.release)
    world.bus.put_release({**found.model_dump(), "old_amis": sorted(running - {target.ami})})
    world.releases.tell(policy.group, Told(ami=target.ami, mode=policy.mode, at=now))
    return [found]


def _is_busy(group: str, world: World) -> bool:
    """Whether a run that is started now could not begin."""
    return world.store.lock("rotation", group) is not None or world.wishes.stop() is not None


def _images(group: Group, world: World) -> frozenset[str]:
    """Every image that the group runs or would launch."""
    launched = {world.templates.read(template).ami for template in templates_of(group.launch)}
    launched |= set(override_amis(group.launch)) | _running(group)
    return frozenset(launched - {""})
