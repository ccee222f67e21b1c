"""AMI releases: an image in EC2, and the public SSM parameters that name it, from the release's simulated time on.

AWS announces no new image by an event: whoever wants to know polls these parameters, so they must change in time.
Leaves out: trees other than EKS's, the JSON under `…/recommended`, other owners' images (moto's own sample images stay
where they are). moto's PutParameter refuses /aws/…; hence the write past it.
"""

from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.responses.amis import AmisResponse
from moto.ssm.models import Parameter, ssm_backends

from rehearsal.region.fleet_ports import ACCOUNT, REGION, Timers, moment
from rehearsal.region.imagebuilder import ImageBuilder
from rehearsal.region.patches import Patches
from rehearsal.scenario import Release, Withdrawal

EKS_IMAGE_ACCOUNT = "602401143452"


class SizedAmi(Ami):  # type: ignore[misc]
    """moto's image, whose root volume may have another size than the one that moto gives to all."""

    root_gib: int | None = None

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """As moto shows them, with the size."""
        shown: list[dict[str, Any]] = super().block_device_mappings
        if self.root_gib:
            shown[0]["Ebs"]["VolumeSize"] = self.root_gib
        return shown


class Images:
    """Publishes releases; the last one published is the recommended one, the older ones stay in the history."""

    def __init__(self, timers: Timers, kubernetes: str, builder: ImageBuilder) -> None:
        self._timers, self._kubernetes, self._builder = timers, kubernetes, builder
        self.published: list[Release] = []
        self._ec2 = ec2_backends[ACCOUNT][REGION]
        self._parameters = ssm_backends[ACCOUNT][REGION]._parameters  # noqa: SLF001 - moto offers no other way in

    def schedule(self, release: Release) -> None:
        """Publish at `release.at` seconds from now, at once when that is 0."""
        if release.at <= 0:
            self.publish(release)
        else:
            self._timers.call_later(release.at, f"images/{release.ami}", lambda: self.publish(release))

    def publish(self, release: Release) -> None:
        """Register the image and let the parameters name it; one of a pipeline is announced instead."""
        self.published.append(release)
        self._register(release, image_name(release, self._kubernetes))
        if release.pipeline:
            self._builder.build(release, tell=release.at > 0)
            return
        for name, value in parameters(release, self._kubernetes).items():
            self._append(name, value)

    def install(self, patches: Patches) -> None:
        """Hide deprecated images from whoever neither names them nor asks for such: moto knows no deprecation."""
        plain = AmisResponse.describe_images

        def describe_images(response: AmisResponse) -> ActionResult:
            found = plain(response)
            asked = response._get_params()  # noqa: SLF001 - moto offers no other way in
            if not asked.get("ImageIds") and str(asked.get("IncludeDeprecated", "")).lower() != "true":
                now = moment(self._timers)
                found.result["Images"] = [i for i in found.result["Images"] if not _deprecated(i, now)]
            return found

        patches.set(AmisResponse, "describe_images", describe_images)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Let the parameters name the release before again; the image stays, is deprecated, or goes."""
        gone = next(release for release in self.published if release.ami == withdrawal.ami)
        mine = parameters(gone, self._kubernetes)
        before = [r for r in self.published if r != gone and mine.keys() & parameters(r, self._kubernetes).keys()][-1]
        for name, value in parameters(before, self._kubernetes).items():
            if name in mine:
                self._append(name, value)
        self.published.remove(gone)
        if withdrawal.image == "gone":
            del self._ec2.amis[gone.ami]
        elif withdrawal.image == "deprecated":
            self._ec2.amis[gone.ami].deprecation_time = f"{moment(self._timers):%Y-%m-%dT%H:%M:%S.000Z}"

    def _register(self, release: Release, name: str) -> None:
        architecture = release.architecture
        self._ec2.amis[release.ami] = SizedAmi(
            self._ec2,
            release.ami,
            name=name,
            description=f"EKS-optimized Kubernetes node ({release.release}, {architecture})",
            owner_id=ACCOUNT if release.pipeline else EKS_IMAGE_ACCOUNT,
            owner_alias=None if release.pipeline else "amazon",
            public=not release.pipeline,
            virtualization_type="hvm",
            architecture=architecture,
            creation_date=moment(self._timers),
            image_location=f"amazon/{name}",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name="/dev/xvda",
            boot_mode="uefi-preferred",
        )
        self._ec2.amis[release.ami].root_gib = release.root_gib

    def _append(self, name: str, value: str) -> None:
        versions = self._parameters[name]
        when = moment(self._timers)
        number = len(versions) + 1
        versions.append(Parameter(ACCOUNT, name, value, "String", "", "", "", when, number, "text", tier="Standard"))


def _deprecated(image: Ami, now: datetime) -> bool:
    since = getattr(image, "deprecation_time", None)
    return since is not None and datetime.fromisoformat(since) <= now.replace(tzinfo=UTC)


def image_name(release: Release, kubernetes: str) -> str:
    """As EKS names its images: the release's date, not its patch version; a pipeline's own words say less."""
    if release.pipeline:
        return f"{release.pipeline} {release.release.replace('/', '-')}"
    date = release.release.rsplit("-", 1)[-1]
    if release.family == "bottlerocket":
        variant = "-nvidia" if release.driver else ""
        architecture = {"arm64": "aarch64"}.get(release.architecture, release.architecture)
        return f"bottlerocket-aws-k8s-{kubernetes}{variant}-{architecture}-v{release.release}"
    variant = "nvidia" if release.driver else "standard"
    return f"amazon-eks-node-al2023-{release.architecture}-{variant}-{kubernetes}-v{date}"


def parameters(release: Release, kubernetes: str) -> dict[str, str]:
    """The public parameters that name this release while it is the newest, and those that keep naming it."""
    if release.family == "bottlerocket":
        variant = "-nvidia" if release.driver else ""
        root = f"/aws/service/bottlerocket/aws-k8s-{kubernetes}{variant}/{release.architecture}"
        values = {"image_id": release.ami, "image_version": release.release}
        return {
            f"{root}/{key}/{field}": value for key in ("latest", release.release) for field, value in values.items()
        }
    variant = "nvidia" if release.driver else "standard"
    root = f"/aws/service/eks/optimized-ami/{kubernetes}/amazon-linux-2023/{release.architecture}/{variant}"
    name = image_name(release, kubernetes)
    values = {"image_id": release.ami, "release_version": release.release, "image_name": name}
    return {f"{root}/{key}/{field}": value for key in ("recommended", name) for field, value in values.items()}
