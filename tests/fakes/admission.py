"""A cluster and an instance in memory: the verbs of the adapters, without a wire.

Subclasses, so that a signature that drifts is a type error; the contract suite holds the cluster to the real one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.memory import Memory
from gpuops.domain.admission.event import Hook
from gpuops.domain.admission.pace import Boots
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Unavailable
from gpuops.domain.keys import (
    ADMITTED,
    BOOT_BEFORE,
    CONFIG_BEFORE,
    CORDONED_BY,
    FAULT,
    FAULT_RUN,
    FAULT_SETTLED,
    KEPT_FOR,
    MARK_KEYS,
    MARKS,
    PLUGIN_CONFIG_LABEL,
    QUARANTINE_KEY,
    QUARANTINED,
    SCALE_DOWN_DISABLED,
    Taint,
)


class FakeCluster(Cluster):
    """Nodes and pods; `budgets` refuses evictions of a pod's title with its words."""

    def __init__(self, *nodes: Node, pods: Iterable[tuple[str, Pod]] = ()) -> None:
        self.known = {node.name: node for node in nodes}
        self.pods = list(pods)
        self.budgets: dict[str, str] = {}
        self.volumes: dict[str, list[str]] = {}
        self.texts: dict[str, dict[str, str]] = {}
        """Data of ConfigMaps, by `namespace/name`."""
        self.foreign_cordons = {node.name for node in nodes if node.unschedulable}
        self.evicted: list[str] = []
        self.asked: list[str] = []

    def node(self, name: str) -> Node | None:
        """See Cluster."""
        return self.known.get(name)

    def nodes(self, selector: str = "") -> list[Node]:
        """See Cluster; only `key=value` selectors."""
        wanted = {tuple(term.split("=", 1)) for term in selector.split(",") if term}
        return [node for node in self.known.values() if wanted <= set(node.labels.items())]

    def pods_on(self, node: str) -> list[Pod]:
        """See Cluster."""
        return [pod for on, pod in self.pods if on == node]

    def pods_by_node(self) -> dict[str, list[Pod]]:
        """See Cluster."""
        return {name: self.pods_on(name) for name in self.known}

    def zones_of(self, pod: Pod) -> frozenset[str] | None:
        """See Cluster; no volume of these is in a zone."""
        return None

    def volumes_on(self, node: str) -> list[str]:
        """See Cluster."""
        return self.volumes.get(node, [])

    def config_text(self, title: str, key: str) -> str | None:
        """See Cluster."""
        return self.texts.get(title, {}).get(key)

    def cordon(self, node: Node, run_id: str) -> None:
        """See Cluster."""
        self._set(node, {CORDONED_BY: run_id}, unschedulable=True)

    def uncordon(self, node: Node) -> None:
        """See Cluster."""
        self._set(node, {CORDONED_BY: None}, unschedulable=node.name in self.foreign_cordons)

    def quarantine(self, node: Node, now: datetime) -> None:
        """See Cluster."""
        self._set(node, {QUARANTINED: now.isoformat(), BOOT_BEFORE: node.boot_id})

    def end_quarantine(self, node: Node) -> None:
        """See Cluster."""
        self._set(node, {QUARANTINED: None, BOOT_BEFORE: None})

    def isolate(self, node: Node, run_id: str, why: str, value: str) -> None:
        """See Cluster."""
        self._set(node, {FAULT: why, FAULT_RUN: run_id}, unschedulable=True)
        self.add_taint(node.name, Taint(key=QUARANTINE_KEY, value=value, effect="NoSchedule"))

    def end_isolation(self, node: Node) -> None:
        """See Cluster."""
        self.remove_taint(node.name, QUARANTINE_KEY)
        none = dict.fromkeys((FAULT, FAULT_RUN, FAULT_SETTLED))
        self._set(self.known[node.name], none, unschedulable=self._still_closed(node))

    def settle_isolation(self, node: Node, now: datetime) -> None:
        """See Cluster."""
        self._set(node, {FAULT_SETTLED: now.isoformat()})

    def _still_closed(self, node: Node) -> bool:
        return node.name in self.foreign_cordons or node.cordoned_by is not None

    def add_taint(self, name: str, taint: Taint) -> None:
        """See Cluster."""
        node = self.known.get(name)
        if node is not None and all(there.key != taint.key for there in node.taints):
            self._set(node, {}, taints=(*node.taints, taint))

    def mark(self, name: str, marks: int) -> None:
        """See Cluster."""
        node = self.known.get(name)
        if node is not None:
            kept = (taint for taint in node.taints if taint.key not in MARK_KEYS)
            self._set(node, {}, taints=(*kept, *MARKS[:marks]))

    def mark_admitted(self, node: Node, now: datetime, seen: dict[str, str]) -> None:
        """See Cluster."""
        self._set(node, {ADMITTED: now.isoformat(), **seen})

    def keep(self, node: Node, run_id: str) -> None:
        """See Cluster."""
        self._set(node, {SCALE_DOWN_DISABLED: "true", KEPT_FOR: run_id})

    def let_go(self, node: Node) -> None:
        """See Cluster."""
        self._set(node, {SCALE_DOWN_DISABLED: None, KEPT_FOR: None})

    def label_config(self, node: Node, key: str) -> None:
        """See Cluster."""
        self._set(node, {CONFIG_BEFORE: None}, labels={**node.labels, PLUGIN_CONFIG_LABEL: key})

    def change_config(self, node: Node, key: str) -> None:
        """See Cluster."""
        labels = {**node.labels, PLUGIN_CONFIG_LABEL: key}
        self._set(node, {CONFIG_BEFORE: node.annotations.get(CONFIG_BEFORE, node.config or "")}, labels=labels)

    def restore_config(self, node: Node) -> None:
        """See Cluster."""
        before = node.annotations.get(CONFIG_BEFORE)
        if before is not None:
            labels = {**node.labels, PLUGIN_CONFIG_LABEL: before}
            self._set(node, {CONFIG_BEFORE: None}, labels={key: value for key, value in labels.items() if value})

    def remove_taint(self, name: str, key: str) -> None:
        """See Cluster."""
        node = self.known.get(name)
        if node is not None:
            self._set(node, {}, taints=tuple(taint for taint in node.taints if taint.key != key))

    def evict(self, pod: Pod) -> str | None:
        """See Cluster."""
        if pod.title in self.budgets:
            return self.budgets[pod.title]
        self.pods = [(on, replace(p, deleting=True) if p.uid == pod.uid else p) for on, p in self.pods]
        self.evicted.append(pod.title)
        return None

    def ask_checkpoint(self, pod: Pod, now: datetime) -> None:
        """See Cluster."""
        self.pods = [(on, replace(p, asked=now) if p.uid == pod.uid else p) for on, p in self.pods]
        self.asked.append(pod.title)

    def delete_pod(self, pod: Pod) -> None:
        """See Cluster."""
        self.pods = [(on, replace(p, deleting=True) if p.uid == pod.uid else p) for on, p in self.pods]

    def _set(self, node: Node, annotations: dict[str, str | None], **fields: object) -> None:
        current = self.known.get(node.name)
        if current is None or current.uid != node.uid:
            raise Unavailable(f"node {node.name} was replaced meanwhile")
        merged = {key: value for key, value in {**current.annotations, **annotations}.items() if value is not None}
        self.known[node.name] = replace(current, annotations=merged, **fields)  # type: ignore[arg-type]


class FakeMemory(Memory):
    """How long a group's nodes usually take."""

    def __init__(self, usual: Boots | None = None) -> None:
        self.usual = usual

    def boots(self, group: str) -> Boots | None:
        """See Memory."""
        return self.usual

    def keep_boots(self, group: str, boots: Boots) -> None:
        """See Memory."""
        self.usual = boots


class FakeInstances(Instances):
    """One instance with its lifecycle state; `answers` keeps what its hook was told."""

    def __init__(self, lifecycle: str | None = "Pending:Wait", *, gpus: int = 1, hook: Hook | None = None) -> None:
        self.state, self.count, self.hook = lifecycle, gpus, hook
        self.answers: list[str] = []
        self.beats = 0
        self.member_of: str | None = "gpu"

    def private_dns(self, instance: str) -> str:
        """See Instances."""
        return ""

    def lifecycle(self, instance: str) -> str | None:
        """See Instances."""
        return self.state

    def gpus(self, instance: str) -> int:
        """See Instances."""
        return self.count

    def group_of(self, instance: str) -> str | None:
        """See Instances."""
        return self.member_of if instance else None

    def launch_hook(self, group: str, name: str = "") -> Hook | None:
        """See Instances."""
        return self.hook

    def heartbeat(self, hook: Hook, instance: str) -> bool:
        """See Instances."""
        self.beats += 1
        return self.state == "Pending:Wait"

    def complete(self, hook: Hook, instance: str, result: str) -> bool:
        """See Instances."""
        if self.state != "Pending:Wait":
            return False
        self.answers.append(result)
        self.state = "InService" if result == "CONTINUE" else "Terminating:Wait"
        return True
