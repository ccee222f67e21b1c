"""What must hold at a scenario's end, besides everything that the observer forbids in any scenario."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from rehearsal.scenario.kinds import known_kind
from rehearsal.scenario.parts import Name, Part, Seconds

Count = Annotated[int, Field(ge=0)]


class ExpectedExecution(Part):
    """How the executions of one machine must end; `count` of them when given, else at least one."""

    machine: str
    status: Literal["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]
    count: Count | None = None
    error: str | None = None
    cause: str = ""
    """Part of the cause."""
    output: str = ""
    """Part of the output, as JSON."""
    ended_after: Seconds = 0
    ended_before: Seconds | None = None
    """Between which simulated seconds of the story it ended."""


class ExpectedNodes(Part):
    """Exactly `count` nodes, of one group or of all, are like this."""

    group: Name | None = None
    count: Count = 1
    allocatable: Count | None = None
    """Of nvidia.com/gpu."""
    shared: Count | None = None
    """Allocatable of nvidia.com/gpu.shared."""
    labels: dict[str, str] = Field(default_factory=dict)
    schedulable: bool | None = None


class ExpectedPods(Part):
    """How many pods of a Deployment, DaemonSet or Job are in which phase; what is left out may be anything."""

    workload: str
    namespace: str | None = None
    running: Count | None = None
    pending: Count | None = None
    on_nodes: Count | None = None
    """The running ones sit on so many nodes."""


class ExpectedLog(Part):
    """The log of at least one pod of the workload contains the text."""

    workload: str
    namespace: str | None = None
    contains: str


class ExpectedObject(Part):
    """An object is there, or is not; and if it is, it has these fields, whatever else it has."""

    kind: Annotated[str, AfterValidator(known_kind)]
    namespace: str = "default"
    name: str
    exists: bool = True
    has: dict[str, Any] = Field(default_factory=dict)


class ExpectedMessage(Part):
    """So many messages that were published on the people's topics contain all of these texts."""

    contains: Annotated[tuple[str, ...], Field(min_length=1)]
    count: Count = 1


class Sizes(Part):
    """A group's sizes at the end, where they are not to be what they were."""

    min: Count | None = None
    max: Count | None = None
    desired: Count | None = None


class Expect(Part):
    """What must hold at the end."""

    executions: tuple[ExpectedExecution, ...] = ()
    nodes_replaced: Count | None = None
    floor_gpus: Count = 0
    """Ready admitted GPUs must never be fewer than this, once they have been that many."""
    evictions: Count | None = None
    evicted: tuple[str, ...] = ()
    """Workloads, in the order in which their pods were evicted; if any is named, all are."""
    evictions_refused: Count = 0
    """At least so many: how often a drain asks depends on how long it must."""
    most_closed: Count | None = None
    """Nodes that the product had closed at one moment, at most."""
    quarantined: Count | Literal["told"] = 0
    """Nodes that the product leaves closed, for a person to see; `told`: any whose repair failed and said so."""
    asked_to_checkpoint: Count | None = None
    """Pods that were asked to save their work."""
    volumes_moved: Count | None = None
    """Volumes that came to another node while the one before was still there."""
    jobs_finished: tuple[str, ...] = ()
    nodes: tuple[ExpectedNodes, ...] = ()
    pods: tuple[ExpectedPods, ...] = ()
    logs: tuple[ExpectedLog, ...] = ()
    metrics: tuple[str, ...] = ()
    """Series that every exporter's pod gives when it is scraped through the apiserver; without one there are none."""
    objects: tuple[ExpectedObject, ...] = ()
    suspended: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    """By group, the processes that were suspended at some time."""
    escalations: Count | None = None
    """Events on the bus by which the product calls a person."""
    messages: tuple[ExpectedMessage, ...] = ()
    queues: dict[str, Count] = Field(default_factory=dict)
    """By logical name, how many messages the stack's queues hold."""
    job_pods_may_be_evicted: bool = False
    """For policies that end the patience with a Job."""
    groups: dict[Name, Sizes] = Field(default_factory=dict)
    moved: dict[Name, str] = Field(default_factory=dict)
    """By group, the name, with wildcards, of the new group that has taken its place, with the sizes of the old one."""
    peak_calls: dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+:.+$")], Count] = Field(default_factory=dict)
    """service:action and how often at most the product may call it within one simulated second."""
