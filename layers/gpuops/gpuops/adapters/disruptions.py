"""Disruption budgets that keep pods on nodes: which, and how far they are from letting one go."""

from collections.abc import Iterable, Mapping
from typing import Any

from gpuops.adapters.kube import Kube, on_node

BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
OPERATORS = {"In": "in", "NotIn": "notin"}


class Disruptions:
    """Reads PodDisruptionBudgets of every namespace. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def blocking(self, nodes: Iterable[str]) -> list[str]:
        """Return the budgets that allow no eviction now of some pod on these nodes, each with its numbers."""
        exhausted = [b for b in self._kube.get_all(BUDGETS) if not b.get("status", {}).get("disruptionsAllowed", 0)]
        wanted = tuple(nodes)
        return [_title(budget) for budget in exhausted if any(self._covers(budget, node) for node in wanted)]

    def _covers(self, budget: Mapping[str, Any], node: str) -> bool:
        """Whether the budget selects a pod on the node; the apiserver matches, by its own rules."""
        path = f"/api/v1/namespaces/{budget['metadata']['namespace']}/pods"
        selector = selector_text(budget.get("spec", {}).get("selector") or {})
        query = [*on_node(node), ("labelSelector", selector)]
        return any(True for _ in self._kube.get_all(path, query))


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector as a query takes it; an empty one selects everything."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [_expression(expression) for expression in selector.get("matchExpressions") or ()]
    return ",".join(parts)


def _expression(expression: Mapping[str, Any]) -> str:
    key, operator = expression["key"], expression["operator"]
    if operator in OPERATORS:
        return f"{key} {OPERATORS[operator]} ({','.join(expression['values'])})"
    return key if operator == "Exists" else f"!{key}"


def _title(budget: Mapping[str, Any]) -> str:
    meta, status = budget["metadata"], budget.get("status", {})
    numbers = f"{status.get('currentHealthy', 0)} healthy, {status.get('desiredHealthy', 0)} needed"
    return f"disruption budget {meta['namespace']}/{meta['name']} ({numbers})"
