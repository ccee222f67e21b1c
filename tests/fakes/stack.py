"""The project's template, parsed once a process: that takes most of a second, and nobody changes it."""

from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@cache
def template() -> dict[str, Any]:
    """Its sections, with intrinsic functions in their long form."""
    parsed: dict[str, Any] = yaml_parse(TEMPLATE.read_text())
    return parsed
