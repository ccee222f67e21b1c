"""The template's rights, statement by statement: no role may write what its function never writes.

The wire shows that a role has what its function needs; nothing but this shows that it has no more.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.stack import template

ROOT = Path(__file__).parents[2]
RESOURCES: dict[str, Any] = template()["Resources"]
READS = {"dynamodb:GetItem", "dynamodb:Query"}
WRITES = {
    "DetectRelease": {"PutItem release", "UpdateItem undo"},
    "PlanRotation": {"PutItem release", "PutItem image"},
    "BeginRotation": {
        "PutItem rotation",
        "PutItem open#changes",
        "UpdateItem fence",
        "UpdateItem rotation",
    },
    "RequestApproval": {"PutItem approval"},
    "SteerRun": {"PutItem wish", "PutItem stop", "DeleteItem stop"},
    "AwaitJobs": {"PutItem deaf", "UpdateItem budget"},
    "OpenChange": {
        *(f"PutItem {kind}" for kind in ("rotation", "lock", "open#changes")),
        "UpdateItem fence",
        "UpdateItem undo",
        "DeleteItem release",
    },
    "JudgeCanary": {"UpdateItem undo"},
    "OpenRollback": {"UpdateItem undo", "PutItem release", "DeleteItem claim"},
    "ClaimNode": {"PutItem claim", "PutItem node", "UpdateItem undo", "UpdateItem budget", "DeleteItem budget"},
    "DrainNode": {"UpdateItem undo", "UpdateItem budget"},
    "RetireNode": {"UpdateItem undo", "UpdateItem budget", "DeleteItem budget"},
    "ReplaceRoot": {"UpdateItem undo"},
    "ReturnNode": {"UpdateItem undo", "UpdateItem budget", "DeleteItem budget"},
    "CloseChange": {
        "UpdateItem undo",
        "UpdateItem budget",
        "PutItem rolled",
        *(f"DeleteItem {kind}" for kind in ("claim", "rotation", "lock", "undo", "open#changes", "budget")),
    },
    "CheckNode": {"PutItem boot"},
    "AdmitInstance": {"UpdateItem undo", "DeleteItem wait"},
    "ReadSmoke": {"PutItem gpu"},
    "GuardLaunch": {
        "UpdateItem breaker",
        "DeleteItem breaker",
        "PutItem open#breakers",
        "DeleteItem open#breakers",
    },
    "DetectFaults": {"PutItem incident", "UpdateItem incident", "PutItem seen"},
    "ReceiveSignals": {"PutItem incident", "UpdateItem incident"},
    "PlanSlicing": {"PutItem pool", "PutItem workload"},
    "SelectNode": {"PutItem turn"},
    "RelabelNode": {"PutItem lock", "PutItem open#changes", "UpdateItem fence", "UpdateItem budget"},
    "SettleNode": {
        "UpdateItem breaker",
        "UpdateItem budget",
        *(f"DeleteItem {kind}" for kind in ("breaker", "lock", "open#changes", "budget")),
    },
    "DiagnoseFault": {"UpdateItem undo", "UpdateItem rolled", "PutItem release"},
    "OpenRepair": {
        "UpdateItem budget",
        "UpdateItem undo",
        "PutItem node",
        "PutItem gpu",
        "PutItem breaker",
        "DeleteItem breaker",
    },
    "CloseRepair": {"UpdateItem budget", "DeleteItem budget", "PutItem node", "PutItem gpu", "DeleteItem pool"},
    "ListLeftovers": {"DeleteItem open#changes", "UpdateItem budget", "DeleteItem budget"},
}
"""What each function writes to the table, beside its journal."""
OURS = {"Ref": "ClusterName"}
ACTS = {
    "autoscaling:CompleteLifecycleAction": {"AdmitInstance", "QuarantineNode"},
    "autoscaling:RecordLifecycleActionHeartbeat": {
        "CheckNode",
        "FindNode",
        "QuarantineNode",
        "ReadSmoke",
        "StartSmoke",
    },
    "autoscaling:ResumeProcesses": {"CloseChange", "GuardLaunch"},
    "autoscaling:SetInstanceProtection": {"CloseChange"},
    "autoscaling:SuspendProcesses": {"GuardLaunch", "OpenChange", "ReplaceRoot"},
    "autoscaling:TerminateInstanceInAutoScalingGroup": {"CloseChange", "OpenRollback", "RetireNode"},
    "autoscaling:CreateOrUpdateTags": {"OpenChange"},
    "autoscaling:UpdateAutoScalingGroup": {"CloseChange", "OpenChange", "OpenRollback", "RetireNode"},
    "ec2:CreateLaunchTemplateVersion": {"OpenChange", "OpenRollback"},
    "ec2:CreateReplaceRootVolumeTask": {"ReplaceRoot"},
    "ec2:CreateTags": {"CloseChange", "OpenChange", "OpenRollback"},
    "ec2:RebootInstances": {"RepairGpu"},
    "ec2:StopInstances": {"DrainNode"},
    "ec2:RunInstances": {"CloseChange", "OpenChange", "OpenRollback"},
    "eks:CreateNodegroup": {"OpenChange"},
    "eks:DeleteNodegroup": {"CloseChange"},
    "eks:TagResource": {"OpenChange"},
    "eks:UpdateNodegroupConfig": {"CloseChange", "OpenChange"},
    "eks:UpdateNodegroupVersion": {"UpdateManagedGroup"},
    "events:PutEvents": {
        "AdmitInstance",
        "ClaimNode",
        "CloseRepair",
        "DetectRelease",
        "DiagnoseFault",
        "GuardLaunch",
        "OpenRepair",
        "QuarantineNode",
    },
    "iam:PassRole": {"CloseChange", "OpenChange", "OpenRollback"},
    "s3:PutObject": {"WriteReport"},
    "sns:Publish": {"RequestApproval", "WriteReport"},
    "sqs:DeleteMessage": {"ReceiveSignals"},
    "sqs:ReceiveMessage": {"ReceiveSignals"},
    "sqs:SendMessage": {"ReceiveSignals"},
    "states:SendTaskFailure": {"SteerRun"},
    "states:SendTaskSuccess": {"AdmitInstance", "SteerRun"},
}
"""Who may act on AWS, beside the table: one more needs a reason to stand here."""
INSIDE = {
    "gpuops-claimers": {"ClaimNode"},
    "gpuops-configurers": {"ApplyConfig"},
    "gpuops-drainers": {"DrainNode"},
    "gpuops-judges": {"CloseChange", "ReadSmoke", "SettleNode"},
    "gpuops-repairers": {"RepairGpu"},
    "gpuops-smokers": {"StartSmoke"},
}
"""Who may act inside the cluster, beside labels and taints of nodes: a detector evicts nobody."""
MACHINES_OWN = {
    "lambda:InvokeFunction", "states:StartExecution", "states:StopExecution", "events:PutRule", "events:PutTargets",
}  # fmt: skip
"""What machines need of Step Functions itself; which targets, each one's own grants say."""
BORN = {
    "eks:CreateNodegroup": "aws:RequestTag/gpuops:cluster",
    "eks:TagResource": "aws:RequestTag/gpuops:cluster",
    "autoscaling:CreateOrUpdateTags": "autoscaling:ResourceTag/eks:cluster-name",
}
"""What has no tag of ours yet, and what is asked of it instead."""


def statements(function: str) -> Iterator[dict[str, Any]]:
    """The function's own statements; one under a template condition too."""
    for policy in RESOURCES[f"{function}Function"]["Properties"]["Policies"]:
        for statement in policy.get("Statement", ()):
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def functions() -> list[str]:
    """Every function of the template."""
    kind = "AWS::Serverless::Function"
    return [name.removesuffix("Function") for name, value in RESOURCES.items() if value["Type"] == kind]


@pytest.mark.parametrize("function", functions())
def test_a_function_may_write_only_the_items_that_it_writes(function: str) -> None:
    """The table is shared: a role that may put `undo#` items could make reconcile do anything to a group."""
    found = {
        f"{action.removeprefix('dynamodb:')} {key.removesuffix('#*')}"
        for statement in statements(function)
        for action in statement["Action"]
        if action.startswith("dynamodb:") and action not in READS
        for key in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    }

    assert found == WRITES.get(function, set())


def test_an_act_is_granted_to_those_who_do_it_and_to_nobody_else() -> None:
    """A function that looks can neither terminate nor start, and one that drains cannot terminate either."""
    found: dict[str, set[str]] = {}
    for name, resource in RESOURCES.items():
        for policy in resource["Properties"].get("Policies", ()):
            for statement in policy.get("Statement", ()) if isinstance(policy, dict) else ():
                for action in _actions(statement["Fn::If"][1] if "Fn::If" in statement else statement):
                    found.setdefault(action, set()).add(name.removesuffix("Function"))

    acts = {action: who for action, who in found.items() if not _reads(action) and action not in MACHINES_OWN}
    assert acts == ACTS


def test_who_acts_inside_the_cluster_is_in_the_group_for_it_and_no_other() -> None:
    """Every group of the access entries is one that rbac.yaml binds, and the other way round."""
    text = (ROOT / "layers/gpuops/gpuops/manifests/rbac.yaml").read_text()
    subjects = [s for part in yaml.safe_load_all(text) for s in part.get("subjects", ()) if s["kind"] == "Group"]
    found: dict[str, set[str]] = {}
    for name, resource in RESOURCES.items():
        for group in resource["Properties"].get("KubernetesGroups", ()):
            found.setdefault(group, set()).add(name.removesuffix("Access"))

    assert {group: who for group, who in found.items() if group in INSIDE} == INSIDE
    assert found.keys() - INSIDE.keys() == {"gpuops-readers", "gpuops-admitters", "gpuops-scrapers"}
    assert found.keys() == {subject["name"] for subject in subjects}


@pytest.mark.parametrize("function", functions())
def test_what_is_changed_carries_the_clusters_own_name(function: str) -> None:
    """Two stacks in one account: neither may touch the other's groups and launch templates."""
    for statement in statements(function):
        changes = [a for a in statement["Action"] if _changes(a)]
        service = changes[0].partition(":")[0] if changes else ""
        prefix = "aws" if service == "eks" else service
        wanted = BORN.get(changes[0] if changes else "", f"{prefix}:ResourceTag/gpuops:cluster")
        assert not changes or statement["Condition"]["StringEquals"] == {wanted: OURS}, changes


@pytest.mark.parametrize("function", ["OpenChange", "OpenRollback", "CloseChange"])
def test_instances_and_their_tags_come_from_launch_templates_only(function: str) -> None:
    """The two rights that AWS asks of whoever sets a launch template: one of this cluster, and no machine beyond it."""
    from_template, whatever_it_names = [s for s in statements(function) if s["Action"] == ["ec2:RunInstances"]]
    (tagging,) = [s for s in statements(function) if s["Action"] == ["ec2:CreateTags"]]

    assert from_template["Resource"]["Fn::Sub"].endswith(":launch-template/*")
    assert from_template["Condition"] == {"StringEquals": {"ec2:ResourceTag/gpuops:cluster": OURS}}
    assert not any("launch-template" in arn["Fn::Sub"] for arn in whatever_it_names["Resource"])
    assert whatever_it_names["Condition"]["Bool"] == {"ec2:IsLaunchTemplateResource": "true"}
    assert "ec2:LaunchTemplate" in whatever_it_names["Condition"]["ArnLike"]
    assert tagging["Condition"] == {"StringEquals": {"ec2:CreateAction": "RunInstances"}}


def test_only_an_instance_of_this_cluster_restarts_from_another_root_volume() -> None:
    """Of what else a task touches nothing carries the name before: the instance has to be allowed as well."""
    own, others = [s for s in statements("ReplaceRoot") if s["Action"] == ["ec2:CreateReplaceRootVolumeTask"]]

    assert own["Resource"]["Fn::Sub"].endswith(":instance/*")
    assert own["Condition"] == {"StringEquals": {"ec2:ResourceTag/gpuops:cluster": OURS}}
    assert not any("instance/" in arn["Fn::Sub"] for arn in others["Resource"])


def test_only_a_node_group_of_this_cluster_that_carries_its_name_is_updated() -> None:
    """Nobody can stop EKS's update, so who may begin one stands in one place."""
    policies = RESOURCES["UpdateManagedGroup"]["Properties"]["Policies"]
    found = [
        s for policy in policies for s in policy.get("Statement", ()) if "eks:UpdateNodegroupVersion" in s["Action"]
    ]

    assert [s["Condition"] for s in found] == [{"StringEquals": {"aws:ResourceTag/gpuops:cluster": OURS}}]
    assert found[0]["Resource"]["Fn::Sub"].endswith(":nodegroup/${ClusterName}/*/*")


def test_events_are_told_as_gpuops_and_heard_for_this_cluster_only() -> None:
    """Another cluster's stack hears its own; another hook's launches are not ours to admit."""
    (told,) = [s for s in statements("DetectRelease") if s["Action"] == ["events:PutEvents"]]
    heard = RESOURCES["RotateAmi"]["Properties"]["Events"]["ReleaseDetected"]["Properties"]["Pattern"]
    launch = RESOURCES["AdmitNode"]["Properties"]["Events"]["InstanceLaunch"]["Properties"]["Pattern"]

    assert told["Condition"] == {"StringEquals": {"events:source": "gpuops"}}
    assert heard["detail"] == {"cluster": [OURS]}
    assert launch["detail"] == {"LifecycleHookName": [{"prefix": "gpuops"}]}


def _changes(action: str) -> bool:
    """Whether the action changes a group, a node group or a launch template."""
    service, _, name = action.partition(":")
    of_groups = service in {"autoscaling", "eks"} and not name.startswith("Describe")
    return of_groups or action == "ec2:CreateLaunchTemplateVersion"


STORES = {
    "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::SQS::Queue", "AWS::SNS::Topic",
}  # fmt: skip
KEY = {"Ref": "KmsKeyArn"}


@pytest.mark.parametrize("name", [name for name, resource in RESOURCES.items() if resource["Type"] in STORES])
def test_what_keeps_anything_is_encrypted_with_your_key_if_you_give_one(name: str) -> None:
    """Under one condition everywhere; without a key AWS's own. Logs end, and no bucket can be made public."""
    kind, properties = RESOURCES[name]["Type"], RESOURCES[name]["Properties"]
    choices = list(_choices(properties))

    assert ("HasKey", True, False) in [(c[0], KEY in list(_inside(c[1])), KEY in list(_inside(c[2]))) for c in choices]
    if kind == "AWS::Logs::LogGroup":
        assert properties["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    if kind == "AWS::S3::Bucket":
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4


def test_nothing_is_reachable_from_outside_and_only_services_are_let_in() -> None:
    """No API, no function URL, no principal but AWS's services: who may call IAM may approve, nobody else."""
    kinds = {resource["Type"] for resource in RESOURCES.values()}
    let_in = [
        statement
        for resource in RESOURCES.values()
        if "Policy" in resource["Type"] and "PolicyDocument" in resource["Properties"]
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        if "Principal" in statement
    ]

    assert not {kind for kind in kinds if "Api" in kind or "Url" in kind or kind == "AWS::Lambda::Permission"}
    assert not [name for name, resource in RESOURCES.items() if "FunctionUrlConfig" in resource["Properties"]]
    assert let_in
    assert all(set(s["Principal"]) == {"Service"} and "aws:SourceArn" in str(s["Condition"]) for s in let_in)


def _inside(value: Any) -> Iterator[Any]:
    """Every value in a value, itself included."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inside(inner)


def _choices(properties: Any) -> Iterator[Any]:
    """Condition, value and other value of each `!If` in it."""
    return (value["Fn::If"] for value in _inside(properties) if isinstance(value, dict) and "Fn::If" in value)


def _actions(statement: dict[str, Any]) -> list[str]:
    """A statement's actions, of which one may stand without a list."""
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def _reads(action: str) -> bool:
    """Whether nothing changes by it, or only items of the table, which are judged by key."""
    service, _, name = action.partition(":")
    return service == "dynamodb" or name.startswith(("Describe", "Get", "List", "BatchGet", "QueryMetrics"))
