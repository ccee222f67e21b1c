"""The tables that are read off models and gates: every key of the policy, and what closes a plan.

They stand beside `generate.py`, which writes them.
"""

import ast
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from gpuops.domain import policy as models
from gpuops.domain.policy import Policy
from gpuops.domain.rotation.fact_gates import FACT_GATES
from gpuops.domain.rotation.gates import GATES


def gates_page() -> str:
    """List the gates in the order in which they are asked; where facts are, the gates that they close stand instead."""
    rows = ["| gate | why |", "|---|---|", *(row for gate in GATES for row in _gate(gate))]
    more = "[what the gates look at](operations.md#what-the-gates-look-at)"
    told = f"The first that is closed gives the reason; {more}."
    return f"# Gates\n\n{told}\n\n" + "\n".join(rows) + "\n"


def _gate(gate: Callable[..., Any]) -> Iterator[str]:
    """Yield one row, or those of the gates that stand behind it."""
    if gate.__name__ == "gate_facts":
        for behind in FACT_GATES:
            yield from _gate(behind)
        return
    name = gate.__name__.removeprefix("gate_").replace("_", " ")
    yield f"| {name} | {_escaped(' '.join(str(gate.__doc__).split()))} |"


def policy_page() -> str:
    """Describe every key of fleet.yaml from the models that read it."""
    schema, meanings = Policy.model_json_schema(), _meanings(Path(models.__file__).parent)
    parts = ["# The policy: fleet.yaml\n\n" + str(schema["description"]) + "\n"]
    for name, model in {"Policy": schema, **schema["$defs"]}.items():
        title = "fleet.yaml" if name == "Policy" else f"{name}\n\n{model['description']}"
        parts += [f"## {title}\n", "| key | type | default | meaning |\n|---|---|---|---|"]
        required = model.get("required", [])
        keys = [(key, spec) for key, spec in model["properties"].items() if (name, key) in meanings]
        parts += [_key(key, spec, meanings[name, key], required=key in required) for key, spec in keys]
        parts.append("")
    return "\n".join(parts)


def _meanings(package: Path) -> dict[tuple[str, str], str]:
    """Return the text under each field; pydantic would read it at every cold start, so we read it here."""
    found: dict[tuple[str, str], str] = {}
    nodes = (node for source in sorted(package.glob("*.py")) for node in ast.parse(source.read_text()).body)
    for model in (node for node in nodes if isinstance(node, ast.ClassDef)):
        for field, after in pairwise(model.body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                name = ast.unparse(field.target).removesuffix("_")  # `from` is a word of Python
                found[model.name, name] = " ".join(str(after.value.value).split())
    return found


def _key(name: str, spec: dict[str, Any], meaning: str, *, required: bool) -> str:
    """Return one key as a table row."""
    default = "required" if required else f"`{json.dumps(spec.get('default'))}`"
    return f"| `{name}` | {_type(spec)} | {default} | {meaning.replace('|', chr(92) + '|')} |"


RANGES = (("minimum", "maximum", ""), ("minItems", "maxItems", " of them"), ("minLength", "maxLength", " characters"))
"""What a schema says of the least and the most of a value, beside its type."""


def _type(spec: dict[str, Any]) -> str:
    """Return a JSON schema's type and bounds in a few words."""
    return ", ".join([_kind(spec), *_bounds(spec)])


def _bounds(spec: dict[str, Any]) -> Iterator[str]:
    """Yield what bounds a value, in words."""
    if "exclusiveMinimum" in spec:
        yield f"more than {spec['exclusiveMinimum']}"
    for least, most, unit in RANGES:
        if least in spec and most in spec:
            yield f"{spec[least]} to {spec[most]}{unit}"
        elif least in spec or most in spec:
            yield f"at {'least' if least in spec else 'most'} {spec.get(least, spec.get(most))}{unit}"
    if "pattern" in spec:
        yield f"as `{_escaped(spec['pattern'])}`"


def _escaped(value: Any) -> str:
    """Return a value as a cell of a table may hold it."""
    return str(value).replace("|", chr(92) + "|")


def _kind(spec: dict[str, Any]) -> str:
    """Return the type alone; what a list holds, and what may stand in its place, with their own bounds."""
    if "$ref" in spec:
        return str(spec["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in spec or "oneOf" in spec:
        return " or ".join(_type(one) for one in spec.get("anyOf", spec.get("oneOf", [])))
    if "enum" in spec:
        return " \\| ".join(f"`{value}`" for value in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if spec.get("type") == "array":
        return f"list of {_type(spec.get('items', {}))}"
    return str(spec.get("type", "any"))
