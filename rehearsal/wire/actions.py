"""The table: which IAM actions, resources and condition keys each AWS call means.

A call without a row here is refused ("no row in actions.py"), so a new call of the product is a deliberate line, not
a hole. Spelling and resource types follow the Service Authorization Reference.

What AWS asks of a role without a call of its own, as a state machine is created, `rehearsal/region/kinds/functions.py`
checks. Left out: `iam:PassRole` of whoever deploys. `sts:GetCallerIdentity` needs no grant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from rehearsal.wire import dynamo
from rehearsal.wire import resources as r
from rehearsal.wire.aws_call import AwsCall
from rehearsal.wire.conditions import Unjudged
from rehearsal.wire.lookup import REGION, Lookup
from rehearsal.wire.policy import Ask
from rehearsal.wire.resources import ACCOUNT, Params, Resources, named

Keys = Callable[[Params], Mapping[str, Sequence[str] | None]]
Asker = Callable[[str, Params, Lookup], Sequence[Ask]]
FREE = {"sts:GetCallerIdentity"}


def _no_keys(_params: Params) -> Mapping[str, Sequence[str] | None]:
    return {}


def row(resources: Resources, *, action: str = "", keys: Keys = _no_keys) -> Asker:
    """One question per resource; `action` where IAM spells it otherwise than the API."""

    def ask(operation: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
        found = resources(params, lookup)
        return [Ask(action or operation, x, keys(params), partial(lookup.tags_of, x)) for x in found]

    return ask


def both(*askers: Asker) -> Asker:
    """A call that AWS checks as several actions."""
    return lambda operation, params, lookup: [a for asker in askers for a in asker(operation, params, lookup)]


def _listing(params: Params) -> Mapping[str, Sequence[str] | None]:
    keys = {"s3:prefix": "prefix", "s3:delimiter": "delimiter", "s3:max-keys": "max-keys"}
    return {key: (str(params[name]),) if params.get(name) else None for key, name in keys.items()}


def _entries(params: Params) -> Mapping[str, Sequence[str] | None]:
    entries = params.get("Entries", [])
    return {
        "events:source": [str(e.get("Source")) for e in entries],
        "events:detail-type": [str(e.get("DetailType")) for e in entries],
        "events:eventbusinvocation": ("false",),
    }


def _run_instances(_operation: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """A group that takes a launch template: may the caller run instances of it, tag them and pass on their role?

    Source: "Control Amazon EC2 launch template usage in Auto Scaling groups", Amazon EC2 Auto Scaling user guide.
    AWS asks for the tags where the template has TagSpecifications; here it is always asked, as a template may get them.
    """
    forms = ("LaunchTemplate.", "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.")
    prefix = next((f for f in forms if any(k.startswith(f"{f}LaunchTemplate") for k in params)), None)
    if prefix is None:
        return []
    template = r.template_arn(params, lookup, prefix)
    keys = {"ec2:launchtemplate": (template,), "ec2:islaunchtemplateresource": ("true",)}
    kinds = ("instance", "network-interface", "security-group", "subnet", "volume")
    image = r.arn("ec2", "image/unknown", account="")
    touched = [template, image, *(r.arn("ec2", f"{kind}/unknown") for kind in kinds)]
    tagging = {"ec2:createaction": ("RunInstances",)}
    tagged = [Ask("ec2:CreateTags", r.arn("ec2", f"{kind}/unknown"), tagging) for kind in ("instance", "volume")]
    role = lookup.role_behind(template.rpartition("/")[2], str(params.get(f"{prefix}Version") or "$Default"))
    passing = {"iam:passedtoservice": ("ec2.amazonaws.com",)}
    passed = [Ask("iam:PassRole", role, passing)] if role else []
    return [*(Ask("ec2:RunInstances", t, keys, partial(lookup.tags_of, t)) for t in touched), *tagged, *passed]


def _create_nodegroup(operation: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """A new node group: of the cluster, with its tags, and with the role that it passes on to its nodes.

    Source: Service Authorization Reference, Amazon EKS; "Passing permissions", IAM user guide.
    """
    tags = {str(key): str(value) for key, value in (params.get("tags") or {}).items()}
    keys: dict[str, Sequence[str] | None] = {f"aws:requesttag/{key}": (value,) for key, value in tags.items()}
    keys |= {"aws:tagkeys": tuple(tags)}
    (cluster,) = named("eks", "cluster/{}", "name", "clusterName")(params, lookup)
    (made,) = r.nodegroup(params, lookup)
    role = str(params.get("nodeRole") or "unknown")
    passed = Ask("iam:PassRole", role, {"iam:passedtoservice": ("eks.amazonaws.com",)})
    asks = [Ask(operation, cluster, keys), passed]
    return [*asks, Ask("eks:TagResource", made, keys)] if tags else asks


def _rows(service: str, operations: str, asker: Asker) -> Iterable[tuple[str, Asker]]:
    return ((f"{service}:{operation}", asker) for operation in operations.split())


_GROUP = row(r.group)
_ALL = row(r.anything)
_PUT = row(r.s3_object, action="s3:PutObject")
_MACHINE = row(named("states", "stateMachine:{}", "stateMachineArn"))
_EXECUTION = row(named("states", "execution:{}", "executionArn"))
_CLUSTER = row(named("eks", "cluster/{}", "name", "clusterName"))
_INVOKE = row(named("lambda", "function:{}", "FunctionName"), action="lambda:InvokeFunction")

ROWS: dict[str, Asker] = dict(
    [
        *_rows(
            "autoscaling",
            "CompleteLifecycleAction RecordLifecycleActionHeartbeat SetDesiredCapacity SuspendProcesses "
            "ResumeProcesses SetInstanceProtection TerminateInstanceInAutoScalingGroup EnterStandby ExitStandby "
            "SetInstanceHealth DetachInstances PutLifecycleHook DeleteLifecycleHook CreateOrUpdateTags DeleteTags",
            _GROUP,
        ),
        *_rows("autoscaling", "UpdateAutoScalingGroup", both(_GROUP, _run_instances)),
        *_rows(
            "autoscaling",
            "DescribeAutoScalingGroups DescribeAutoScalingInstances DescribeLifecycleHooks DescribeScalingActivities "
            "DescribeTags DescribePolicies DescribeScheduledActions",
            _ALL,
        ),
        *_rows(
            "ec2",
            "DescribeInstances DescribeInstanceStatus DescribeInstanceTypes DescribeInstanceTypeOfferings "
            "DescribeImages DescribeLaunchTemplates DescribeLaunchTemplateVersions DescribeVolumes DescribeSubnets "
            "DescribeTags DescribeAvailabilityZones DescribeCapacityReservations DescribeReplaceRootVolumeTasks",
            _ALL,
        ),
        *_rows("servicequotas", "GetServiceQuota", _ALL),
        *_rows("ec2", "CreateLaunchTemplateVersion DeleteLaunchTemplateVersions ModifyLaunchTemplate", row(r.template)),
        *_rows("ec2", "TerminateInstances RebootInstances StopInstances", row(r.instances)),
        *_rows("ec2", "CreateReplaceRootVolumeTask", row(r.root_volume)),
        *_rows("ec2", "CreateTags DeleteTags", row(r.tagged)),
        *_rows("ssm", "GetParameter GetParameters GetParametersByPath", row(r.parameters)),
        *_rows("ecr", "GetAuthorizationToken", _ALL),
        *_rows("ecr", "BatchGetImage GetDownloadUrlForLayer", row(named("ecr", "repository/{}", "repositoryName"))),
        *_rows("eks", "DescribeCluster ListNodegroups", _CLUSTER),
        *_rows(
            "eks", "DescribeNodegroup UpdateNodegroupVersion UpdateNodegroupConfig DeleteNodegroup", row(r.nodegroup)
        ),
        *_rows("eks", "CreateNodegroup", _create_nodegroup),
        *_rows("eks", "DescribeUpdate", row(r.eks_update)),
        *_rows("s3", "GetObject HeadObject", row(r.s3_object, action="s3:GetObject")),
        *_rows("s3", "PutObject DeleteObject", row(r.s3_object)),
        *_rows("s3", "ListObjects ListObjectsV2", row(r.s3_bucket, action="s3:ListBucket", keys=_listing)),
        *_rows("s3", "HeadBucket", row(r.s3_bucket, action="s3:ListBucket", keys=_listing)),
        *_rows("s3", "ListObjectVersions", row(r.s3_bucket, action="s3:ListBucketVersions", keys=_listing)),
        *_rows("s3", "CopyObject", both(row(r.s3_source, action="s3:GetObject"), _PUT)),
        *_rows("events", "PutEvents", row(r.buses, keys=_entries)),
        *_rows("states", "StartExecution StartSyncExecution ListExecutions DescribeStateMachine", _MACHINE),
        *_rows("states", "DescribeExecution StopExecution GetExecutionHistory RedriveExecution", _EXECUTION),
        *_rows("states", "SendTaskSuccess SendTaskFailure SendTaskHeartbeat ListStateMachines", _ALL),
        *_rows("lambda", "Invoke", _INVOKE),
        *_rows("cloudwatch", "DescribeAlarms DescribeAlarmHistory DescribeAlarmContributors", row(r.alarms)),
        *_rows("cloudwatch", "GetMetricData PutMetricData", _ALL),
        *_rows("sns", "Publish", row(named("sns", "{}", "TopicArn"))),
        *_rows("sqs", "GetQueueAttributes ReceiveMessage SendMessage DeleteMessage", row(r.queue)),
        *_rows("sqs", "DeleteMessageBatch", row(r.queue, action="sqs:DeleteMessage")),
        *_rows("tag", "GetResources", _ALL),
        *_rows("aps", "QueryMetrics", row(named("aps", "workspace/{}", "workspaceId"))),
        *_rows("imagebuilder", "GetImage", row(named("imagebuilder", "image/{}", "imageBuildVersionArn"))),
        *_rows("imagebuilder", "ListImagePipelineImages", row(named("imagebuilder", "{}", "imagePipelineArn"))),
    ]
)  # fmt: skip
ROWS.update({f"dynamodb:{operation}": asker for operation, asker in dynamo.ROWS.items()})


def asks_for(call: AwsCall, lookup: Lookup, role_arn: str) -> Sequence[Ask]:
    """Every question IAM has about a call; all of them need a yes. Raises Unjudged for a call without a row."""
    name = f"{call.service}:{call.operation}"
    if name in FREE:
        return []
    if name not in ROWS:
        raise Unjudged(f"{name}: no row in actions.py")
    operation = call.operation if call.service == "dynamodb" else name
    asks = ROWS[name](operation, call.params, lookup)
    if not asks:
        raise Unjudged(f"{name} without a resource")
    if call.params.get("versionId") and call.operation in {"GetObject", "HeadObject", "DeleteObject"}:
        asks = [Ask(f"{a.action}Version", a.resource, {**a.keys, "s3:versionid": None}, a.tags) for a in asks]
    return [Ask(a.action, a.resource, {**_global(role_arn), **a.keys}, a.tags) for a in asks]


def _global(role_arn: str) -> Mapping[str, Sequence[str]]:
    return {
        "aws:principalarn": (role_arn,),
        "aws:principalaccount": (ACCOUNT,),
        "aws:resourceaccount": (ACCOUNT,),
        "aws:requestedregion": (REGION,),
        "aws:securetransport": ("true",),  # it is on AWS; only this loopback is plain
    }
