"""Kubernetes' quantities of whole things: the apiserver writes a thousand GPUs as `1k`, and keeps `2e0` as it came.

Whoever may create a pod may ask for such a number, so no decision may stumble over one.
Source: k8s.io/apimachinery/pkg/api/resource/quantity.go (the canonical form, and the suffixes).
"""

import re
from decimal import Decimal

from gpuops.domain.errors import Invalid

_QUANTITY = re.compile(
    r"([+-]?(?:\d{1,20}\.?\d{0,20}|\.\d{1,20}))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII
)
_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def whole(quantity: object) -> int:
    """Return the number, without what stands behind its point. Raises: Invalid for what is no quantity."""
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise Invalid(f"{str(quantity)[:40]!r} is no quantity")
    number, exponent, suffix = found.groups()
    if suffix in _BINARY:
        return int(Decimal(number) * 2 ** _BINARY[suffix])
    return int(Decimal(number + (exponent or f"e{_POWERS.get(suffix, 0)}")))
