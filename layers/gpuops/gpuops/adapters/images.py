"""Which AMI each group should run, and whether it can be launched: read once for all groups that share it.

The public SSM parameters are the only announcement of a release there is; their path holds the Kubernetes version,
which the cluster itself is asked for, because a copy of it in the policy would go stale with each upgrade.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.adapters.pipelines import Pipelines
from gpuops.domain.errors import EXPECTED, Conflict, Invalid, Refused, Unavailable
from gpuops.domain.policy import Ami, GroupPolicy, ImagePipeline, Pinned, Recommended
from gpuops.domain.rotation.image import Image, check_fit, check_release, parameters_of
from gpuops.domain.rotation.target import Target

IMAGES_AT_ONCE = 200
"""EC2's limit of values for one filter."""

Fault = Conflict | Invalid | Refused | Unavailable
Found = Target | Fault


class Images:
    """Reads parameters, clusters and images; writes nothing."""

    def __init__(self, ssm: Any, ec2: Any, eks: Any, pipelines: Callable[[], Pipelines] = Pipelines.from_env) -> None:
        self._ssm, self._ec2, self._eks, self._pipelines = ssm, ec2, eks, pipelines
        self._versions: dict[str, str] = {}

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ssm"), client("ec2"), client("eks"))

    def target(self, policy: GroupPolicy) -> Target:
        """Return the AMI that the policy means: pinned by id, a pipeline's newest, or the recommended one.

        Raises: Invalid when cluster, parameter or image do not exist or do not fit; Unavailable, Refused.
        """
        found = self.targets([policy])[policy.group]
        if isinstance(found, Target):
            return found
        raise found

    def targets(self, policies: Collection[GroupPolicy]) -> dict[str, Found]:
        """Return the AMI that each policy means, by group, or why there is none for it: one's fault is not another's.

        However many groups there are, what they share is asked for once. Raises: Unavailable, Refused where EC2 tells
        nothing of any image.
        """
        shared = {wish: self._wished(*wish) for wish in {(policy.cluster, policy.ami) for policy in policies}}
        images = self.describe(found.ami for found in shared.values() if isinstance(found, Target))
        checked = {wish: _checked(found, images, wish[1]) for wish, found in shared.items()}
        return {policy.group: checked[policy.cluster, policy.ami] for policy in policies}

    def check(self, target: Target, ami: Ami) -> Image:
        """Return the image. Raises: Invalid unless it exists, is available and is what the policy says it is."""
        return check_fit(target, self.describe([target.ami]).get(target.ami), ami)

    def describe(self, amis: Iterable[str]) -> dict[str, Image]:
        """Return what EC2 knows of them, by id; one that is gone is missing. Raises: Unavailable, Refused."""
        wanted = sorted(set(amis))
        found: dict[str, Image] = {}
        for start in range(0, len(wanted), IMAGES_AT_ONCE):
            batch = [{"Name": "image-id", "Values": wanted[start : start + IMAGES_AT_ONCE]}]
            with translated("describe images"):
                answer = self._ec2.describe_images(Filters=batch, IncludeDeprecated=True)
            found |= {raw["ImageId"]: _image(raw) for raw in answer["Images"]}
        return found

    def _wished(self, cluster: str, ami: Ami) -> Found:
        """What the policy names, before anybody has looked at the image."""
        if isinstance(ami, Pinned):
            return Target(ami=ami.id, release=ami.release)
        try:
            if isinstance(ami, ImagePipeline):
                return self._pipelines().newest(ami.pipeline)
            return self._recommended(cluster, ami)
        except EXPECTED as error:
            return error

    def _recommended(self, cluster: str, ami: Ami) -> Target:
        """Read both parameters of the release in one call."""
        named = parameters_of(ami, self.kubernetes(cluster))
        with translated(f"read parameter {named.image}"):
            answer = self._ssm.get_parameters(Names=[named.image, named.release])
        values = {parameter["Name"]: str(parameter["Value"]) for parameter in answer["Parameters"]}
        if missing := answer.get("InvalidParameters"):
            raise Invalid(f"parameter {missing[0]} does not exist: AWS recommends no such image")
        return Target(ami=values[named.image], release=values[named.release])

    def kubernetes(self, cluster: str) -> str:
        """Return the minor of the cluster's control plane, such as 1.36. Raises: Invalid, Unavailable, Refused."""
        if cluster not in self._versions:
            with translated(f"describe cluster {cluster}"):
                self._versions[cluster] = str(self._eks.describe_cluster(name=cluster)["cluster"]["version"])
        return self._versions[cluster]


def _checked(found: Found, images: dict[str, Image], ami: Ami) -> Found:
    """The target, if its image is there and fits."""
    if not isinstance(found, Target):
        return found
    try:
        image = check_fit(found, images.get(found.ami), ami)
        if isinstance(ami, Recommended):
            check_release(found, image)
    except EXPECTED as error:
        return error
    return found


def _image(raw: dict[str, Any]) -> Image:
    """The image of one answer; its times are EC2's own texts."""
    return Image(
        ami=raw["ImageId"],
        name=str(raw.get("Name", "")),
        architecture=str(raw.get("Architecture", "")),
        state=str(raw.get("State", "")),
        created=_time(raw.get("CreationDate")),
        deprecated=_time(raw.get("DeprecationTime")),
        root_device=str(raw.get("RootDeviceName", "")),
        root_gib=_root_gib(raw),
    )


def _root_gib(raw: dict[str, Any]) -> int | None:
    """The size of the volume that its root device gets."""
    mappings = (m for m in raw.get("BlockDeviceMappings", ()) if m.get("DeviceName") == raw.get("RootDeviceName"))
    return next((m["Ebs"]["VolumeSize"] for m in mappings if m.get("Ebs", {}).get("VolumeSize")), None)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
