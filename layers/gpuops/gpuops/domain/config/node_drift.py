"""Nodes against what their launch template or node group says: kubelet registers labels and taints only once.

Reported, never repaired: who took a taint off had a reason, and a template is its owner's to change (a roll adds our
startup taint by itself).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gpuops.domain.cluster import Node
from gpuops.domain.config.finding import Finding
from gpuops.domain.keys import GPU_RESOURCE, STARTUP_TAINT, STARTUP_TAINT_KEY, Taint


@dataclass(frozen=True)
class Declared:
    """What nodes are to register with, and where that is written."""

    source: str
    """`launch template lt-0abc version 3`, `node group gpu`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


def check_declared(group: str, declared: Declared, selector: Mapping[str, str]) -> list[Finding]:
    """What the next nodes of the group will lack."""
    reasons = []
    if not any(taint.key == STARTUP_TAINT_KEY for taint in declared.taints):
        reasons.append(f"registers no {STARTUP_TAINT}: new nodes take work before they are admitted")
    if not any(taint.key == GPU_RESOURCE for taint in declared.taints):
        reasons.append(f"registers no taint {GPU_RESOURCE}: pods without a GPU may fill its nodes")
    missing = [f"{key}={value}" for key, value in selector.items() if declared.labels.get(key) != value]
    if missing:
        reasons.append(f"registers no label {', '.join(missing)}: `node_selector` passes its nodes by")
    about = f"Group {group}"
    return [Finding(what="recommended", about=about, reason=f"{declared.source} {reason}") for reason in reasons]


def check_node(node: Node, declared: Declared) -> list[Finding]:
    """What the node has lost or changed since it registered; our startup taint comes off at its admission."""
    stands = {(taint.key, taint.effect): taint for taint in node.taints}
    reasons = [
        f"has lost the taint {taint}"
        if (taint.key, taint.effect) not in stands
        else f"has the taint {stands[taint.key, taint.effect]} instead of {taint}"
        for taint in declared.taints
        if taint.key != STARTUP_TAINT_KEY and stands.get((taint.key, taint.effect)) != taint
    ]
    reasons += [
        f"has lost the label {key}={value}" if key not in node.labels else f"has {key}={node.labels[key]}, not {value}"
        for key, value in declared.labels.items()
        if node.labels.get(key) != value
    ]
    about = f"Node {node.name}"
    return [Finding(what="node", about=about, reason=f"{reason} ({declared.source})", left=True) for reason in reasons]
