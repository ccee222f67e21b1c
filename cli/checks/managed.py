"""Judges a managed node group: EKS owns its Auto Scaling group and template, so every mend goes through EKS."""

from collections.abc import Iterator

from cli.checks.facts import Check, NodeGroup, Unseen
from gpuops.domain.keys import STARTUP_TAINT
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.group import CLUSTER_TAG


def judge_managed(seen: NodeGroup, policy: GroupPolicy) -> Iterator[Check]:
    """Yield whether the policy knows whose the group is, and whether the node group has our tag and startup taint."""
    name, owner = policy.group, seen.group.managed or ""
    called = f"aws eks describe-nodegroup --cluster-name {policy.cluster} --nodegroup-name {owner}"
    edit = (
        f"write `nodegroup: {owner}` and `strategy: managed` (or managed_blue_green) into the group's entry of"
        " fleet.yaml; gpuops policy check"
    )
    known = policy.nodegroup is not None and (policy.nodegroup == owner or seen.group.lead != name)
    yield Check(f"{name}: node group", known, f"made by EKS as {owner}; the policy says {policy.nodegroup}", edit)
    if seen.managed is None or isinstance(seen.managed, Unseen):
        why = seen.managed.reason if seen.managed else "it was not looked for"
        yield Check(f"{name}: tag and taint of the node group", ok=False, found=f"cannot read: {why}", mend=called)
        return
    have = seen.managed.tags.get(CLUSTER_TAG)
    tag = f"aws eks tag-resource --resource-arn {seen.managed.arn} --tags {CLUSTER_TAG}={policy.cluster}"
    yield Check(f"{name}: tag of the node group", have == policy.cluster, tag_found(have), tag)
    taint = (
        f"aws eks update-nodegroup-config --cluster-name {policy.cluster} --nodegroup-name {owner} --taints "
        f"'addOrUpdateTaints=[{{key={STARTUP_TAINT.key},value={STARTUP_TAINT.value},effect=NO_SCHEDULE}}]'"
    )
    registers = STARTUP_TAINT.key in seen.managed.taints
    what = (
        f"{owner} registers it"
        if registers
        else f"{owner} does not register {STARTUP_TAINT}: new nodes take pods at once"
    )
    yield Check(f"{name}: startup taint", registers, what, taint)


def tag_found(have: str | None) -> str:
    """Say which cluster the tag names, or that there is none."""
    return f"{CLUSTER_TAG}={have}" if have else f"no tag {CLUSTER_TAG}"
