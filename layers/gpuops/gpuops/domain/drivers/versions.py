"""Dotted version numbers as NVIDIA's container runtime compares them.

A missing part counts as 0, and leading zeros mean nothing: libnvidia-container, src/cli/dsl.c (dsl_compare_version).
"""

import re
from typing import Annotated

from pydantic import StringConstraints

from gpuops.domain.errors import Invalid

Dotted = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6}){0,4}$")]
"""A driver's or a toolkit's version as the policy and the tables write it."""
_DOTTED = re.compile(r"\d{1,6}(\.\d{1,6}){0,4}", re.ASCII)

Version = tuple[int, ...]


def parse_version(text: str) -> Version:
    """Return the numbers of `580.159.03`, without zeros at the end. Raises: Invalid for anything else."""
    if not is_version(text):
        raise Invalid(f"{text!r} is not a version number")
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def is_version(text: str) -> bool:
    """Return whether it is a version number, and not an expression about one."""
    return _DOTTED.fullmatch(text) is not None


def branch_of(driver: str) -> int:
    """Return the branch of a driver: NVIDIA calls 580.159.03 a release of R580."""
    return parse_version(driver)[0]
