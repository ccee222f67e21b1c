"""What IAM knows about a resource and the request does not say: its tags, its group, its template's id.

AWS evaluates `autoscaling:ResourceTag/…` against the resource itself, so the wire asks the region, and only when a
policy needs it. The questions go straight to the region, past the wire: they are AWS's own, not the caller's.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"


class Lookup(Protocol):
    """Answers about resources; an unknown resource has no tags, no group, no id."""

    def tags_of(self, arn: str) -> Mapping[str, str]:
        """Tags of a resource."""

    def group_of(self, instance_id: str) -> str | None:
        """Name of the Auto Scaling group an instance is in."""

    def template_id(self, name: str) -> str | None:
        """Id of a launch template."""

    def role_behind(self, template_id: str, version: str) -> str | None:
        """ARN of the role in the instance profile that a version of a launch template names."""


class RegionLookup:
    """Asks the region over HTTP."""

    def __init__(self, region_url: str) -> None:
        self._url = region_url

    def tags_of(self, arn: str) -> Mapping[str, str]:
        """Tags of a group, a managed node group, or of anything in EC2."""
        service = arn.split(":")[2]
        if service == "eks":
            return self._nodegroup_tags(arn)
        if service == "autoscaling":
            name = arn.rpartition("autoScalingGroupName/")[2]
            groups = self._client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
            return {t["Key"]: t["Value"] for g in groups["AutoScalingGroups"] for t in g["Tags"]}
        if service == "ec2":
            resource = [{"Name": "resource-id", "Values": [arn.rpartition("/")[2]]}]
            return {t["Key"]: t["Value"] for t in self._client("ec2").describe_tags(Filters=resource)["Tags"]}
        return {}

    def _nodegroup_tags(self, arn: str) -> Mapping[str, str]:
        kind, *names = arn.rpartition(":")[2].split("/")
        if kind != "nodegroup":
            return {}
        asked = {"clusterName": names[0], "nodegroupName": names[1]}
        try:
            found: Mapping[str, str] = self._client("eks").describe_nodegroup(**asked)["nodegroup"].get("tags", {})
        except ClientError:
            return {}  # no such node group: AWS knows no tags of it either
        return found

    def group_of(self, instance_id: str) -> str | None:
        """Name of the Auto Scaling group an instance is in."""
        found = self._client("autoscaling").describe_auto_scaling_instances(InstanceIds=[instance_id])
        return next((i["AutoScalingGroupName"] for i in found["AutoScalingInstances"]), None)

    def template_id(self, name: str) -> str | None:
        """Id of a launch template."""
        wanted = [{"Name": "launch-template-name", "Values": [name]}]
        found = self._client("ec2").describe_launch_templates(Filters=wanted)
        return next((t["LaunchTemplateId"] for t in found["LaunchTemplates"]), None)

    def role_behind(self, template_id: str, version: str) -> str | None:
        """ARN of the role in the instance profile that a version of a launch template names."""
        asked = {"LaunchTemplateId": template_id, "Versions": [version]}
        try:
            (found,) = self._client("ec2").describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
            profile = found["LaunchTemplateData"].get("IamInstanceProfile", {})
            name = profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2]
            roles = self._client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
        except ClientError:
            return None  # the call itself fails of what is not there
        return str(roles[0]["Arn"]) if roles else None

    def _client(self, service: str) -> Any:
        return _client(service, self._url)


@cache
def _client(service: str, url: str) -> Any:
    make: Any = boto3.client  # its stubs know the service by literals only
    return make(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="iam",
        aws_secret_access_key="iam",
        config=Config(retries={"total_max_attempts": 1}, tcp_keepalive=True),
    )
