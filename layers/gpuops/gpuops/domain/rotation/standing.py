"""How a release stands: taken back by who published it, older than what a group runs, or neither.

AWS tells nobody that it takes a release back: its parameter names the release before again, its image is deprecated or
gone. So what was recommended before is compared with what is recommended now. And the newest release may still go
backwards: in August 2025 the driver went from 575.57 back to 570.172 (amazon-eks-ami's changelog).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gpuops.domain.drivers.catalogue import driver_catalogue
from gpuops.domain.drivers.releases import read_release
from gpuops.domain.drivers.versions import Version, parse_version
from gpuops.domain.rotation.image import AVAILABLE, Image
from gpuops.domain.rotation.release import SeenRelease, Standing
from gpuops.domain.rotation.target import Target

_BOTTLEROCKET = re.compile(r"(?:.*-v)?(\d{1,4})\.(\d{1,4})\.(\d{1,4})-[0-9a-f]{8}", re.ASCII)
_BUILT = re.compile(r"([a-z0-9_-]+)/(\d{1,9})\.(\d{1,9})\.(\d{1,9})/(\d{1,9})", re.ASCII)

Place = tuple[str, Version]
"""A line of releases, and a place in it: only two of one line can be compared."""


@dataclass(frozen=True)
class Known:
    """What is known of one image: its name for people, its place among its like, its driver."""

    release: str
    place: Place | None = None
    driver: str | None = None


def known_of(image: Image, release: str = "") -> Known:
    """Return what the release's own words and the image's name say; an image of somebody's own may say nothing."""
    driver = driver_catalogue().driver(image.architecture, read_release(release, image.name))
    return Known(release or image.name or image.ami, _place(release, image.name), driver)


def older_than(target: Known, running: Iterable[Known]) -> str | None:
    """Return why the target would go backwards from one of those that run, or None: by driver, then by release."""
    for one in running:
        if target.driver and one.driver and parse_version(target.driver) < parse_version(one.driver):
            return f"its driver {target.driver} is older than {one.driver} of {one.release}"
        if older_place(target, one):
            return f"it is older than {one.release}"
    return None


def older_place(one: Known, other: Known) -> bool:
    """Whether both are of one line, and the one comes before the other."""
    return bool(one.place and other.place and one.place[0] == other.place[0] and one.place[1] < other.place[1])


def taken_back(image: Image | None, now: datetime) -> str | None:
    """Return how EC2 shows that an image should not be launched any more, or None."""
    if image is None:
        return "its AMI is gone"
    if image.state != AVAILABLE:
        return f"its AMI is {image.state}"
    if image.deprecated and image.deprecated <= now:
        return f"its AMI is deprecated since {image.deprecated.isoformat()}"
    return None


@dataclass(frozen=True)
class Against:
    """What speaks against rolling to a release; None for what does not."""

    gone: str | None = None
    withdrawn: str | None = None
    older: str | None = None


def against(release: SeenRelease, running: Mapping[str, str], images: Mapping[str, Image], now: datetime) -> Against:
    """Return what speaks against a release for a group that runs, or would launch, the images in `running`.

    Its values are the releases by which they are remembered, or empty: of an image that is gone nothing else is known.
    """
    image = images.get(release.target.ami)
    back = taken_back(image, now)
    if image is None or image.state != AVAILABLE:
        return Against(gone=back)
    others = [
        known_of(images.get(ami, Image(ami=ami, name="", architecture=image.architecture)), name)
        for ami, name in running.items()
        if ami != image.ami
    ]
    return Against(
        withdrawn=release.why if release.status == "withdrawn" else back,
        older=older_than(known_of(image, release.target.release), others),
    )


@dataclass(frozen=True)
class Look:
    """What one look at AWS shows to one group."""

    target: Target
    """What its policy means now."""
    follows: bool
    """Whether somebody recommends it: a person who names an AMI may well name an older one."""
    running: Mapping[str, str]
    """The images of its instances, with the releases by which they are remembered."""
    images: Mapping[str, Image]
    """Of these, and of every release that is remembered."""
    now: datetime


def judge_releases(known: Iterable[SeenRelease], look: Look) -> list[SeenRelease]:
    """Return those releases that stand otherwise than they are remembered, as they stand now.

    One that was withdrawn and is recommended again counts as seen only now: its hold begins anew.
    """
    changed = []
    for release in known:
        status, why = _standing(release, look)
        if status != release.status:
            seen = look.now if release.status == "withdrawn" else release.seen
            changed.append(SeenRelease(target=release.target, seen=seen, status=status, why=why))
    return changed


def _standing(release: SeenRelease, look: Look) -> tuple[Standing, str]:
    """How a release stands; what is not the target any more, and not taken back, stands as it did.

    Only who publishes it brings a withdrawn one back, by recommending it again: a pin does not.
    """
    image = look.images.get(release.target.ami)
    back = taken_back(image, look.now)
    if image is None or back is not None:
        return "withdrawn", str(back)
    if release.target.ami != look.target.ami:
        again = look.follows and _recommended_again(release, image, look)
        return ("withdrawn", f"{look.target.release} is recommended again") if again else (release.status, release.why)
    if release.status == "withdrawn" and not look.follows:
        return release.status, release.why
    older = against(release, look.running, look.images, look.now).older
    return ("older", older) if older else ("seen", "")


def _recommended_again(release: SeenRelease, image: Image, look: Look) -> bool:
    """Whether what is recommended now is an older one of the same line."""
    target = look.images.get(look.target.ami)
    if target is None:
        return False
    now, before = known_of(target, look.target.release), known_of(image, release.target.release)
    return older_place(now, before)


def _place(*names: str) -> Place | None:
    """What the first of the names that tells anything says."""
    for name in names:
        if (date := read_release(name).date) is not None:
            return "al2023", (date,)
        if found := _BOTTLEROCKET.fullmatch(name):
            return "bottlerocket", tuple(int(part) for part in found.groups())
        if found := _BUILT.fullmatch(name):
            return found[1], tuple(int(part) for part in found.groups()[1:])
    return None
