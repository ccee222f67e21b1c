"""What the observer is told to expect, and what it answers. Plain data both ways."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

TOLD = "told"
STARTUP_TAINT = "startup-taint.cluster-autoscaler.kubernetes.io/gpuops"


@dataclass(frozen=True)
class Violation:
    """One rule broken: its name, what broke it, and when by the clock the observer was given."""

    rule: str
    what: str
    at: float


@dataclass(frozen=True)
class Wanted:
    """An object that must be there, or must not."""

    name: str
    path: str
    """At the apiserver."""
    exists: bool = True
    has: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def parse(body: bytes) -> Any:
        """The object as the apiserver gave it."""
        return json.loads(body)


@dataclass(frozen=True)
class Expectations:
    """What must hold. Everything has a default that suits a scenario which puts all back as it was."""

    floor_gpus: int = 0
    """Ready admitted GPUs never fall below this once they have reached it."""
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Group -> {min, max, desired} at the end, where they are not to be what they were at the start."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Group -> pattern of the one new group that has taken its place at the end; any other new one is too many."""
    job_pods_may_be_evicted: bool = False
    """For scenarios whose policy ends the patience with a Job."""
    lost_after_seconds: float = 900.0
    """How long an instance in service may lack a Node, or a Node an instance."""
    table: str | None = None
    bucket: str | None = None
    """Where reports are written."""
    reported_machines: tuple[str, ...] = ()
    """State machines whose every ended execution leaves a report named after it."""
    forbidden_items: tuple[str, ...] = ("rotation#", "lock#", "undo#", "claim#", "budget#", "open#")
    """Partition keys that must be gone from the table."""
    prefixes: tuple[str, ...] = ("gpuops/", "cluster-autoscaler.kubernetes.io/scale-down-disabled")
    """Labels and annotations of nodes that count as the product's."""
    allowed_keys: tuple[str, ...] = ("gpuops/admitted", "gpuops/cuda", "gpuops/driver")
    quarantined: int | str = 0
    """Nodes that stay in quarantine at the end, for a person to see; `told`: those whose repair failed and said so."""
    nodes: tuple[Mapping[str, Any], ...] = ()
    pods: tuple[Mapping[str, Any], ...] = ()
    logs: tuple[Mapping[str, Any], ...] = ()
    metrics: tuple[str, ...] = ()
    objects: tuple[Wanted, ...] = ()
    suspended: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group, the processes that are suspended at some time."""
    startup_taint: str = STARTUP_TAINT
    smoke_label: str = "gpuops/smoke"
    cordon_key: str = "gpuops/cordoned-by"
    """The annotation that a node bears while the product has it closed."""
    fault_key: str = "gpuops/fault"
    """The annotation that a node bears while the product has it in quarantine."""
    fault_run_key: str = "gpuops/fault-run"
    """Beside it, the execution that put it there."""
    settled_key: str = "gpuops/fault-settled"
    """Beside it, once its repair has ended and left it to a person."""
    checkpoint_key: str = "gpuops/checkpoint-requested"
    """The annotation by which the product asks a pod to save its work."""
    sharing_key: str = "gpuops/config-before"
    """The annotation that a node bears while the product changes how it shares its GPUs."""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """From a plain mapping. Raises ValueError for a key that would silently expect nothing."""
        if unknown := sorted(set(given) - {f.name for f in fields(cls)}):
            raise ValueError(f"expectations unknown to the observer: {', '.join(unknown)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return cls(**values)


@dataclass(frozen=True)
class Observed:
    """The observer's word on a rehearsal."""

    violations: tuple[Violation, ...]
    nodes_replaced: int
    min_ready_gpus: int | None
    """None when the floor was never reached."""
    evictions: int
    evictions_refused: int
    pods_on_unadmitted_nodes: int
    most_closed: int = 0
    """Nodes that the product had closed at one moment, at most."""
    asked_to_checkpoint: int = 0
    """Pods that were asked to save their work before they lost their node."""
    quarantined: int = 0
    """Nodes in quarantine at the end."""
    volumes_moved: int = 0
    """Volumes that were attached to another node while the one before was still there."""
    unmet: tuple[str, ...] = ()
    """What the scenario expected to be seen in cluster and region at the end, and was not."""

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {**asdict(self), "violations": [asdict(v) for v in self.violations]}
