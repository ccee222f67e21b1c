"""`gpuops doctor`: what a person runs first on a real account. It reads, and changes nothing.

It looks with the caller's own rights: what these do not reach is `not ok`, because not knowing is no health.
"""

import dataclasses
from collections.abc import Iterator
from typing import Annotated

import typer

from cli.checks import account, inside
from cli.checks import stack as stacks
from cli.checks.agents import judge_exporter, judge_metrics, judge_plugin, judge_reach
from cli.checks.facts import Check, Inside, NodeGroup, Sight, Stack, Unseen, look
from cli.checks.group import judge_group, judge_quotas, vcpus_needed
from cli.checks.launched import judge_role
from cli.output import answer, give_up, say
from gpuops.adapters.kube import Kube
from gpuops.domain.policy import ClusterPolicy, GroupPolicy, Policy

UNKNOWN = "<cluster>"


def command(
    cluster: Annotated[str | None, typer.Option(help="The EKS cluster; not given: the stack's.")] = None,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Look at account, stack, cluster and groups; each line says ok or not ok, and the command that mends it."""
    who = look(account.see_caller)
    if isinstance(who, Unseen):
        give_up(f"no AWS credentials that work: {who.reason}", as_json=as_json)
    checks = list(examine(who, cluster, stack))
    for check in checks:
        say(f"{'ok    ' if check.ok else 'not ok'}  {check.name}: {check.found}")
        if not check.ok:
            say(f"        mend: {check.mend}")
    if as_json:
        answer({"checks": [dataclasses.asdict(check) | {"mend": "" if check.ok else check.mend} for check in checks]})
    raise typer.Exit(0 if stacks.all_ok(checks) else 1)


def examine(who: str, wanted: str | None, stack_name: str) -> Iterator[Check]:
    """Look at everything, then judge it."""
    stack = look(lambda: account.see_stack(stack_name))
    policy = Unseen("there is no stack") if isinstance(stack, Unseen) else look(lambda: account.see_policy(stack))
    of_stack = "" if isinstance(stack, Unseen) else stack.parameters.get("ClusterName", "")
    cluster = wanted or of_stack or UNKNOWN
    groups = {} if isinstance(policy, Unseen) else {g.group: g for g in policy.groups if g.cluster == cluster}
    sight = _look_around(who, stack, cluster, policy, groups)
    yield Check("credentials", ok=True, found=who)
    yield from judge(sight, policy, groups, stack_name, cluster)


def judge(
    sight: Sight, policy: Policy | Unseen, groups: dict[str, GroupPolicy], stack: str, cluster: str
) -> Iterator[Check]:
    """Yield the lines, in the order in which they are best mended."""
    yield stacks.judge_stack(sight, stack, cluster)
    yield stacks.judge_cluster(sight.cluster, cluster)
    yield stacks.judge_path(sight.stack, sight.cluster)
    yield stacks.judge_entries(sight.entries, sight.stack, cluster)
    yield judge_reach(sight.inside, sight.who, cluster)
    yield stacks.judge_rbac(sight.rbac, cluster)
    yield stacks.judge_policy(policy, stack)
    if not isinstance(policy, Unseen) and not groups:
        mend = f"add its groups to fleet.yaml, then: gpuops policy push fleet.yaml --stack {stack}"
        yield Check("groups", ok=False, found=f"the policy has no group of cluster {cluster}", mend=mend)
    for name, group in groups.items():
        yield from judge_group(sight.groups[name], group)
    yield from judge_role(sight.groups, sight.stack)
    yield from judge_quotas(vcpus_needed(sight.groups, groups), sight.quotas)
    of_cluster = ClusterPolicy(cluster=cluster) if isinstance(policy, Unseen) else policy.cluster(cluster)
    yield judge_plugin(sight.inside, of_cluster)
    yield judge_exporter(sight.inside, of_cluster)
    yield judge_metrics(sight)
    yield stacks.judge_alarms(sight.alarms, sight.stack)
    yield from stacks.judge_approvals(policy, sight.stack)


def _look_around(
    who: str, stack: Stack | Unseen, name: str, policy: Policy | Unseen, groups: dict[str, GroupPolicy]
) -> Sight:
    """Ask account and cluster for everything, each apart from the others."""
    none = Unseen("there is no stack")
    kube = look(lambda: Kube.connect(name))
    seen = kube if isinstance(kube, Unseen) else look(lambda: inside.see_inside(kube))
    needed = inside.needed_objects(None if isinstance(policy, Unseen) else policy, name)
    found = {group: _group(group) for group in groups}
    return Sight(
        who=who,
        stack=stack,
        cluster=look(lambda: account.see_cluster(name)),
        entries=none if isinstance(stack, Unseen) else look(lambda: account.see_entries(stack, name)),
        alarms=none if isinstance(stack, Unseen) else look(lambda: account.see_alarms(stack)),
        rbac=kube if isinstance(kube, Unseen) else look(lambda: inside.see_rbac(kube, needed)),
        inside=seen,
        metrics=_metrics(kube, seen, None if isinstance(policy, Unseen) else policy.cluster(name)),
        groups=found,
        quotas={code: _quota(code) for code in vcpus_needed(found, groups)},
    )


def _group(name: str) -> NodeGroup | Unseen:
    return look(lambda: account.see_group(name))


def _quota(code: str) -> float | Unseen:
    return look(lambda: account.see_quota(code))


def _metrics(
    kube: Kube | Unseen, seen: Inside | Unseen, policy: ClusterPolicy | None
) -> tuple[str, str | None] | Unseen:
    """Ask the exporter of the first node that has GPUs."""
    if isinstance(kube, Unseen):
        return kube
    if isinstance(seen, Unseen):
        return seen
    node = next((node for node in seen.nodes if node.gpus or node.shared_gpus), None)
    if node is None:
        return Unseen("no node offers GPUs yet")
    return look(lambda: inside.see_metrics(kube, node, policy or ClusterPolicy(cluster="unknown")))
