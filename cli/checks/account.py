"""Looks at an AWS account with the caller's own rights; reads only."""

from typing import Any

from botocore.exceptions import ClientError

from cli.checks.facts import Cluster, Hook, Managed, NodeGroup, Stack, Template, Unseen, look
from gpuops.adapters.aws import client
from gpuops.adapters.group_reading import tags_of
from gpuops.adapters.groups import Groups
from gpuops.adapters.policies import Policies
from gpuops.adapters.templates import Templates
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Policy
from gpuops.domain.rotation.group import CLUSTER_TAG, Group, TemplateVersion
from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.userdata import parse_user_data

ENTRY, ALARM, BUCKET = "AWS::EKS::AccessEntry", "AWS::CloudWatch::Alarm", "PolicyBucket"
HTTPS = 443
POLICY_KEY = "fleet.yaml"


def see_caller() -> str:
    """Return who asks."""
    return str(client("sts").get_caller_identity()["Arn"])


def see_stack(name: str) -> Stack:
    """Return the stack and what it made."""
    cloudformation = client("cloudformation")
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    template = cloudformation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    made = template.get("Resources", {}) if isinstance(template, dict) else {}
    return Stack(
        name=name,
        status=found["StackStatus"],
        parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", ())},
        resources={
            item["LogicalResourceId"]: (item["ResourceType"], item.get("PhysicalResourceId", ""))
            for page in pages
            for item in page["StackResourceSummaries"]
        },
        groups={name: tuple(one.get("KubernetesGroups", ())) for name, one in _properties(made, ENTRY).items()},
        alarms=_properties(made, ALARM),
    )


def _properties(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return what the template says of its resources of one type."""
    return {name: one.get("Properties", {}) for name, one in resources.items() if one.get("Type") == kind}


def see_policy(stack: Stack) -> Policy:
    """Return the policy that the functions read."""
    bucket = stack.resources[BUCKET][1]
    return Policies(client("s3"), bucket, POLICY_KEY).latest()


def see_cluster(name: str) -> Cluster:
    """Return the cluster as EKS knows it."""
    found = client("eks").describe_cluster(name=name)["cluster"]
    vpc = found.get("resourcesVpcConfig", {})
    group = vpc.get("clusterSecurityGroupId", "")
    return Cluster(
        name=name,
        status=found["status"],
        authentication=found.get("accessConfig", {}).get("authenticationMode", ""),
        public_from=tuple(vpc.get("publicAccessCidrs") or ["0.0.0.0/0"]) if vpc.get("endpointPublicAccess") else (),
        security_group=group,
        lets_in=_lets_in(group) if group else frozenset(),
    )


def _lets_in(group: str) -> frozenset[str]:
    rules = client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    open_rules = (r for r in rules if r.get("IpProtocol") == "-1" or _covers_https(r))
    return frozenset(pair["GroupId"] for rule in open_rules for pair in rule.get("UserIdGroupPairs", ()))


def _covers_https(rule: dict[str, Any]) -> bool:
    return bool(rule.get("IpProtocol") == "tcp" and rule.get("FromPort", 0) <= HTTPS <= rule.get("ToPort", 0))


def see_entries(stack: Stack, cluster: str) -> dict[str, tuple[str, ...] | None]:
    """Return the Kubernetes groups of each role that the stack lets in, as EKS has them now."""
    eks = client("eks")
    found: dict[str, tuple[str, ...] | None] = {}
    for physical in stack.of(ENTRY).values():
        principal = physical.partition("|")[0]
        try:
            entry = eks.describe_access_entry(clusterName=cluster, principalArn=principal)["accessEntry"]
            found[principal] = tuple(entry.get("kubernetesGroups", ()))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            found[principal] = None
    return found


def see_alarms(stack: Stack) -> dict[str, bool]:
    """Return which of the stack's alarms are there."""
    names = list(stack.of(ALARM).values())
    if not names:
        return {}
    alarms = client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    there = {alarm["AlarmName"] for alarm in alarms}
    return {name: name in there for name in names}


def see_quota(code: str) -> float:
    """Return the account's value of one of EC2's quotas."""
    quota = client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]
    return float(quota["Value"])


def see_group(name: str) -> NodeGroup:
    """Return the group with its hooks and launch templates."""
    autoscaling = client("autoscaling")
    group = Groups.from_env().describe(name)
    hooks = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
    launching = (h for h in hooks if h["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING")
    versions = [Templates.from_env().read(template) for template in templates_of(group.launch)]
    managed = look(lambda: _managed(group)) if group.managed else None
    return NodeGroup(
        group=group,
        hooks=tuple(Hook(h["LifecycleHookName"], h["DefaultResult"], h["HeartbeatTimeout"]) for h in launching),
        templates=tuple(_template(version) for version in versions),
        cpus=_cpus(_types(group, versions)),
        managed=managed,
        marks=look(lambda: _marks([instance.id for instance in group.instances])),
        role=managed.role if isinstance(managed, Managed) else managed or look(lambda: _role(versions)),
    )


def _managed(group: Group) -> Managed:
    """Return the EKS node group that made the Auto Scaling group, whose tags name both it and its cluster."""
    named = {"clusterName": group.tags["eks:cluster-name"], "nodegroupName": group.managed}
    found = client("eks").describe_nodegroup(**named)["nodegroup"]
    taints = frozenset(str(taint["key"]) for taint in found.get("taints") or ())
    return Managed(str(found["nodegroupArn"]), found.get("tags") or {}, taints, str(found["nodeRole"]))


def _marks(instances: list[str]) -> dict[str, str | None]:
    """Return the cluster that each instance's tag names."""
    if not instances:
        return {}
    pages = client("ec2").get_paginator("describe_instances").paginate(InstanceIds=instances)
    found = (each for page in pages for reservation in page["Reservations"] for each in reservation["Instances"])
    return {each["InstanceId"]: tags_of(each).get(CLUSTER_TAG) for each in found}


def _role(versions: list[TemplateVersion]) -> str | None:
    """Return the role of the profile that the first template names; a group's templates share one."""
    profile = next((p for version in versions if (p := version.data.get("IamInstanceProfile"))), None)
    if profile is None:
        return None
    name = profile.get("Name") or str(profile["Arn"]).rpartition("/")[2]
    roles = client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    return str(roles[0]["Arn"]) if roles else None


def _template(version: TemplateVersion) -> Template:
    found = client("ec2").describe_launch_templates(LaunchTemplateIds=[version.template.id])["LaunchTemplates"][0]
    view = look(lambda: parse_user_data(version.user_data)) if version.user_data else Unseen("it has no user data")
    return Template(version.template.id, version.template.version, tags_of(found), version.user_data, view)


def _types(group: Group, versions: list[TemplateVersion]) -> set[str]:
    mixed = group.launch.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", ())
    named = {str(override["InstanceType"]) for override in mixed if "InstanceType" in override}
    return named or {str(version.data["InstanceType"]) for version in versions if "InstanceType" in version.data}


def _cpus(types: set[str]) -> dict[str, int]:
    if not types:
        raise Invalid("neither launch template nor group name an instance type")
    found = client("ec2").describe_instance_types(InstanceTypes=sorted(types))["InstanceTypes"]
    return {item["InstanceType"]: int(item["VCpuInfo"]["DefaultVCpus"]) for item in found}
