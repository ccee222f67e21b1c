"""CloudFormation's functions over a template: parameters, conditions, references.

Fails closed: what cannot be resolved is an error, never an empty string that would quietly make a policy wider.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

NO_VALUE = object()
_PLACE = re.compile(r"\$\{(!?)([^}]+)\}")


class TemplateError(Exception):
    """The template cannot be resolved; the message names the place."""


class Resolver:
    """Resolves values; `reference` and `attribute` say what a resource became."""

    def __init__(
        self,
        template: dict[str, Any],
        scalars: dict[str, Any],
        reference: Callable[[str], str],
        attribute: Callable[[str, str], Any],
    ) -> None:
        self._template = template
        self._scalars = scalars
        self._reference, self._attribute = reference, attribute

    def condition(self, name: str) -> bool:
        """Whether a named condition holds."""
        try:
            return self._holds(self._template["Conditions"][name])
        except KeyError as error:
            raise TemplateError(f"no condition {name}") from error

    def value(self, node: Any) -> Any:
        """The value with every function in it resolved."""
        if isinstance(node, list):
            return [resolved for item in node if (resolved := self.value(item)) is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            function = self._functions().get(name)
            if function is not None:
                return function(argument)
            if name.startswith("Fn::"):
                raise TemplateError(f"{name} is not supported")
        return {key: resolved for key, item in node.items() if (resolved := self.value(item)) is not NO_VALUE}

    def _functions(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::If": lambda a: self.value(a[1] if self.condition(a[0]) else a[2]),
            "Fn::Join": lambda a: a[0].join(map(str, self.value(a[1]))),
            "Fn::Split": lambda a: self.value(a[1]).split(a[0]),
            "Fn::Select": lambda a: self.value(a[1])[int(self.value(a[0]))],
            "Fn::Base64": lambda a: base64.b64encode(self.value(a).encode()).decode(),
            "Fn::FindInMap": self._find,
            "Fn::ToJsonString": lambda a: json.dumps(self.value(a)),
        }

    def _ref(self, name: str) -> Any:
        return self._scalars[name] if name in self._scalars else self._reference(name)

    def _get_att(self, argument: Any) -> Any:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._attribute(name, self.value(attribute))

    def _sub(self, argument: Any) -> str:
        text, extra = argument if isinstance(argument, list) else (argument, {})
        values = {key: self.value(item) for key, item in extra.items()}

        def place(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return "${" + name + "}"
            if name in values:
                return str(values[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _PLACE.sub(place, text)

    def _find(self, argument: list[Any]) -> Any:
        table, *keys = [self.value(item) for item in argument]
        found = self._template.get("Mappings", {}).get(table)
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise TemplateError(f"mapping {table} has no {key}")
            found = found[key]
        return self.value(found)

    def _holds(self, node: Any) -> bool:
        ((name, argument),) = node.items()
        if name == "Condition":
            return self.condition(argument)
        if name == "Fn::Equals":
            left, right = map(self.value, argument)
            return str(left) == str(right)
        inner = [self._holds(item) for item in argument]
        if name == "Fn::Not":
            return not inner[0]
        if name in ("Fn::And", "Fn::Or"):
            return all(inner) if name == "Fn::And" else any(inner)
        raise TemplateError(f"{name} is no condition")


def parameters_of(template: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter's value: given or default, checked against what the template allows."""
    values = {}
    for name, slot in (template.get("Parameters") or {}).items():
        value = given.get(name, slot.get("Default"))
        if value is None:
            raise TemplateError(f"Parameters: [{name}] must have values")
        if "AllowedValues" in slot and str(value) not in map(str, slot["AllowedValues"]):
            raise TemplateError(f"Parameter '{name}' must be one of AllowedValues")
        if "AllowedPattern" in slot and not re.fullmatch(slot["AllowedPattern"], str(value)):
            raise TemplateError(f"Parameter '{name}' must match pattern {slot['AllowedPattern']}")
        values[name] = _typed(str(value), slot.get("Type", "String"))
    return values


def _typed(value: str, kind: str) -> Any:
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [item.strip() for item in value.split(",") if item.strip()]
    if kind.startswith("AWS::SSM::"):
        raise TemplateError(f"parameters of type {kind} are not supported")
    return value
