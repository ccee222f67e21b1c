"""Which AMI AWS recommends, and whether one that somebody named can be launched.

The public SSM parameters are the only announcement of a release there is; their path holds the Kubernetes version,
which the cluster itself is asked for, because a copy of it in the policy would go stale with each upgrade.
"""

from typing import Any, Self

from botocore.exceptions import ClientError

from gpuops.adapters.aws import client, code_of, translated
from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.policy import GroupPolicy, Pinned
from gpuops.domain.rotation.gates import Target

UNKNOWN = {"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"}
ROOT = "/aws/service/eks/optimized-ami"


class Images:
    """Reads parameters and images; writes nothing."""

    def __init__(self, ssm: Any, ec2: Any, eks: Any) -> None:
        self._ssm, self._ec2, self._eks = ssm, ec2, eks

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ssm"), client("ec2"), client("eks"))

    def target(self, policy: GroupPolicy) -> Target:
        """Return the AMI that the policy means: pinned by id, or the recommended one of the cluster's version.

        Raises: Invalid when cluster, parameter or image do not exist or do not fit; Unavailable, Refused.
        """
        if isinstance(policy.ami, Pinned):
            target = Target(ami=policy.ami.id, release=policy.ami.release)
        else:
            target = self._recommended(policy.cluster, policy.ami.architecture)
        self.check(target.ami, policy.ami.architecture)
        return target

    def check(self, ami: str, architecture: str) -> str:
        """Return the image's name. Raises: Invalid unless it exists, is available and has the architecture."""
        with translated(f"describe image {ami}"):
            try:
                found = self._ec2.describe_images(ImageIds=[ami])["Images"]
            except ClientError as error:
                if code_of(error) not in UNKNOWN:
                    raise
                found = []
        if not found:
            raise Invalid(f"AMI {ami} does not exist, or this account may not use it")
        image = found[0]
        if image.get("State") != "available":
            raise Invalid(f"AMI {ami} is {image.get('State')}, not available")
        if image.get("Architecture") != architecture:
            raise Invalid(f"AMI {ami} is for {image.get('Architecture')}; the policy says {architecture}")
        return str(image.get("Name", ""))

    def _recommended(self, cluster: str, architecture: str) -> Target:
        """Read the two parameters of one release; the image twice, because a new release may land in between."""
        path = f"{ROOT}/{self._version(cluster)}/amazon-linux-2023/{architecture}/nvidia/recommended"
        ami, release = self._parameter(f"{path}/image_id"), self._parameter(f"{path}/release_version")
        if self._parameter(f"{path}/image_id") != ami:
            raise Unavailable(f"{path} changed while it was read")
        return Target(ami=ami, release=release)

    def _parameter(self, name: str) -> str:
        with translated(f"read parameter {name}"):
            return str(self._ssm.get_parameter(Name=name)["Parameter"]["Value"])

    def _version(self, cluster: str) -> str:
        with translated(f"describe cluster {cluster}"):
            return str(self._eks.describe_cluster(name=cluster)["cluster"]["version"])
