"""Judges one node group: its tags, launch hook and startup taint, and whether the account may run it."""

import json
import math
import shlex
from collections.abc import Iterator, Mapping

from cli.checks.facts import Check, Hook, NodeGroup, Template, Unseen
from cli.checks.launched import judge_marks
from cli.checks.managed import judge_managed, tag_found
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import HOOK_PREFIX, STARTUP_TAINT, STARTUP_TAINT_KEY
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.quotas import QUOTAS, quota_code
from gpuops.domain.rotation.group import CLUSTER_TAG
from gpuops.domain.userdata import with_startup_taint


def judge_group(seen: NodeGroup | Unseen, policy: GroupPolicy) -> Iterator[Check]:
    """Yield everything about a group that needs no quota; one that cannot be read is one line."""
    name = policy.group
    if isinstance(seen, Unseen):
        mend = f"aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names {name}"
        yield Check(f"{name}: group", ok=False, found=f"cannot read: {seen.reason}", mend=mend)
        return
    yield judge_marks(seen, policy)
    if seen.group.managed:
        yield from judge_managed(seen, policy)
        return
    yield _group_tag(seen, policy)
    for template in seen.templates:
        yield _template_tag(template, policy)
        yield _startup_taint(template, seen, name)
    yield _hook(seen, policy)


def _group_tag(seen: NodeGroup, policy: GroupPolicy) -> Check:
    name, cluster = policy.group, policy.cluster
    have = seen.group.tags.get(CLUSTER_TAG)
    tag = f"ResourceId={name},ResourceType=auto-scaling-group,Key={CLUSTER_TAG},Value={cluster},PropagateAtLaunch=true"
    mend = f"aws autoscaling create-or-update-tags --tags {tag}"
    return Check(f"{name}: tag of the group", have == cluster, tag_found(have), mend)


def _template_tag(template: Template, policy: GroupPolicy) -> Check:
    have = template.tags.get(CLUSTER_TAG)
    mend = f"aws ec2 create-tags --resources {template.id} --tags Key={CLUSTER_TAG},Value={policy.cluster}"
    found = f"{template.id}: {tag_found(have)}"
    return Check(f"{policy.group}: tag of the launch template", have == policy.cluster, found, mend)


def _startup_taint(template: Template, seen: NodeGroup, group: str) -> Check:
    """New nodes register with our taint; without it GPU pods land on them before they are admitted."""
    name = f"{group}: startup taint"
    where = f"{template.id} version {template.version}"
    if isinstance(template.view, Unseen):
        mend = f"aws ec2 describe-launch-template-versions --launch-template-id {template.id}"
        return Check(name, ok=False, found=f"{where}: {template.view.reason}", mend=mend)
    if any(taint.key == STARTUP_TAINT_KEY for taint in template.view.taints):
        return Check(name, ok=True, found=f"{where} registers it")
    found = f"{where} does not register {STARTUP_TAINT}; the first roll adds it"
    return Check(name, ok=False, found=found, mend=_tainted(template, seen, group))


def _tainted(template: Template, seen: NodeGroup, group: str) -> str:
    """Return the command that adds the taint: the same template with edited user data, and the group put on it."""
    try:
        data = json.dumps({"UserData": with_startup_taint(template.user_data)})
    except Invalid as error:
        return f"add --register-with-taints={STARTUP_TAINT} to the kubelet flags of {template.id} ({error})"
    make = (
        f"aws ec2 create-launch-template-version --launch-template-id {template.id} "
        f"--source-version {template.version} --launch-template-data {shlex.quote(data)}"
    )
    if "LaunchTemplate" not in seen.group.launch:
        return make
    return (
        f"{make} && aws autoscaling update-auto-scaling-group --auto-scaling-group-name {group} "
        f"--launch-template 'LaunchTemplateId={template.id},Version=$Latest'"
    )


def _hook(seen: NodeGroup, policy: GroupPolicy) -> Check:
    """A hook of ours that outlasts a smoke and lets an instance go on when nobody answers."""
    name, needed = policy.group, policy.smoke.timeout_seconds
    mend = (
        f"aws autoscaling put-lifecycle-hook --auto-scaling-group-name {name} --lifecycle-hook-name "
        f"{_name(seen.hooks)} --lifecycle-transition autoscaling:EC2_INSTANCE_LAUNCHING "
        f"--heartbeat-timeout {max(900, needed + 300)} --default-result CONTINUE"
    )
    faults = list(_hook_faults(seen.hooks, needed))
    good = ", ".join(f"{h.name}: {h.default}, {h.heartbeat_seconds} s" for h in _ours(seen.hooks))
    return Check(f"{name}: launch hook", not faults, "; ".join(faults) or good, mend)


def _hook_faults(hooks: tuple[Hook, ...], needed: int) -> Iterator[str]:
    ours = _ours(hooks)
    if not ours:
        yield f"no launch hook whose name begins with {HOOK_PREFIX}"
    for hook in ours:
        if hook.default != "CONTINUE":
            yield f"{hook.name} ends in {hook.default}: whatever keeps gpuops from answering replaces every instance"
        if hook.heartbeat_seconds <= needed:
            yield f"{hook.name} waits {hook.heartbeat_seconds} s, a smoke up to {needed} s"


def _ours(hooks: tuple[Hook, ...]) -> list[Hook]:
    return [hook for hook in hooks if hook.name.startswith(HOOK_PREFIX)]


def _name(hooks: tuple[Hook, ...]) -> str:
    return next((hook.name for hook in _ours(hooks)), f"{HOOK_PREFIX}-admit")


def vcpus_needed(seen: Mapping[str, NodeGroup | Unseen], policies: Mapping[str, GroupPolicy]) -> dict[str, int]:
    """Return the vCPUs that full groups and their surge would take, by quota; of several types, the largest."""
    needed: dict[str, int] = {}
    for name, found in seen.items():
        if isinstance(found, Unseen) or not found.cpus:
            continue
        largest = max(found.cpus, key=lambda each: found.cpus[each])
        if code := quota_code(largest):
            size = found.group.max + policies[name].surge
            needed[code] = needed.get(code, 0) + size * found.cpus[largest]
    return needed


def judge_quotas(needed: Mapping[str, int], quotas: Mapping[str, float | Unseen]) -> Iterator[Check]:
    """The account may run every group at its largest, and a surge."""
    for code, cpus in sorted(needed.items()):
        title = f"quota {'G and VT' if code == QUOTAS['g'] else 'P'} instances"
        have = quotas[code]
        mend = (
            "aws service-quotas request-service-quota-increase --service-code ec2 "
            f"--quota-code {code} --desired-value {cpus}"
        )
        if isinstance(have, Unseen):
            mend = f"aws service-quotas get-service-quota --service-code ec2 --quota-code {code}"
            yield Check(title, ok=False, found=f"cannot read: {have.reason}", mend=mend)
        else:
            yield Check(title, have >= cpus, f"{math.floor(have)} vCPUs allowed, up to {cpus} needed", mend)
