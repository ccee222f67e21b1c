"""How releases stand: which of two goes backwards, and what shows that one is taken back.

Covered: dates, Bottlerocket's versions, a pipeline's builds; lines that cannot be compared; drivers of the catalogue
before dates; an image that EC2 forgot; deprecation dated ahead.
"""

from datetime import timedelta

import pytest

from gpuops.domain.rotation.image import Image
from gpuops.domain.rotation.release import SeenRelease
from gpuops.domain.rotation.standing import Against, against, known_of, older_than, taken_back
from gpuops.domain.rotation.target import Target
from tests.fakes.rotation import NEW, NOW, OLD, image

GONE = "ami-0ff0ff0ff0ff0ff0f"
EKS = "amazon-eks-node-al2023-x86_64-nvidia-1.36-v"
FLAT = "bottlerocket-aws-k8s-1.36-nvidia-aarch64-v"


def named(name: str) -> Image:
    """An image of a name."""
    return Image(ami=NEW, name=name, architecture="x86_64")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{EKS}20260714", f"{EKS}20261120"),
        (f"{FLAT}1.9.2-1a2b3c4d", f"{FLAT}1.50.0-5e6f7a8b"),
        ("gpu-al2023/1.0.9/2", "gpu-al2023/1.0.10/1"),
    ],
)
def test_of_one_line_the_older_one_is_told(one: str, other: str) -> None:
    """By number, not by letter; the other way round nothing is."""
    old, new = known_of(named(one)), known_of(named(other))

    assert older_than(old, [new]) == f"it is older than {other}"
    assert older_than(new, [old]) is None
    assert older_than(old, [old]) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{FLAT}1.50.0-1a2b3c4d", f"{EKS}20261120"),
        ("gpu-al2023/1.0.0/1", "other/2.0.0/1"),
        ("golden", f"{EKS}20261120"),
    ],
)
def test_different_lines_are_not_compared(one: str, other: str) -> None:
    """A change of channel or family is the operator's own."""
    assert older_than(known_of(named(one)), [known_of(named(other))]) is None


def test_a_newer_release_with_an_older_driver_goes_backwards() -> None:
    """As EKS's did in August 2025, by the catalogue."""
    july, august = known_of(image(OLD, 20250715)), known_of(image(NEW, 20250807))

    assert (july.driver, august.driver) == ("575.57.08", "570.172.08")
    assert older_than(august, [july]) == f"its driver 570.172.08 is older than 575.57.08 of {july.release}"
    assert older_than(known_of(image(NEW, 20251120)), [july]) is None


def test_the_releases_own_words_go_before_the_images_name() -> None:
    """A pipeline names its builds; what its image is called says nothing."""
    first, second = (known_of(named("golden"), f"gpu/1.0.0/{build}") for build in (1, 2))

    assert older_than(first, [second]) == "it is older than gpu/1.0.0/2"


def test_an_image_that_ec2_forgot_is_compared_by_what_is_remembered() -> None:
    """The nodes that run it are newer all the same."""
    release = SeenRelease(target=Target(ami=OLD, release="1.33.0-20260714"), seen=NOW)
    images = {OLD: image(OLD, 20260714)}

    remembered = against(release, {GONE: "1.33.0-20261120"}, images, NOW)

    assert remembered == Against(older="it is older than 1.33.0-20261120")
    assert against(release, {GONE: ""}, images, NOW) == Against()


def test_what_speaks_against_a_release_is_told_apart() -> None:
    """Gone; withdrawn as it is remembered; deprecated as EC2 says."""
    release = SeenRelease(target=Target(ami=NEW, release="r"), seen=NOW, status="withdrawn", why="r0 again")
    fresh = SeenRelease(target=release.target, seen=NOW)

    assert against(release, {}, {}, NOW) == Against(gone="its AMI is gone")
    assert against(release, {}, {NEW: image(NEW)}, NOW) == Against(withdrawn="r0 again")
    assert against(fresh, {}, {NEW: image(NEW)}, NOW) == Against()
    deprecated = against(fresh, {}, {NEW: image(NEW, deprecated=NOW)}, NOW)
    assert deprecated == Against(withdrawn="its AMI is deprecated since 2026-11-23T10:00:00+00:00")


def test_a_deprecation_counts_from_its_date() -> None:
    """AWS dates each of its own two years ahead."""
    dated = image(NEW, deprecated=NOW + timedelta(days=700))

    assert taken_back(dated, NOW) is None
    assert taken_back(dated, NOW + timedelta(days=700)) is not None
