"""Which disruption budgets keep pods on nodes: the selector as a query, the numbers, and who is not asked.

That the apiserver matches by these queries, the scenario `managed_eviction_fails` shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from gpuops.adapters.disruptions import BUDGETS, Disruptions, selector_text
from gpuops.adapters.kube import Kube


def budget(name: str, allowed: int, **selector: Any) -> dict[str, Any]:
    """A PodDisruptionBudget of the namespace `ml`."""
    status = {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1}
    return {"metadata": {"namespace": "ml", "name": name}, "spec": {"selector": selector}, "status": status}


@dataclass
class FakeKube:
    """Budgets, and pods by node and label selector."""

    budgets: list[dict[str, Any]]
    pods: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def get_all(self, path: str, query: Any = ()) -> Iterator[Any]:
        """Answer from memory."""
        if path == BUDGETS:
            return iter(self.budgets)
        assert path == "/api/v1/namespaces/ml/pods"
        named = dict(query)
        wanted = (named["fieldSelector"].removeprefix("spec.nodeName="), named["labelSelector"])
        self.asked.append(wanted)
        return iter([{}] if wanted in self.pods else [])


def test_only_exhausted_budgets_of_pods_on_these_nodes_are_named() -> None:
    """One that has room is not asked about, one of pods elsewhere is not named."""
    web, api, idle = (budget(name, 0, matchLabels={"app": name}) for name in ("web", "api", "idle"))
    kube = FakeKube([web, api, budget("roomy", 1, matchLabels={"app": "roomy"}), idle])
    kube.pods = {("n2", "app=web"), ("n1", "app=api"), ("n3", "app=idle")}

    found = Disruptions(cast("Kube", kube)).blocking(["n1", "n2"])

    assert found == [
        "disruption budget ml/web (1 healthy, 1 needed)",
        "disruption budget ml/api (1 healthy, 1 needed)",
    ]
    assert not any("roomy" in selector for _, selector in kube.asked)


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({}, ""),
        ({"matchLabels": {"app": "web", "tier": "a"}}, "app=web,tier=a"),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, "app in (a,b)"),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, "app notin (a)"),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "app"),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, "!app"),
    ],
)
def test_a_selector_becomes_a_query(selector: dict[str, Any], text: str) -> None:
    """Kubernetes' own operators, each in its own spelling (its reference, labels and selectors)."""
    assert selector_text(selector) == text
