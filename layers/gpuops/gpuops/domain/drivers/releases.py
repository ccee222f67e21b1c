"""What the name of an AMI release says: its Kubernetes minor, and its date.

EKS writes both into release versions (`1.36.2-20260714`) and image names (`amazon-eks-node-al2023-x86_64-nvidia-1.36-
v20260714`); Bottlerocket writes the minor into its image names (`bottlerocket-aws-k8s-1.36-nvidia-x86_64-v1.50.0-...`).
"""

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(1\.\d{2})\.\d{1,3}-(20\d{6})", re.ASCII)
_NAME = re.compile(r"amazon-eks-(?:gpu-)?node-(?:[a-z0-9_]+-)*?(1\.\d{2})-v(20\d{6})", re.ASCII)
_BOTTLEROCKET = re.compile(r"bottlerocket-aws-k8s-(1\.\d{2})-.*", re.ASCII)


@dataclass(frozen=True)
class Release:
    """What is told by a name; None where it tells nothing."""

    minor: str | None = None
    """Such as 1.36."""
    date: int | None = None
    """Such as 20260714: the day of a release of amazon-eks-ami."""


def read_release(*names: str) -> Release:
    """Return what the first of the names that tells anything says: the release's own words go before the image's."""
    for name in names:
        if found := _VERSION.fullmatch(name) or _NAME.fullmatch(name):
            return Release(found[1], int(found[2]))
        if found := _BOTTLEROCKET.fullmatch(name):
            return Release(found[1])
    return Release()
