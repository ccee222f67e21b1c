"""What a container says that it needs: NVIDIA_REQUIRE_CUDA and its like, as NVIDIA's container runtime reads them.

A space is OR, a comma is AND, and several variables must all hold; a property that nobody knows counts as fine. So
`cuda>=12.4 brand=tesla,driver>=535,driver<536` is: CUDA 12.4, or, where the image carries cuda-compat, a board of that
brand with a driver of R535. Sources: libnvidia-container, src/cli/dsl.c and configure.c; nvidia-container-toolkit,
internal/requirements.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gpuops.domain.drivers.versions import parse_version
from gpuops.domain.errors import Invalid

PREFIX = "NVIDIA_REQUIRE_"
DISABLED = "NVIDIA_DISABLE_REQUIRE"
LEGACY = "NVIDIA_REQUIRE_JETPACK"
"""Of Jetson boards alone, which EC2 has none of."""
MAX_LENGTH = 8_192
"""NVIDIA's longest are below 4,000 characters."""
TRUE = {"1", "t", "true"}
"""As Go's strconv.ParseBool reads them, in any case."""
_TERM = re.compile(r"(cuda|driver|arch|brand)(!=|<=|>=|=|<|>)([A-Za-z0-9.]{1,32})", re.ASCII | re.IGNORECASE)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Offer:
    """What a node has; None, or no brand, is what nobody knows."""

    cuda: str | None = None
    driver: str | None = None
    arch: str | None = None
    """Compute capability."""
    brands: frozenset[str] = frozenset()
    """How NVML may name the board's brand, in lower case: it depends on the driver."""


def required_by(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the expressions in a container's environment, which must all hold; none where it disables the check."""
    if env.get(DISABLED, "").lower() in TRUE:
        return ()
    named = (value for name, value in sorted(env.items()) if name.startswith(PREFIX) and name != LEGACY)
    return tuple(value.strip() for value in named if value.strip())


def holds(expression: str, offer: Offer) -> bool:
    """Return whether the offer fulfils the expression. Raises: Invalid for one that NVIDIA's runtime cannot read."""
    if len(expression) > MAX_LENGTH:
        raise Invalid(f"a requirement of {len(expression)} characters")
    terms = [[_read(factor) for factor in term.split(",") if factor] for term in expression.split(" ") if term]
    return not terms or any(all(_fulfils(factor, offer) for factor in term) for term in terms)


def shortened(expression: str) -> str:
    """Return its first words, for a reader: what follows names board after board and branch after branch."""
    first, _, rest = expression.partition(" ")
    return f"{first} ..." if rest else first


@dataclass(frozen=True)
class _Factor:
    name: str
    sign: str
    value: str


def _read(text: str) -> _Factor:
    found = _TERM.fullmatch(text)
    if found is None:
        raise Invalid(f"{text[:80]!r} is no requirement")
    factor = _Factor(found[1].lower(), found[2], found[3].lower())
    if factor.name != "brand":
        parse_version(factor.value)
    elif factor.sign not in ("=", "!="):
        raise Invalid(f"{text[:80]!r}: brands have no order")
    return factor


def _fulfils(factor: _Factor, offer: Offer) -> bool:
    if factor.name == "brand":
        known = {brand: _COMPARE[factor.sign](brand, factor.value) for brand in offer.brands}
        return not known or any(known.values())
    has: str | None = getattr(offer, factor.name)
    return has is None or _COMPARE[factor.sign](parse_version(has), parse_version(factor.value))
