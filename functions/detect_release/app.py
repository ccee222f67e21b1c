"""Look whether a new AMI is out for any group of the policy, and announce it after its hold; daily until it runs.

In:  {"now": "..."}
Out: {"status": "checked", "reason", "detected": [{"cluster", "group", "ami", "release"}]}
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.images import Found
from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, together
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.gates import Target
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.launch import override_amis, templates_of
from gpuops.domain.rotation.release import Told, is_news
from gpuops.entry import entry

EXPECTED = (Conflict, Invalid, Refused, Unavailable)


class DetectRelease(BaseModel):
    """A tick of the schedule: it says nothing but the time."""


class Detected(BaseModel):
    """One announcement."""

    cluster: str
    group: str
    ami: str
    release: str


class Detection(BaseModel):
    """What was announced."""

    status: Literal["checked"] = "checked"
    reason: str
    detected: tuple[Detected, ...]


@entry(DetectRelease)
def handler(request: DetectRelease, now: datetime) -> Detection:  # noqa: ARG001 - a tick carries nothing
    """Check; a second call finds the releases told."""
    return detect(now, World())


def detect(now: datetime, world: World) -> Detection:
    """One group that cannot be checked keeps no other from its news; all errors are raised at the end.

    What many groups share is read once before: two hundred of them must stay within the APIs' rates.
    """
    policies = world.policies.latest().groups
    targets = world.images.targets(policies)
    groups = world.groups.describe_all([policy.group for policy in policies])
    errors, detected = [], []
    for policy in policies:
        try:
            found = _check(policy, targets[policy.group], groups.get(policy.group), now, world)
        except EXPECTED as error:
            errors.append(error)
        else:
            detected += [found] if found else []
    if errors:
        raise together(errors)
    return Detection(reason=f"{len(policies)} groups checked, {len(detected)} releases announced", detected=detected)


def _check(policy: GroupPolicy, target: Found, group: Group | None, now: datetime, world: World) -> Detected | None:
    """Announce the group's release if it is news. The event goes out before the note: rather twice than never.

    While a run holds the group, or all is stopped, there is nothing to tell: a run would only be refused. Nor of a
    release that proved to be bad in the group: only a person has it tried again.
    """
    if not isinstance(target, Target):
        raise target
    if group is None:
        raise Invalid(f"Auto Scaling group {policy.group!r} does not exist, or is being deleted")
    running = _images(group, world)
    release = world.releases.see(policy.group, target, now)
    told = world.releases.told(policy.group)
    if not is_news(release, running, policy, told, now) or _is_busy(policy.group, world):
        return None
    if world.releases.condemned(policy.group, target.ami):
        return None
    found = Detected(cluster=policy.cluster, group=policy.group, ami=target.ami, release=target.release)
    world.bus.put_release({**found.model_dump(), "old_amis": sorted(running - {target.ami})})
    world.releases.tell(policy.group, Told(ami=target.ami, mode=policy.mode, at=now))
    return found


def _is_busy(group: str, world: World) -> bool:
    """Whether a run that is started now could not begin."""
    return world.store.lock("rotation", group) is not None or world.wishes.stop() is not None


def _images(group: Group, world: World) -> frozenset[str]:
    """Every image that the group runs or would launch."""
    launched = {world.templates.read(template).ami for template in templates_of(group.launch)}
    launched |= set(override_amis(group.launch)) | {instance.ami for instance in group.staying}
    return frozenset(launched - {""})
