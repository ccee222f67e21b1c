"""An AMI as EC2 describes it, whether it fits a group's policy, and under which public parameters AWS names it."""

from dataclasses import dataclass
from datetime import datetime

from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.nodeview import Family
from gpuops.domain.policy import Ami
from gpuops.domain.rotation.target import Target

AVAILABLE = "available"
PREFIXES: dict[str, Family] = {"amazon-eks-node-al2023-": "al2023", "bottlerocket-": "bottlerocket"}
"""How the names of AWS's own images begin; an image of somebody's own may be called anything."""


@dataclass(frozen=True)
class Image:
    """One AMI."""

    ami: str
    name: str
    architecture: str
    state: str = AVAILABLE
    created: datetime | None = None
    deprecated: datetime | None = None
    """When its owner deprecates it, or did; AWS dates its own two years ahead."""
    root_device: str = ""
    root_gib: int | None = None
    """Of its root volume; None where EC2 does not say."""


@dataclass(frozen=True)
class Parameters:
    """The two public SSM parameters that name a recommended release."""

    image: str
    release: str


def parameters_of(ami: Ami, kubernetes: str) -> Parameters:
    """Return where AWS names the recommended NVIDIA image for a cluster's version.

    Sources: EKS user guide, "Retrieve recommended Amazon Linux AMI IDs" and "… Bottlerocket AMI IDs"; Bottlerocket's
    QUICKSTART-EKS (image_version).
    """
    if ami.family == "bottlerocket":
        root = f"/aws/service/bottlerocket/aws-k8s-{kubernetes}-nvidia/{ami.architecture}/latest"
        return Parameters(image=f"{root}/image_id", release=f"{root}/image_version")
    root = f"/aws/service/eks/optimized-ami/{kubernetes}/amazon-linux-2023/{ami.architecture}/nvidia/recommended"
    return Parameters(image=f"{root}/image_id", release=f"{root}/release_version")


def name_pattern(ami: Ami) -> str:
    """Return how AWS names the images of this kind, as a filter of `describe-images`, of every Kubernetes version."""
    if ami.family == "bottlerocket":
        return f"bottlerocket-aws-k8s-*-nvidia-{'aarch64' if ami.architecture == 'arm64' else ami.architecture}-*"
    return f"amazon-eks-node-al2023-{ami.architecture}-nvidia*"


def check_fit(target: Target, image: Image | None, ami: Ami) -> Image:
    """Return the image. Raises: Invalid unless it exists, is available and is what the policy says it is."""
    if image is None:
        raise Invalid(f"AMI {target.ami} does not exist, or this account may not use it")
    if image.state != AVAILABLE:
        raise Invalid(f"AMI {image.ami} is {image.state}, not available")
    if image.architecture != ami.architecture:
        raise Invalid(f"AMI {image.ami} is for {image.architecture}; the policy says {ami.architecture}")
    family = next((family for prefix, family in PREFIXES.items() if image.name.startswith(prefix)), ami.family)
    if family != ami.family:
        raise Invalid(f"AMI {image.ami} ({image.name}) is {family}; the policy says {ami.family}")
    return image


def check_release(target: Target, image: Image) -> None:
    """Raise Unavailable while a release is being published: its parameters are written one after the other.

    The names of AWS's images end in what their release ends in, the date or Bottlerocket's commit.
    """
    last = target.release.rpartition("-")[2]
    if not image.name.endswith(last):
        raise Unavailable(f"AMI {image.ami} is {image.name}, and not yet {target.release}: AWS is publishing a release")
