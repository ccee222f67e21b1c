"""A scenario's group in AWS's own terms: the data of its launch template, and its Auto Scaling group.

Leaves out whatever neither an instance nor the product looks at: block devices, security groups.
"""

import json
from typing import Any

from rehearsal.region.compute_userdata import user_data
from rehearsal.region.eks.cluster import Cluster
from rehearsal.region.fleet_ports import ACCOUNT
from rehearsal.scenario import Group, Release

HOOK = "gpuops-admit"
GROUP_TAG = "gpuops:group"
"""For people: whose launch template it is."""
CLUSTER_TAG = "gpuops:cluster"
"""What the stack's roles require, by value, of every group and launch template that they may change."""
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
NODE_PROFILE = "gpu-nodes"
"""Instance profile of every self-managed group, and the role in it; EKS gives its node groups one itself."""
NODE_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{NODE_PROFILE}"


def template_data(group: Group, release: Release, cluster: Cluster) -> dict[str, Any]:
    """What an instance of the group is launched with."""
    target = {"CapacityReservationTarget": {"CapacityReservationId": group.reservation}}
    return {
        **({"CapacityReservationSpecification": target} if group.reservation else {}),
        "ImageId": release.ami,
        "InstanceType": group.instance_type,
        "UserData": user_data(group, release.family, cluster),
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": group.name}]}],
    }


def create_node_profile(iam: Any) -> None:
    """What whoever made the groups has made before, in IAM."""
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=NODE_PROFILE, AssumeRolePolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName=NODE_PROFILE)
    iam.add_role_to_instance_profile(InstanceProfileName=NODE_PROFILE, RoleName=NODE_PROFILE)


def template_request(name: str, data: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """CreateLaunchTemplate."""
    tagged = {"ResourceType": "launch-template", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    return {"LaunchTemplateName": name, "LaunchTemplateData": data, "TagSpecifications": [tagged]}


def group_request(group: Group, template: str, cluster: str, subnets: list[str]) -> dict[str, Any]:
    """CreateAutoScalingGroup."""
    tags = {f"kubernetes.io/cluster/{cluster}": "owned", CLUSTER_TAG: cluster, GROUP_TAG: group.name}
    return {
        "AutoScalingGroupName": group.name,
        "LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"},
        "MinSize": group.min,
        "MaxSize": group.max,
        "DesiredCapacity": group.size,
        "VPCZoneIdentifier": ",".join(subnets),
        "Tags": [{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
        "LifecycleHookSpecificationList": [_hook(group)] if group.kind == "self_managed" and group.hook else [],
    }


def _hook(group: Group) -> dict[str, Any]:
    return {
        "LifecycleHookName": HOOK,
        "LifecycleTransition": LAUNCHING,
        "HeartbeatTimeout": group.hook_heartbeat_seconds,
        "DefaultResult": "CONTINUE",
    }
