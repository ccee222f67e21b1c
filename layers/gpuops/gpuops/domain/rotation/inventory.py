"""The AMIs of a group, each with what is known of it and how it stands: for people who choose, or wonder.

The verdict about the target is the plan's own, so that a list and a plan cannot disagree.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel

from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.image import Image
from gpuops.domain.rotation.plan import Decision, Status
from gpuops.domain.rotation.release import SeenRelease
from gpuops.domain.rotation.standing import known_of
from gpuops.domain.rotation.target import Target

Verdict = Literal["current", "candidate", "held", "rejected", "withdrawn", "older", "running", "known"]
VERDICTS: dict[Status, Verdict] = {
    "current": "current",
    "roll": "candidate",
    "planned": "candidate",
    "wait": "held",
    "hold": "held",
    "reject": "rejected",
}


class ListedAmi(BaseModel):
    """One AMI, as one group sees it."""

    ami: str
    name: str
    release: str
    driver: str | None
    """By the catalogue; None where it knows no such release."""
    created: AwareDatetime | None
    first_seen: AwareDatetime | None
    nodes: int
    verdict: Verdict
    reason: str
    until: AwareDatetime | None = None


def list_amis(
    group: Group, target: Target, decision: Decision, known: Sequence[SeenRelease], images: Mapping[str, Image]
) -> list[ListedAmi]:
    """Return the target, what the group runs, and what else was seen, the newest first."""
    seen = {release.target.ami: release for release in known}
    nodes = Counter(instance.ami for instance in group.staying if instance.ami)
    found = []
    for ami in dict.fromkeys([target.ami, *nodes, *seen]):
        release = target.release if ami == target.ami else seen[ami].target.release if ami in seen else ""
        verdict, reason = _verdict(ami, target, decision, seen.get(ami), nodes[ami])
        found.append(
            ListedAmi(
                ami=ami,
                first_seen=seen[ami].seen if ami in seen else None,
                nodes=nodes[ami],
                verdict=verdict,
                reason=reason,
                until=decision.until if ami == target.ami else None,
                **_described(images.get(ami), release),
            )
        )
    return [found[0], *sorted(found[1:], key=_age, reverse=True)]


def _verdict(ami: str, target: Target, decision: Decision, seen: SeenRelease | None, nodes: int) -> tuple[Verdict, str]:
    """The plan's for its target; else what is remembered; else whether it runs."""
    if ami == target.ami:
        return VERDICTS[decision.status], decision.reason
    if seen and seen.status != "seen":
        return seen.status, seen.why
    return ("running", f"{nodes} nodes") if nodes else ("known", "neither runs nor is meant")


def _described(image: Image | None, release: str) -> dict[str, object]:
    """What EC2 and the catalogue say of an image; of one that is gone, nothing but its release is known."""
    if image is None:
        return {"name": "", "release": release or "unknown", "driver": None, "created": None}
    read = known_of(image, release)
    return {"name": image.name, "release": read.release, "driver": read.driver, "created": image.created}


def _age(listed: ListedAmi) -> tuple[bool, str]:
    when = listed.created or listed.first_seen
    return when is not None, when.isoformat() if when else ""
