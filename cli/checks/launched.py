"""Judges what instances are launched with: the tag by which our rights know them, the role that is passed on."""

from collections.abc import Iterator, Mapping

from cli.checks.facts import Check, NodeGroup, Stack, Unseen
from cli.checks.stack import deploy
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.group import CLUSTER_TAG

NAMED = 5


def judge_marks(seen: NodeGroup, policy: GroupPolicy) -> Check:
    """Without the tag no grant of ours reaches an instance: no reboot, no fence, no new root volume."""
    name = f"{policy.group}: tag of its instances"
    if isinstance(seen.marks, Unseen):
        ids = " ".join(instance.id for instance in seen.group.instances)
        mend = f"aws ec2 describe-instances --instance-ids {ids}"
        return Check(name, ok=False, found=f"cannot read: {seen.marks.reason}", mend=mend)
    bare = [instance for instance, cluster in seen.marks.items() if cluster != policy.cluster]
    if not bare:
        return Check(name, ok=True, found=f"{len(seen.marks)} instances carry it")
    more = f" and {len(bare) - NAMED} more" if len(bare) > NAMED else ""
    mark = f"aws ec2 create-tags --resources {' '.join(bare)} --tags Key={CLUSTER_TAG},Value={policy.cluster}"
    found = f"not {CLUSTER_TAG}={policy.cluster}: {', '.join(bare[:NAMED])}{more}"
    return Check(name, ok=False, found=found, mend=mark)


def judge_role(groups: Mapping[str, NodeGroup | Unseen], stack: Stack | Unseen) -> Iterator[Check]:
    """Whoever gives a group a new version passes its instances' role on; AWS refuses another than the stack names."""
    if isinstance(stack, Unseen):
        return
    given, cluster = stack.parameters.get("NodeRoleArn", ""), stack.parameters.get("ClusterName", "")
    for name, seen in groups.items():
        if isinstance(seen, Unseen) or seen.role is None:
            continue
        if isinstance(seen.role, Unseen):
            mend = "aws iam list-instance-profiles"
            yield Check(f"{name}: node role", ok=False, found=f"cannot read: {seen.role.reason}", mend=mend)
            continue
        says = f"the stack's NodeRoleArn is {given or 'not given'}"
        mend = deploy(stack.name, cluster, f" NodeRoleArn={seen.role}")
        yield Check(f"{name}: node role", seen.role == given, f"{seen.role}; {says}", mend)
