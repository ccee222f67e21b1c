"""The ARN of what a call touches, built from the call's own parameters as the Service Authorization Reference does.

Where the request does not carry a part of the ARN (a group's uuid, a node group's), the part reads `unknown`: a policy
that names it is refused here, which is the safe side.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rehearsal.wire.lookup import REGION, Lookup

ACCOUNT = "123456789012"
Params = Mapping[str, Any]
Resources = Callable[[Params, Lookup], Sequence[str]]


def arn(service: str, resource: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    """An ARN of the simulated account; a full ARN is kept."""
    return resource if resource.startswith("arn:") else f"arn:aws:{service}:{region}:{account}:{resource}"


def anything(_params: Params, _lookup: Lookup) -> Sequence[str]:
    """Actions without resource-level permissions: IAM matches them against `*` only."""
    return ("*",)


def named(service: str, form: str, *keys: str) -> Resources:
    """`form` with the first of `keys` that the call carries."""

    def resources(params: Params, _lookup: Lookup) -> Sequence[str]:
        value = next((str(params[k]) for k in keys if params.get(k)), "unknown")
        return (value if value.startswith("arn:") else arn(service, form.format(value)),)

    return resources


def group_arn(name: str) -> str:
    """ARN of an Auto Scaling group."""
    return arn("autoscaling", f"autoScalingGroup:unknown:autoScalingGroupName/{name}")


def group(params: Params, lookup: Lookup) -> Sequence[str]:
    """The group a call names, or the one its instance is in."""
    name = params.get("AutoScalingGroupName") or params.get("Tags.member.1.ResourceId")
    if not name:
        name = lookup.group_of(str(params.get("InstanceId") or params.get("InstanceIds.member.1")))
    return (group_arn(name or "unknown"),)


def template_arn(params: Params, lookup: Lookup, prefix: str = "") -> str:
    """ARN of the launch template a call names by id or by name."""
    template = params.get(f"{prefix}LaunchTemplateId")
    if not template:
        template = lookup.template_id(str(params.get(f"{prefix}LaunchTemplateName"))) or "unknown"
    return arn("ec2", f"launch-template/{template}")


def template(params: Params, lookup: Lookup) -> Sequence[str]:
    """The launch template itself."""
    return (template_arn(params, lookup),)


def instances(params: Params, _lookup: Lookup) -> Sequence[str]:
    """Every instance of an EC2 call."""
    return [arn("ec2", f"instance/{v}") for k, v in params.items() if re.fullmatch(r"InstanceId(\.\d+)?", k)]


def root_volume(params: Params, _lookup: Lookup) -> Sequence[str]:
    """A replacement of a root volume: the instance, the image that is named, and what comes of them."""
    instance, image = (str(params.get(key, "unknown")) for key in ("InstanceId", "ImageId"))
    made = [arn("ec2", f"{kind}/unknown") for kind in ("replace-root-volume-task", "volume")]
    return [arn("ec2", f"instance/{instance}"), arn("ec2", f"image/{image}", account=""), *made]


def tagged(params: Params, _lookup: Lookup) -> Sequence[str]:
    """Every resource of ec2:CreateTags, its kind told by its id's prefix."""
    kinds = {"i": "instance", "lt": "launch-template", "vol": "volume", "ami": "image"}
    ids = [str(v) for k, v in params.items() if k.startswith("ResourceId.")]
    return [arn("ec2", f"{kinds.get(i.partition('-')[0], 'unknown')}/{i}") for i in ids]


def parameters(params: Params, _lookup: Lookup) -> Sequence[str]:
    """SSM parameters; AWS's public ones have no account in their ARN."""
    names = params.get("Names") or [params.get("Name") or params.get("Path") or "unknown"]
    return [_parameter(str(n)) for n in names]


def _parameter(name: str) -> str:
    account = "" if name.startswith("/aws/service/") else ACCOUNT
    return arn("ssm", f"parameter/{name.lstrip('/')}", account=account)


def s3_bucket(params: Params, _lookup: Lookup) -> Sequence[str]:
    """The bucket."""
    return (f"arn:aws:s3:::{params['Bucket']}",)


def s3_object(params: Params, _lookup: Lookup) -> Sequence[str]:
    """The object."""
    return (f"arn:aws:s3:::{params['Bucket']}/{params['Key']}",)


def s3_source(params: Params, _lookup: Lookup) -> Sequence[str]:
    """The object a copy reads."""
    return (f"arn:aws:s3:::{str(params['CopySource']).partition('?')[0]}",)


def table(params: Params, _lookup: Lookup) -> Sequence[str]:
    """The table, or the index a query reads."""
    name = arn("dynamodb", f"table/{params.get('TableName', 'unknown')}")
    given = str(params.get("TableName", ""))
    base = given if given.startswith("arn:") else name
    return (f"{base}/index/{params['IndexName']}" if params.get("IndexName") else base,)


def buses(params: Params, _lookup: Lookup) -> Sequence[str]:
    """Every bus that the entries name; an entry without one goes to the default bus."""
    names = {str(e.get("EventBusName") or "default") for e in params.get("Entries", [])}
    return [arn("events", n if n.startswith("arn:") else f"event-bus/{n}") for n in sorted(names)]


def queue(params: Params, _lookup: Lookup) -> Sequence[str]:
    """The queue a URL ends in, or the one of that name."""
    return (arn("sqs", str(params.get("QueueName") or params["QueueUrl"].rpartition("/")[2])),)


def nodegroup(params: Params, _lookup: Lookup) -> Sequence[str]:
    """One managed node group."""
    cluster = params.get("name") or params.get("clusterName") or "unknown"
    return (arn("eks", f"nodegroup/{cluster}/{params.get('nodegroupName', 'unknown')}/unknown"),)


def eks_update(params: Params, lookup: Lookup) -> Sequence[str]:
    """EKS checks a node group's update against the cluster and the node group both."""
    cluster = arn("eks", f"cluster/{params.get('name', 'unknown')}")
    return (cluster, *nodegroup(params, lookup)) if params.get("nodegroupName") else (cluster,)


def alarms(params: Params, _lookup: Lookup) -> Sequence[str]:
    """Every alarm named; `alarm:*` where all are listed, or composite ones, which show only to who may see all."""
    composite = "CompositeAlarm" in params.get("AlarmTypes", ())
    names = ["*"] if composite else params.get("AlarmNames") or [params.get("AlarmName", "*")]
    return [arn("cloudwatch", f"alarm:{n}") for n in names]
