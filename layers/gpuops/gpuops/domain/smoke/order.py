"""Whose smoke it is: a run's, or somebody's who named a node and a cluster."""

from pydantic import BaseModel

from gpuops.domain.admission.event import Hook
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.run import Execution, Run


class SmokeOrder(BaseModel):
    """What both functions of a smoke get; on demand there is no run until the first of them made one."""

    node: str
    run: Run | None = None
    cluster: str | None = None
    group: str | None = None
    """Only for an instance that is in no Auto Scaling group."""
    execution: Execution | None = None
    hook: Hook | None = None
    instance: str | None = None
    """Whose launch hook waits meanwhile."""

    @property
    def run_id(self) -> str:
        """Whose smoke it is."""
        if self.run is not None:
            return self.run.id
        if self.execution is None:
            raise Invalid("smoke: neither `run` nor `execution`: its Jobs would belong to nobody")
        return self.execution.name

    @property
    def smoke_id(self) -> str:
        """The execution that smokes: by its name a repeated call finds its Jobs, and no other smoke of the run does."""
        return self.execution.name if self.execution is not None else self.run_id

    @property
    def where(self) -> str:
        """The cluster's name."""
        if self.run is not None:
            return self.run.cluster
        if not self.cluster:
            raise Invalid("smoke: `cluster` is missing: give `cluster` and `node`, or `run` and `node`")
        return self.cluster


def ordered(order: SmokeOrder, member_of: str | None, policy: Policy) -> Run:
    """Make the run of a smoke on demand; `member_of` is the Auto Scaling group of the node's instance.

    Raises: Invalid for a group that is not in the policy or another one than was named, Refused unless its mode is
    `apply`: a smoke takes GPUs.
    """
    name = member_of or order.group
    if name is None:
        raise Invalid(f"{order.node} is in no Auto Scaling group: name its group in the policy as `group`")
    if order.group not in (None, name):
        raise Invalid(f"{order.node} is in group {name}, not in {order.group}")
    group = policy.group(name)
    if group.cluster != order.where:
        raise Invalid(f"group {name} is in cluster {group.cluster}, not in {order.where}")
    return _run(order, group, policy.version)


def _run(order: SmokeOrder, group: GroupPolicy, version: str) -> Run:
    if group.mode != "apply":
        raise Refused(f"group {group.group} is in mode {group.mode}: no smoke")
    if order.execution is None:
        raise Invalid("smoke: neither `run` nor `execution`")
    run = order.execution.run(group.cluster, group.group, version, group.mode)
    return run.model_copy(update={"id": order.run_id})
