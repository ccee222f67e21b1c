"""Which objects a cluster gets, and what is in the way: nothing here touches it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gpuops.domain.cluster import Node
from gpuops.domain.config.finding import Finding
from gpuops.domain.config.foreign import DaemonSet, other_exporters, other_plugins, refusing_nodes
from gpuops.domain.keys import DCGM_EXPORTER, DEVICE_PLUGIN, SYSTEM_NAMESPACE
from gpuops.domain.policy import ClusterPolicy

ENOUGH = 5
"""Paths in one line of a report."""


@dataclass(frozen=True)
class Plan:
    """What is to be installed; why the rest is not."""

    plugin: bool
    exporter: bool
    findings: tuple[Finding, ...] = ()


def decide_plan(policy: ClusterPolicy, nodes: Iterable[Node], daemonsets: Iterable[DaemonSet]) -> Plan:
    """One device plugin and one exporter for each cluster, whoever runs them."""
    nodes, daemonsets = list(nodes), list(daemonsets)
    findings: list[Finding] = []
    plugin, exporter = policy.device_plugin.manage, policy.dcgm_exporter.manage
    if plugin:
        obstacles = other_plugins(daemonsets, nodes) or refusing_nodes(nodes, policy.node_selector)
        findings += _beside(obstacles, _ours(daemonsets, DEVICE_PLUGIN))
        plugin = not obstacles
    else:
        findings += _left_over(daemonsets, DEVICE_PLUGIN, "device_plugin")
    if exporter:
        others = other_exporters(daemonsets)
        findings += _beside(others, _ours(daemonsets, DCGM_EXPORTER))
        exporter = not others
    else:
        findings += _left_over(daemonsets, DCGM_EXPORTER, "dcgm_exporter")
    return Plan(plugin=plugin, exporter=exporter, findings=tuple(findings))


def described(live: Any, paths: Iterable[str]) -> str:
    """How an object differs, for people."""
    listed = list(paths)
    if live is None:
        return "is not there"
    more = f" and {len(listed) - ENOUGH} more" if len(listed) > ENOUGH else ""
    return f"differs at {', '.join(listed[:ENOUGH])}{more}"


def _ours(daemonsets: Iterable[DaemonSet], name: str) -> DaemonSet | None:
    return next((d for d in daemonsets if d.title == f"{SYSTEM_NAMESPACE}/{name}"), None)


def _beside(others: list[Finding], ours: DaemonSet | None) -> list[Finding]:
    """Two at once is not a state to leave anybody in, and which of them goes is a person's choice."""
    if not others or ours is None:
        return others
    reason = f"runs beside {', '.join(other.about for other in others)}: remove one of them"
    return [*others, Finding(what="refused", about=f"DaemonSet {ours.title}", reason=reason, left=True)]


def _left_over(daemonsets: Iterable[DaemonSet], name: str, key: str) -> list[Finding]:
    ours = _ours(daemonsets, name)
    if ours is None:
        return []
    reason = f"still runs, though the policy says `{key}.manage: false`; to be rid of it, delete it"
    return [Finding(what="recommended", about=f"DaemonSet {ours.title}", reason=reason)]
