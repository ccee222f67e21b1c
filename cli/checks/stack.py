"""Judges what an account has of gpuops: the stack, its policy, its way to the cluster, its rights there, its alarms."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cli.checks.facts import Check, Cluster, Sight, Stack, Unseen
from gpuops.domain.policy import Policy

ANYWHERE = "0.0.0.0/0"
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


def deploy(stack: str, cluster: str, more: str = "") -> str:
    """Return the command that deploys."""
    return f'make deploy STACK={stack} ARGS="--parameter-overrides ClusterName={cluster}{more}"'


def judge_stack(sight: Sight, name: str, cluster: str) -> Check:
    """The stack is there, and not in the middle of something."""
    stack = sight.stack
    if isinstance(stack, Unseen):
        return Check("stack", ok=False, found=stack.reason, mend=deploy(name, cluster))
    return Check("stack", stack.status in SETTLED, f"{stack.name} is {stack.status}", deploy(name, cluster))


def judge_policy(policy: Policy | Unseen, stack: str) -> Check:
    """The uploaded policy parses: with a broken one every group is on hold."""
    mend = f"gpuops policy push fleet.yaml --stack {stack}"
    if isinstance(policy, Unseen):
        return Check("policy", ok=False, found=policy.reason, mend=mend)
    return Check("policy", ok=True, found=f"version {policy.version}, {len(policy.groups)} groups")


def judge_cluster(cluster: Cluster | Unseen, name: str) -> Check:
    """The cluster is active, and takes access entries."""
    if isinstance(cluster, Unseen):
        return Check("cluster", ok=False, found=cluster.reason, mend=f"aws eks describe-cluster --name {name}")
    ok = cluster.status == "ACTIVE" and cluster.authentication.startswith("API")
    found = f"{name} is {cluster.status}, authentication mode {cluster.authentication or 'CONFIG_MAP'}"
    mode = "authenticationMode=API_AND_CONFIG_MAP"
    return Check("cluster", ok, found, f"aws eks update-cluster-config --name {name} --access-config {mode}")


def judge_path(stack: Stack | Unseen, cluster: Cluster | Unseen) -> Check:
    """The functions can reach the endpoint: through their subnets, or from anywhere."""
    name = "endpoint"
    if isinstance(stack, Unseen) or isinstance(cluster, Unseen):
        return _later(name, "stack and cluster")
    subnets, groups = (_split(stack.parameters.get(key, "")) for key in ("SubnetIds", "SecurityGroupIds"))
    inside = deploy(stack.name, cluster.name, " SubnetIds=<private subnets> SecurityGroupIds=<a group>")
    if not subnets:
        ok = ANYWHERE in cluster.public_from
        reach = ", ".join(cluster.public_from) or "nowhere outside its VPC"
        return Check(name, ok, f"functions are outside any VPC; the endpoint is reached from {reach}", inside)
    if cluster.security_group and not set(groups) & (cluster.lets_in | {cluster.security_group}):
        found = f"{cluster.security_group} does not let {', '.join(groups) or 'the functions'} in on port 443"
        let_in = f"aws ec2 authorize-security-group-ingress --group-id {cluster.security_group} --protocol tcp"
        mend = f"{let_in} --port 443 --source-group {groups[0]}" if groups else inside
        return Check(name, ok=False, found=found, mend=mend)
    return Check(name, ok=True, found=f"functions are in {', '.join(subnets)}")


def judge_entries(entries: Mapping[str, tuple[str, ...] | None] | Unseen, stack: Stack | Unseen, cluster: str) -> Check:
    """Every role of the stack enters the cluster, with the groups that the template gives it."""
    name = "access entries"
    if isinstance(stack, Unseen):
        return _later(name, "stack")
    if isinstance(entries, Unseen):
        return _unreadable(name, entries, f"aws eks list-access-entries --cluster-name {cluster}")
    wanted = {stack.resources[logical][1].partition("|")[0]: groups for logical, groups in stack.groups.items()}
    wrong = [role for role, groups in wanted.items() if set(groups) != set(entries.get(role) or ())]
    if not wrong:
        return Check(
            name, ok=bool(wanted), found=f"{len(wanted)} roles enter {cluster}", mend=deploy(stack.name, cluster)
        )
    verb = "create" if entries.get(wrong[0]) is None else "update"
    names = [role.rpartition("/")[2] for role in wrong]
    mend = (
        f"aws eks {verb}-access-entry --cluster-name {cluster} --principal-arn {wrong[0]} "
        f"--kubernetes-groups {' '.join(wanted[wrong[0]])}"
    )
    return Check(name, ok=False, found=f"missing, or with other groups: {', '.join(names)}", mend=mend)


def judge_rbac(rbac: tuple[str, ...] | Unseen, cluster: str) -> Check:
    """What an administrator applies once is there, unchanged."""
    mend = f"gpuops rbac --policy fleet.yaml --cluster {cluster} | kubectl apply --server-side -f -"
    if isinstance(rbac, Unseen):
        return _unreadable("rbac", rbac, mend)
    return Check("rbac", not rbac, "; ".join(rbac[:5]) or "as `gpuops rbac` prints it", mend)


def judge_alarms(alarms: Mapping[str, bool] | Unseen, stack: Stack | Unseen) -> Check:
    """The template's alarms are there; whether they tell anybody is said, too."""
    if isinstance(stack, Unseen):
        return _later("alarms", "stack")
    mend = deploy(stack.name, stack.parameters.get("ClusterName", ""))
    if isinstance(alarms, Unseen):
        return _unreadable("alarms", alarms, "aws cloudwatch describe-alarms")
    gone = [name for name, there in alarms.items() if not there]
    if gone:
        return Check("alarms", ok=False, found=f"missing: {', '.join(gone)}", mend=_put_alarm(stack, gone[0]))
    told = "" if stack.parameters.get("AlarmTopicArn") else "; they notify nobody (parameter AlarmTopicArn)"
    return Check("alarms", bool(alarms), f"{len(alarms)} in place{told}", mend)


def judge_approvals(policy: Policy | Unseen, stack: Stack | Unseen) -> Iterator[Check]:
    """Where a group's policy asks for approvals, there is a topic to ask on: its runs would be refused otherwise."""
    if isinstance(policy, Unseen) or isinstance(stack, Unseen):
        return
    asking = [group.group for group in policy.groups if group.approval.required]
    if not asking:
        return
    topic = stack.parameters.get("ApprovalTopicArn") or stack.parameters.get("AlarmTopicArn")
    found = f"asked on {topic}" if topic else f"no topic to ask on: every run of {', '.join(asking)} is refused"
    mend = deploy(stack.name, stack.parameters.get("ClusterName", ""), " ApprovalTopicArn=<topic>")
    yield Check("approvals", bool(topic), found, mend)


def _put_alarm(stack: Stack, name: str) -> str:
    """Return the command that makes it anew: CloudFormation does not look whether what it made is still there."""
    logical = next(each for each, (_, physical) in stack.resources.items() if physical == name)
    said = {key: _resolved(value, stack) for key, value in stack.alarms.get(logical, {}).items()}
    plain = {key: value for key, value in said.items() if "Fn::" not in json.dumps(value)}
    topic = stack.parameters.get("AlarmTopicArn")
    told = {"AlarmActions": [topic], "OKActions": [topic]} if topic else {}
    alarm = json.dumps({"AlarmName": name, **plain, **told})
    return f"aws cloudwatch put-metric-alarm --cli-input-json {shlex.quote(alarm)}"


def _later(name: str, needs: str) -> Check:
    return Check(name, ok=False, found=f"cannot be judged without {needs}", mend="mend the lines above first")


def _unreadable(name: str, unseen: Unseen, mend: str) -> Check:
    return Check(name, ok=False, found=f"cannot read: {unseen.reason}", mend=mend)


def _split(parameter: str) -> list[str]:
    return [part.strip() for part in parameter.split(",") if part.strip()]


def all_ok(checks: Iterable[Check]) -> bool:
    """Whether there is nothing to mend."""
    return all(check.ok for check in checks)


def _resolved(value: Any, stack: Stack) -> Any:
    """Put in what the stack knows: its parameters, numbers as such, and the names of its queues.

    An alarm on a queue without the queue's name would watch nothing.
    """
    match value:
        case {"Ref": str(name)} if name in stack.parameters:
            given = stack.parameters[name]
            return float(given) if given.replace(".", "", 1).isdecimal() else given
        case {"Fn::GetAtt": [str(name), "QueueName"]} if name in stack.resources:
            return stack.resources[name][1].rsplit("/", 1)[-1]
        case dict():
            return {key: _resolved(each, stack) for key, each in value.items()}
        case list():
            return [_resolved(each, stack) for each in value]
    return value
