"""Which pods cannot follow their volume into another zone.

A volume of EBS exists in one zone; its PersistentVolume says so by node affinity, and the scheduler places the pod
nowhere else.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gpuops.domain.keys import ZONE_LABEL

ZONE_KEYS = (ZONE_LABEL, "topology.ebs.csi.aws.com/zone", "failure-domain.beta.kubernetes.io/zone")
"""How a PersistentVolume names its zone: Kubernetes, the EBS CSI driver, in-tree volumes of before 1.27."""


def zones_of(volume: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the zones in which a PersistentVolume can be mounted; None where it can be in any."""
    required = volume.get("spec", {}).get("nodeAffinity", {}).get("required", {})
    terms = [_zones(term.get("matchExpressions") or ()) for term in required.get("nodeSelectorTerms") or ()]
    named = [term for term in terms if term is not None]
    return frozenset().union(*named) if named and len(named) == len(terms) else None


def _zones(expressions: Iterable[Mapping[str, Any]]) -> frozenset[str] | None:
    """The zones that one term allows; None where it says nothing of zones. All expressions of a term must hold."""
    found: frozenset[str] | None = None
    for expression in expressions:
        if expression.get("key") in ZONE_KEYS and expression.get("operator") == "In":
            values = frozenset(expression.get("values") or ())
            found = values if found is None else found & values
    return found
