"""Looks for nodes that dead repairs left closed, through the clusters of the policy."""

import os
from collections.abc import Iterator
from datetime import datetime

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Invalid, gather
from gpuops.domain.faults.answers import Failed, Isolated, Left, run_of
from gpuops.domain.faults.left import is_left, name_again, order_from, order_of, why_not_again
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.rotation.lock import Execution
from gpuops.domain.run import Execution as Named


def left_repairs(policy: Policy, now: datetime, world: World) -> tuple[list[Left], list[Exception]]:
    """What is to be taken up again, and what is a person's; with the faults of what could not be looked at."""
    clusters = sorted({group.cluster for group in policy.groups})
    return gather(lambda cluster: _left_in(cluster, policy, now, world), clusters)


def _left_in(cluster: str, policy: Policy, now: datetime, world: World) -> Iterator[Left]:
    for node in world.cluster(cluster).nodes():
        if node.isolated_by is None:
            continue
        execution = world.executions.of_machine(os.environ["REMEDIATE_GPU_MACHINE_ARN"], node.isolated_by)
        if is_left(node, execution, now):
            yield _decide(node, execution, _group_of(node, cluster, policy, world), policy.version, now)


def _decide(node: Node, execution: Execution, group: GroupPolicy, version: str, now: datetime) -> Left:
    """Once again with the same fault, or a person."""
    name, order = name_again(run := node.isolated_by or ""), order_of(execution.given)
    arn = f"{os.environ['REMEDIATE_GPU_MACHINE_ARN'].replace(':stateMachine:', ':execution:')}:{run}"
    owner = run_of(Named(id=arn, name=run, machine=arn.split(":")[-2]), group, version)
    told = order or order_from(node, group.cluster, now)
    why = f"{run} ended without ending its repair" + why_not_again(name, order)
    closed = Isolated(status="closed", reason=why, run=owner, node=node.name, instance=node.instance)
    failed = Failed(name="Aborted", reason=why)
    return Left(run=owner, event=told, isolate=closed, error=failed, name=name if order else None)


def _group_of(node: Node, cluster: str, policy: Policy, world: World) -> GroupPolicy:
    """Raises: Invalid where the policy has lost the group: then nobody of ours may open the node either."""
    for group in policy.groups:
        if group.cluster == cluster and world.groups.describe(group.group, lambda _: True).instance(node.instance):
            return group
    raise Invalid(f"{node.name} was closed by {node.isolated_by}, which died, and is in no group of the policy")
