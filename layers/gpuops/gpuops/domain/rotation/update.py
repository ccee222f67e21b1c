"""How EKS's update of a node group ended: what each of its error codes means for the run, and what to do about it.

Which of our errors a code becomes: Refused where the world said no (addresses, quotas, rights, a disruption budget),
Unhealthy where nodes did not come, Invalid where something that the node group names is gone or in the way. None is
Unavailable: the update has ended, and asking again how it ended would change nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Invalid, Refused, Unhealthy
from gpuops.domain.rotation.group import Group

EVICTION = "PodEvictionFailure"
MAX_NAMED = 5


@dataclass(frozen=True)
class Meaning:
    """What one of EKS's error codes is to us."""

    error: type[Exception]
    next_step: str


MEANINGS = {
    EVICTION: Meaning(
        Refused, "give the budget room (more replicas, or a lower minAvailable), or set drain.on_deadline to force"
    ),
    "NodeCreationFailure": Meaning(
        Unhealthy, "look at the group's scaling activities, and at kubelet's log on an instance that never joined"
    ),
    "InsufficientFreeAddresses": Meaning(Refused, "free addresses in the group's subnets, or add a subnet"),
    "IpNotAvailable": Meaning(Refused, "free addresses in the group's subnets, or add a subnet"),
    "EniLimitReached": Meaning(Refused, "ask for a higher quota of network interfaces"),
    "SubnetNotFound": Meaning(Invalid, "the node group names a subnet that is gone: make another node group"),
    "SecurityGroupNotFound": Meaning(Invalid, "the node group names a security group that is gone"),
    "VpcIdNotFound": Meaning(Invalid, "the cluster's VPC is gone"),
    "AccessDenied": Meaning(Refused, "EKS's service role or the node role lacks a right: see the message"),
    "OperationNotPermitted": Meaning(Refused, "EKS's service role lacks a right: see the message"),
    "ClusterUnreachable": Meaning(Refused, "EKS could not reach the cluster: start the roll again"),
    "InsufficientNumberOfReplicas": Meaning(Refused, "a workload has too few replicas to lose a node"),
    "ConfigurationConflict": Meaning(Invalid, "somebody else owns what EKS wanted to change: see the message"),
    "AdmissionRequestDenied": Meaning(Refused, "an admission webhook of the cluster refused EKS: see the message"),
    "UnsupportedAddonModification": Meaning(Invalid, "an add-on is in the way: see the message"),
    "K8sResourceNotFound": Meaning(Invalid, "something that EKS counts on is gone from the cluster: see the message"),
    "Unknown": Meaning(Refused, "EKS does not say why: start the roll again, or ask AWS Support"),
}
"""The codes of the EKS API's data type ErrorDetail."""


class UpdateFault(BaseModel):
    """One error of an update, in EKS's words."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(alias="ErrorCode", default="Unknown")
    message: str = Field(alias="ErrorMessage", default="")
    resources: tuple[str, ...] = Field(alias="ResourceIds", default=())
    """Nodes by name, instances, subnets: whatever the code is about."""


class Update(BaseModel):
    """An update as DescribeUpdate answers a state machine."""

    model_config = ConfigDict(frozen=True)

    status: Literal["InProgress", "Failed", "Cancelled", "Successful"] = Field(alias="Status")
    faults: tuple[UpdateFault, ...] = Field(alias="Errors", default=())

    @property
    def stuck_nodes(self) -> tuple[str, ...]:
        """The nodes whose pods did not go."""
        return tuple(name for fault in self.faults if fault.code == EVICTION for name in fault.resources)


def failure(update: Update, blocking: Sequence[str]) -> Exception:
    """Return the one of our errors that a failed update means; `blocking` are the budgets found in its way."""
    if not update.faults:
        return Refused(f"EKS's update ended as {update.status} and says no reason")
    fault = update.faults[0]
    meaning = MEANINGS.get(fault.code, MEANINGS["Unknown"])
    where = f" ({', '.join(fault.resources[:MAX_NAMED])})" if fault.resources else ""
    what = f"EKS's update ended as {update.status}: {fault.code}: {fault.message}{where}"
    found = f"; in the way: {', '.join(blocking[:MAX_NAMED])}" if blocking else ""
    return meaning.error(f"{what}{found}; next: {meaning.next_step}")


@dataclass(frozen=True)
class Verdict:
    """Whether the group is what EKS says that it is."""

    status: Literal["updated", "waiting", "unhealthy"]
    reason: str


def judge_nodes(group: Group, target: str, nodes: Iterable[Node], deadline: datetime, now: datetime) -> Verdict:
    """Every instance runs the target and was admitted by us; what is not yet has until the deadline."""
    admitted = {node.instance for node in nodes if node.admitted}
    old = [i.id for i in group.staying if i.ami != target]
    strange = [i.id for i in group.staying if i.ami == target and i.id not in admitted]
    if not old and not strange:
        return Verdict("updated", f"all {len(group.staying)} nodes run {target} and are admitted")
    words = [f"{_named(old)} run another image"] if old else []
    words += [f"{_named(strange)} are not admitted"] if strange else []
    reason = "; ".join(words)
    if now < deadline:
        return Verdict("waiting", reason)
    return Verdict("unhealthy", f"{reason} at {deadline.isoformat()}, after EKS's update had ended well")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
