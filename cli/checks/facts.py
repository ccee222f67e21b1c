"""What the doctor sees. A part that cannot be read is Unseen, with the reason: not knowing is never well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, Unhealthy
from gpuops.domain.nodeview import NodeView
from gpuops.domain.rotation.group import Group

Seen = TypeVar("Seen")
FAULTS = (BotoCoreError, ClientError, Conflict, Invalid, Refused, Unavailable, Unhealthy, LookupError)


@dataclass(frozen=True)
class Unseen:
    """Something that could not be read."""

    reason: str


def look(read: Callable[[], Seen]) -> Seen | Unseen:
    """Return what there is, or why it cannot be seen."""
    try:
        return read()
    except FAULTS as error:
        return Unseen(" ".join(str(error).split())[:300])


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer."""

    name: str
    ok: bool
    found: str
    mend: str = ""
    """The command that mends it, where it is not ok."""


@dataclass(frozen=True)
class Stack:
    """The CloudFormation stack, and what it made."""

    name: str
    status: str
    parameters: Mapping[str, str]
    resources: Mapping[str, tuple[str, str]]
    """Logical id to type and physical id."""
    groups: Mapping[str, tuple[str, ...]]
    """Logical ids of access entries to the Kubernetes groups that the template gives them."""
    alarms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Logical ids of alarms to what the template says of them."""

    def of(self, kind: str) -> dict[str, str]:
        """Return physical ids of one type, by logical id."""
        return {name: physical for name, (type_, physical) in self.resources.items() if type_ == kind}


@dataclass(frozen=True)
class Cluster:
    """The EKS cluster."""

    name: str
    status: str
    authentication: str
    public_from: tuple[str, ...]
    """Networks that reach its public endpoint; none when it has only a private one."""
    security_group: str = ""
    lets_in: frozenset[str] = frozenset()
    """Security groups that its own lets in on port 443."""


@dataclass(frozen=True)
class Hook:
    """A launch lifecycle hook."""

    name: str
    default: str
    heartbeat_seconds: int


@dataclass(frozen=True)
class Template:
    """A launch template at the version that a group launches."""

    id: str
    version: str
    tags: Mapping[str, str]
    user_data: str
    view: NodeView | Unseen


@dataclass(frozen=True)
class Managed:
    """The EKS node group behind an Auto Scaling group."""

    arn: str
    tags: Mapping[str, str]
    taints: frozenset[str]
    """Keys of the taints that its nodes register with."""
    role: str = ""


@dataclass(frozen=True)
class NodeGroup:
    """An Auto Scaling group of the policy."""

    group: Group
    hooks: tuple[Hook, ...]
    templates: tuple[Template, ...]
    cpus: Mapping[str, int]
    """vCPUs of each instance type that it may launch."""
    managed: Managed | Unseen | None = None
    """None where EKS did not make it."""
    marks: Mapping[str, str | None] | Unseen = field(default_factory=dict)
    """The cluster that each instance's own tag names, by instance id; None where it has none."""
    role: str | Unseen | None = None
    """ARN of the role that its instances are launched with; None for none."""


@dataclass(frozen=True)
class Agent:
    """A DaemonSet that offers or measures GPUs."""

    title: str
    wanted: int
    ready: int


@dataclass(frozen=True)
class Inside:
    """What runs in the cluster."""

    nodes: tuple[Node, ...]
    plugins: tuple[Agent, ...]
    exporters: tuple[Agent, ...]


@dataclass(frozen=True)
class Sight:
    """Everything that the doctor looked at."""

    who: str
    stack: Stack | Unseen
    cluster: Cluster | Unseen
    entries: Mapping[str, tuple[str, ...] | None] | Unseen
    """Kubernetes groups by principal; None where there is no access entry."""
    alarms: Mapping[str, bool] | Unseen
    """Whether each alarm of the stack is there, by name."""
    rbac: tuple[str, ...] | Unseen
    """What of our manifest is missing from the cluster, or differs."""
    inside: Inside | Unseen
    metrics: tuple[str, str | None] | Unseen
    """A node, and what its exporter says on port 9400."""
    groups: Mapping[str, NodeGroup | Unseen] = field(default_factory=dict)
    quotas: Mapping[str, float | Unseen] = field(default_factory=dict)
    """vCPUs that may run, by quota code."""
