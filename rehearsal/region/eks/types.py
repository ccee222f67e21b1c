"""AMI types: which of the published releases a node group means by a release version.

Leaves out the types without GPUs, Windows, and Bottlerocket's FIPS variants.
"""

from collections.abc import Iterable

from rehearsal.scenario import Release

CUSTOM = "CUSTOM"
"""The image is the launch template's own: EKS knows no release of it."""
TYPES = {
    ("al2023", "x86_64"): "AL2023_x86_64_NVIDIA",
    ("al2023", "arm64"): "AL2023_ARM_64_NVIDIA",
    ("bottlerocket", "x86_64"): "BOTTLEROCKET_x86_64_NVIDIA",
    ("bottlerocket", "arm64"): "BOTTLEROCKET_ARM_64_NVIDIA",
}


def ami_type(release: Release) -> str:
    """The type of a node group that runs the release."""
    return TYPES[release.family, release.architecture]


def of_type(releases: Iterable[Release], wanted: str) -> list[Release]:
    """The GPU releases of this type, in the order in which they were published."""
    return [release for release in releases if release.driver and ami_type(release) == wanted]
