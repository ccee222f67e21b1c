"""Nodes of one cluster, and its pods: each method is one act, stated as a goal, so that a repeated call does no harm.

Our fields are server-side applied under one manager per purpose (`gpuops-cordon`, `gpuops-admission`, `gpuops-config`,
`gpuops-keep`, `gpuops-quarantine`, `gpuops-fault`), because an apply takes back what its manager no longer names:
lifting the cordon is applying nothing, it leaves the others alone, and a cordon that somebody else also set stays.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from gpuops.adapters.kube import APPLY, MERGE, Kube
from gpuops.adapters.kube_answers import OTHER_UID
from gpuops.adapters.pods import Pods
from gpuops.adapters.taints import change_taints
from gpuops.domain.cluster import Node, read_node
from gpuops.domain.errors import Conflict, Invalid, Unavailable
from gpuops.domain.keys import (
    ADMITTED,
    BOOT_BEFORE,
    CONFIG_BEFORE,
    CORDONED_BY,
    FAULT,
    FAULT_RUN,
    FAULT_SETTLED,
    FIELD_MANAGER,
    KEPT_FOR,
    MARK_KEYS,
    MARKS,
    PLUGIN_CONFIG_LABEL,
    QUARANTINE_KEY,
    QUARANTINED,
    RESET_BEFORE,
    RESET_LABEL,
    SCALE_DOWN_DISABLED,
    Taint,
    label_of,
)

NODES = "/api/v1/nodes"


class Cluster(Pods):
    """What gpuops does to nodes and pods. Raises, everywhere: what `Kube` raises."""

    @classmethod
    def connect(cls, name: str) -> Self:
        """Return the cluster that EKS knows by this name."""
        return cls(Kube.connect(name))

    def node(self, name: str) -> Node | None:
        """Return the node, or None when there is none of this name."""
        raw = self.kube.get(f"{NODES}/{name}")
        return read_node(raw) if raw else None

    def nodes(self) -> list[Node]:
        """Return every node."""
        return [read_node(raw) for raw in self.kube.get_all(NODES)]

    def node_of(self, instance: str, hint: str = "") -> Node | None:
        """Return the node of an EC2 instance, or None until, or once, it has none.

        `hint` is the name it probably has (the private DNS name): one object read instead of all.
        """
        node = self.node(hint) if hint else None
        if node is not None and node.instance == instance:
            return node
        return next((node for node in self.nodes() if node.instance == instance), None)

    def volumes_on(self, node: str) -> list[str]:
        """Return the volumes still attached to the node: one that is not detached cannot follow its pod."""
        items = self.kube.get_all("/apis/storage.k8s.io/v1/volumeattachments")
        return [str(raw["metadata"]["name"]) for raw in items if raw["spec"].get("nodeName") == node]

    def config_text(self, title: str, key: str) -> str | None:
        """Return the text of one key of the ConfigMap `namespace/name`; None where either does not exist."""
        namespace, _, name = title.partition("/")
        raw = self.kube.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        return ((raw or {}).get("data") or {}).get(key)

    def cordon(self, node: Node, run_id: str) -> None:
        """Keep new pods away, and say which run does."""
        self._apply(node, "cordon", {CORDONED_BY: run_id}, spec={"unschedulable": True})

    def uncordon(self, node: Node) -> None:
        """Take back our cordon; one that somebody else set as well stays."""
        self._apply(node, "cordon", {})

    def quarantine(self, node: Node, now: datetime) -> None:
        """Write down that the node is closed for a new root volume, and the boot before it."""
        self._apply(node, "quarantine", {QUARANTINED: now.isoformat(), BOOT_BEFORE: node.boot_id})

    def end_quarantine(self, node: Node) -> None:
        """Take that back."""
        self._apply(node, "quarantine", {})

    def isolate(self, node: Node, run_id: str, why: str, value: str) -> None:
        """Close a node because of a fault, and say why: at once for the scheduler, then by a taint that names it.

        A cordon of a roll's, or of a person's, stands beside this one, and each lifts its own.
        """
        self._apply(node, "fault", {FAULT: why, FAULT_RUN: run_id}, spec={"unschedulable": True})
        self.add_taint(node.name, Taint(key=QUARANTINE_KEY, value=value, effect="NoSchedule"))

    def settle_isolation(self, node: Node, now: datetime) -> None:
        """Write beside that it stays closed, and that people know: its repair has ended."""
        kept = {key: node.annotations[key] for key in (FAULT, FAULT_RUN) if key in node.annotations}
        self._apply(node, "fault", {**kept, FAULT_SETTLED: now.isoformat()}, spec={"unschedulable": True})

    def end_isolation(self, node: Node) -> None:
        """Take that back: the taint first, so that a node that says why it is closed is closed."""
        self.remove_taint(node.name, QUARANTINE_KEY)
        self._apply(node, "fault", {})

    def begin_reset(self, node: Node, run_id: str, labels: Mapping[str, str]) -> None:
        """Take GPU DaemonSets off the node by labels, and write down what those said; not a second time.

        A merge and no apply: labels of others are put back afterwards, and an apply could only take them away.
        """
        if RESET_BEFORE in node.annotations:
            return
        ours = {RESET_LABEL: label_of(run_id), **labels}
        before = json.dumps({key: node.labels.get(key) for key in ours}, sort_keys=True)
        meta = {"uid": node.uid, "labels": ours, "annotations": {RESET_BEFORE: before}}
        self._patch(node.name, {"metadata": meta}, MERGE, "reset")

    def end_reset(self, node: Node) -> None:
        """Put the labels back; without a reset, nothing happens."""
        before = node.annotations.get(RESET_BEFORE)
        if before is not None:
            meta = {"uid": node.uid, "labels": json.loads(before), "annotations": {RESET_BEFORE: None}}
            self._patch(node.name, {"metadata": meta}, MERGE, "reset")

    def mark_admitted(self, node: Node, now: datetime, seen: dict[str, str]) -> None:
        """Write down when the node passed its admission, and what its smoke saw."""
        self._apply(node, "admission", {ADMITTED: now.isoformat(), **seen})

    def keep(self, node: Node, run_id: str) -> None:
        """Have Cluster Autoscaler leave the node alone; who said otherwise meanwhile decides about it."""
        try:
            self._apply(node, "keep", {SCALE_DOWN_DISABLED: "true", KEPT_FOR: run_id})
        except Conflict:
            self._apply(node, "keep", {})

    def let_go(self, node: Node) -> None:
        """Take that back; where somebody else says the same, it stays."""
        self._apply(node, "keep", {})

    def label_config(self, node: Node, key: str) -> None:
        """Choose the device plugin's configuration for the node."""
        self._apply(node, "config", {}, labels={PLUGIN_CONFIG_LABEL: key})

    def change_config(self, node: Node, key: str) -> None:
        """The same on a node in service, and beside it what it had before: before the first of several changes."""
        before = node.annotations.get(CONFIG_BEFORE, node.config or "")
        self._apply(node, "config", {CONFIG_BEFORE: before}, labels={PLUGIN_CONFIG_LABEL: key})

    def restore_config(self, node: Node) -> None:
        """Choose what it had before a change that nobody finished; without a change, nothing happens."""
        before = node.annotations.get(CONFIG_BEFORE)
        if before is not None:
            self._apply(node, "config", {}, labels={PLUGIN_CONFIG_LABEL: before} if before else {})

    def add_taint(self, name: str, taint: Taint) -> None:
        """Add one taint, and leave the others as they are."""
        new = taint.model_dump()
        change_taints(self.kube, name, lambda old: old if any(t["key"] == taint.key for t in old) else [*old, new])

    def remove_taint(self, name: str, key: str) -> None:
        """Remove one taint and no other."""
        change_taints(self.kube, name, lambda old: [taint for taint in old if taint["key"] != key])

    def mark(self, name: str, marks: int) -> None:
        """Have the node bear so many of these taints of ours, and leave all others as they are."""
        ours = [taint.model_dump() for taint in MARKS[:marks]]
        change_taints(self.kube, name, lambda old: [*(taint for taint in old if taint["key"] not in MARK_KEYS), *ours])

    def _apply(self, node: Node, purpose: str, annotations: dict[str, str], **fields: Any) -> None:
        """Apply one purpose's fields. The uid keeps an apply from creating a node that went away meanwhile."""
        labels = {"labels": fields.pop("labels")} if "labels" in fields else {}
        meta = {"name": node.name, "uid": node.uid, "annotations": annotations, **labels}
        self._patch(node.name, {"apiVersion": "v1", "kind": "Node", "metadata": meta, **fields}, APPLY, purpose)

    def _patch(self, name: str, body: dict[str, Any], content: str, purpose: str) -> None:
        try:
            self.kube.patch(f"{NODES}/{name}", body, content=content, manager=f"{FIELD_MANAGER}-{purpose}")
        except (Conflict, Invalid) as error:
            if any(words in str(error) for words in OTHER_UID):
                raise Unavailable(f"node {name} was replaced meanwhile") from error
            raise
