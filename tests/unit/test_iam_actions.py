"""The table of actions: what each kind of call asks IAM, and that a call without a row is refused."""

import re
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest

from rehearsal.wire.actions import ROWS, asks_for
from rehearsal.wire.aws_call import AwsCall
from rehearsal.wire.conditions import Unjudged
from rehearsal.wire.judge import Judge, Principal

ROLE = "arn:aws:iam::123456789012:role/gpuops-plan"
GROUP = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:unknown:autoScalingGroupName/gpu"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/gpuops"
TEMPLATE = "arn:aws:ec2:us-east-1:123456789012:launch-template/lt-1"
NODE_ROLE = "arn:aws:iam::123456789012:role/gpu-nodes"
BOTOCORE = {"states": "stepfunctions", "tag": "resourcegroupstaggingapi", "servicequotas": "service-quotas"}
SESSION = botocore.session.get_session()
"""One for all rows: it keeps the models that it has read, and EC2's are megabytes."""


class World:
    """A lookup over fixed answers."""

    def tags_of(self, arn: str) -> Mapping[str, str]:
        """Only our group is tagged."""
        return {"gpuops:group": "gpu"} if arn == GROUP else {}

    def group_of(self, instance_id: str) -> str | None:
        """One known instance."""
        return {"i-1": "gpu"}.get(instance_id)

    def template_id(self, name: str) -> str | None:
        """One known template."""
        return {"gpu-template": "lt-1"}.get(name)

    def role_behind(self, template_id: str, version: str) -> str | None:
        """Version 2 of the template has an instance profile."""
        return {("lt-1", "2"): NODE_ROLE}.get((template_id, version))


def asked(service: str, operation: str, **params: Any) -> list[tuple[str, str]]:
    """Actions and resources that a call comes down to."""
    return [(a.action, a.resource) for a in asks_for(AwsCall("k", service, operation, "json", params), World(), ROLE)]


def keys(service: str, operation: str, **params: Any) -> Mapping[str, Any]:
    """Condition keys of the call's first question."""
    return asks_for(AwsCall("k", service, operation, "json", params), World(), ROLE)[0].keys


UNMODELLED = {"aps:QueryMetrics"}
"""Of a Prometheus API that botocore has no model of: "Actions, resources, and condition keys for Amazon Managed Service
for Prometheus", Service Authorization Reference."""


@pytest.mark.parametrize("row", sorted(ROWS.keys() - UNMODELLED))
def test_every_row_is_an_operation_of_its_service(row: str) -> None:
    """A misspelled row would never be found, and its call refused."""
    service, _, operation = row.partition(":")
    model = SESSION.get_service_model(BOTOCORE.get(service, service))

    assert operation in model.operation_names


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        (
            "aps",
            "QueryMetrics",
            {"workspaceId": "ws-1"},
            [("aps:QueryMetrics", "arn:aws:aps:us-east-1:123456789012:workspace/ws-1")],
        ),
        ("autoscaling", "SuspendProcesses", {"AutoScalingGroupName": "gpu"}, [("autoscaling:SuspendProcesses", GROUP)]),
        (
            "autoscaling",
            "TerminateInstanceInAutoScalingGroup",
            {"InstanceId": "i-1"},
            [("autoscaling:TerminateInstanceInAutoScalingGroup", GROUP)],
        ),
        ("autoscaling", "DescribeAutoScalingGroups", {}, [("autoscaling:DescribeAutoScalingGroups", "*")]),
        (
            "ec2",
            "CreateLaunchTemplateVersion",
            {"LaunchTemplateName": "gpu-template"},
            [("ec2:CreateLaunchTemplateVersion", TEMPLATE)],
        ),
        (
            "ssm",
            "GetParameter",
            {"Name": "/aws/service/eks/x"},
            [("ssm:GetParameter", "arn:aws:ssm:us-east-1::parameter/aws/service/eks/x")],
        ),
        (
            "ssm",
            "GetParameters",
            {"Names": ["a", "/b"]},
            [
                ("ssm:GetParameters", "arn:aws:ssm:us-east-1:123456789012:parameter/a"),
                ("ssm:GetParameters", "arn:aws:ssm:us-east-1:123456789012:parameter/b"),
            ],
        ),
        (
            "eks",
            "DescribeCluster",
            {"name": "c"},
            [("eks:DescribeCluster", "arn:aws:eks:us-east-1:123456789012:cluster/c")],
        ),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k/1"}, [("s3:GetObject", "arn:aws:s3:::b/k/1")]),
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "k", "versionId": "3"},
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
        ),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        (
            "s3",
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "a/x?versionId=1"},
            [("s3:GetObject", "arn:aws:s3:::a/x"), ("s3:PutObject", "arn:aws:s3:::b/k")],
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:f"},
            [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:f")],
        ),
        (
            "events",
            "PutEvents",
            {"Entries": [{"EventBusName": "gpuops", "Source": "gpuops", "DetailType": "x"}]},
            [("events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/gpuops")],
        ),
        (
            "states",
            "DescribeExecution",
            {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:m:e"},
            [("states:DescribeExecution", "arn:aws:states:us-east-1:123456789012:execution:m:e")],
        ),
        ("states", "SendTaskSuccess", {"taskToken": "t"}, [("states:SendTaskSuccess", "*")]),
        (
            "dynamodb",
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "gpuops", "Item": {"pk": {"S": "lock#a"}}}},
                    {"ConditionCheck": {"TableName": "gpuops", "Key": {"pk": {"S": "lock#b"}}}},
                ]
            },
            [("dynamodb:PutItem", TABLE), ("dynamodb:ConditionCheckItem", TABLE)],
        ),
        ("dynamodb", "Scan", {"TableName": "gpuops", "IndexName": "i"}, [("dynamodb:Scan", f"{TABLE}/index/i")]),
        ("tag", "GetResources", {}, [("tag:GetResources", "*")]),
    ],
)
def test_a_call_asks_for_the_action_and_resource_that_iam_documents(
    service: str, operation: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Spelling and resource types of the Service Authorization Reference."""
    assert asked(service, operation, **params) == expected


def test_a_group_that_takes_a_launch_template_asks_to_run_and_tag_instances() -> None:
    """As AWS does; without a template in the call it does not."""
    form = {"AutoScalingGroupName": "gpu", "LaunchTemplate.LaunchTemplateName": "gpu-template"}
    actions = {action for action, _ in asked("autoscaling", "UpdateAutoScalingGroup", **form)}

    assert actions == {"autoscaling:UpdateAutoScalingGroup", "ec2:RunInstances", "ec2:CreateTags"}
    assert asked("autoscaling", "UpdateAutoScalingGroup", AutoScalingGroupName="gpu", MaxSize="9") == [
        ("autoscaling:UpdateAutoScalingGroup", GROUP)
    ]


@pytest.mark.parametrize("prefix", ["", "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification."])
def test_the_role_of_an_instance_profile_is_passed_on(prefix: str) -> None:
    """Only by a version that names one: the same right that RunInstances needs."""
    prefix = prefix or "LaunchTemplate."
    form = {f"{prefix}LaunchTemplateName": "gpu-template", "AutoScalingGroupName": "gpu"}
    passed = {
        version: asked("autoscaling", "UpdateAutoScalingGroup", **form, **{f"{prefix}Version": version})
        for version in ("1", "2")
    }

    assert [ask for ask in passed["2"] if ask not in passed["1"]] == [("iam:PassRole", NODE_ROLE)]


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("GetItem", {"Key": {"pk": {"S": "lock#gpu"}, "sk": {"S": "-"}}}, ("lock#gpu",)),
        ("PutItem", {"Item": {"pk": {"S": "undo#gpu"}}}, ("undo#gpu",)),
        (
            "Query",
            {
                "KeyConditionExpression": "begins_with(sk, :s) AND #p = :p",
                "ExpressionAttributeNames": {"#p": "pk"},
                "ExpressionAttributeValues": {":p": {"S": "claim#gpu"}, ":s": {"S": "i-"}},
            },
            ("claim#gpu",),
        ),
        ("Scan", {}, None),
        ("BatchGetItem", {"RequestItems": {"gpuops": {"Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "b"}}]}}}, ("a", "b")),
        (
            "BatchWriteItem",
            {"RequestItems": {"gpuops": [{"DeleteRequest": {"Key": {"pk": {"S": "a"}}}}]}},
            ("a",),
        ),
    ],
)
def test_leading_keys_are_read_out_of_the_call(operation: str, params: dict[str, Any], expected: Any) -> None:
    """Absent for a scan, where ForAllValues holds: on AWS too."""
    assert keys("dynamodb", operation, TableName="gpuops", **params)["dynamodb:leadingkeys"] == expected


@pytest.mark.parametrize(
    ("service", "operation", "params", "named"),
    [
        ("ec2", "RunInstances", {}, "ec2:RunInstances: no row in actions.py"),
        ("?", "?", {}, "no row in actions.py"),
        ("ec2", "TerminateInstances", {}, "without a resource"),
        ("events", "PutEvents", {"Entries": []}, "without a resource"),
        ("dynamodb", "GetItem", {"TableName": "gpuops", "Key": {"other": {"S": "x"}}}, "partition key"),
        ("dynamodb", "Query", {"TableName": "gpuops", "KeyConditionExpression": "sk = :s"}, "equality"),
        ("s3", "GetObject", {"Bucket": "b"}, "Key"),
    ],
)
def test_a_call_that_cannot_be_judged_is_refused_even_to_an_administrator(
    service: str, operation: str, params: dict[str, Any], named: str
) -> None:
    """A new call of the product is a deliberate line in the table."""
    everything = [{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]
    judge = Judge(lambda _role: everything, World())

    refusal = judge.judge(Principal(ROLE, "plan"), AwsCall("k", service, operation, "json", params)).refusal

    assert refusal is not None
    assert named in refusal


def test_the_refusal_reads_as_aws_writes_it() -> None:
    """The operator will search for this sentence."""
    judge = Judge(lambda _role: [], World())

    judgement = judge.judge(Principal(ROLE, "plan"), AwsCall("k", "autoscaling", "DescribeAutoScalingGroups", "query"))

    assert judgement.refusal == (
        "User: arn:aws:sts::123456789012:assumed-role/gpuops-plan/plan is not authorized to perform: "
        "autoscaling:DescribeAutoScalingGroups on resource: * because no identity-based policy allows the "
        "autoscaling:DescribeAutoScalingGroups action"
    )


def test_a_tag_condition_is_judged_against_the_group_of_the_instance() -> None:
    """The request names neither the group nor its tags."""
    guard = {"StringEquals": {"autoscaling:ResourceTag/gpuops:group": "gpu"}}
    statement = {"Effect": "Allow", "Action": "autoscaling:*", "Resource": "*", "Condition": guard}
    judge = Judge(lambda _role: [{"Statement": statement}], World())

    def refusal(instance: str) -> str | None:
        call = AwsCall("k", "autoscaling", "TerminateInstanceInAutoScalingGroup", "query", {"InstanceId": instance})
        return judge.judge(Principal(ROLE, "retire"), call).refusal

    assert refusal("i-1") is None
    assert re.search("no identity-based policy", refusal("i-other") or "")


def test_who_am_i_needs_no_grant() -> None:
    """sts:GetCallerIdentity is free on AWS."""
    assert asks_for(AwsCall("k", "sts", "GetCallerIdentity", "query"), World(), ROLE) == []


def test_a_call_without_a_row_is_named_when_asked_directly() -> None:
    """The text tells where to add it."""
    with pytest.raises(Unjudged, match=r"iam:CreateRole: no row in actions\.py"):
        asks_for(AwsCall("k", "iam", "CreateRole", "query"), World(), ROLE)
