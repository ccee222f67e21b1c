"""How the control plane reads pods and nodes: what counts as ready, active, requested, tolerated, selected.

The rest check must judge with Kubernetes' own definitions, or it waits for what no controller owes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from rehearsal.kube import Json

_SUFFIXES: Final[Mapping[str, Decimal]] = {
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}
OUT_OF_SERVICE: Final = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
TERMINAL: Final = ("Succeeded", "Failed")
Amounts = Counter[str]
"""Amounts by resource, in thousandths, so that CPU shares stay whole numbers."""


def milli(quantity: object) -> int:
    """Parse a Kubernetes quantity such as 250m, 2Gi or 3 into thousandths."""
    text = str(quantity)
    suffix = next((known for known in _SUFFIXES if text.endswith(known)), "")
    number = Decimal(text.removesuffix(suffix)) * _SUFFIXES.get(suffix, Decimal(1))
    return int((number * 1000).to_integral_value(rounding="ROUND_CEILING"))


def amounts(quantities: Mapping[str, object] | None) -> Amounts:
    """Parse a resource list."""
    return Counter({name: milli(quantity) for name, quantity in (quantities or {}).items()})


def requests_of(pod: Json) -> Amounts:
    """What the scheduler counts for a pod: its containers together, or its greediest init container."""
    spec = pod["spec"]
    inits = spec.get("initContainers", ())
    sidecars = [c for c in inits if c.get("restartPolicy") == "Always"]
    running = _sum(_asked(c) for c in (*spec["containers"], *sidecars))
    starting = [_asked(c) for c in inits if c not in sidecars]
    total = Counter({name: max(asked[name] for asked in (running, *starting)) for name in _names(running, *starting)})
    total.update(amounts(spec.get("overhead")))
    total["pods"] = 1000
    return total


def condition(item: Json, kind: str) -> str | None:
    """Return a condition's status: "True", "False", "Unknown", or None when there is no such condition."""
    found: Iterable[Json] = item.get("status", {}).get("conditions", ())
    return next((c["status"] for c in found if c["type"] == kind), None)


def is_ready(item: Json) -> bool:
    """Whether a pod or node says that it is Ready."""
    return condition(item, "Ready") == "True"


def is_deleting(item: Json) -> bool:
    """Whether deletion was asked for."""
    return "deletionTimestamp" in item["metadata"]


def is_terminal(pod: Json) -> bool:
    """Whether the pod has run to its end, good or bad."""
    return pod["status"].get("phase") in TERMINAL


def is_active(pod: Json) -> bool:
    """Whether ReplicaSets and Jobs count the pod among theirs."""
    return not is_terminal(pod) and not is_deleting(pod)


def is_serving(pod: Json) -> bool:
    """Whether budgets count the pod as healthy."""
    return is_ready(pod) and not is_deleting(pod)


def label_selector_matches(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Apply a LabelSelector; none selects nothing, an empty one everything."""
    if selector is None:
        return False
    equal = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in equal.items()) and all(
        expression_matches(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def expression_matches(expression: Json, labels: Mapping[str, str]) -> bool:
    """Apply one selector requirement, with node affinity's operators too."""
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            return _compares(operator, value, values)


def is_out_of_service(node: Json) -> bool:
    """Whether somebody said that the node is surely off."""
    return any(taint["key"] == OUT_OF_SERVICE["key"] for taint in node["spec"].get("taints", ()))


def tolerates(tolerations: Iterable[Json], taint: Json) -> bool:
    """Whether one of the tolerations covers the taint."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def _compares(operator: str, value: str | None, values: Iterable[Any]) -> bool:
    if value is None or not value.lstrip("-").isdigit():
        return False
    bound = int(next(iter(values)))
    return int(value) > bound if operator == "Gt" else int(value) < bound


def _asked(container: Json) -> Amounts:
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = Counter()
    for part in parts:
        total.update(part)
    return total


def _names(*parts: Amounts) -> set[str]:
    return {name for part in parts for name in part}
