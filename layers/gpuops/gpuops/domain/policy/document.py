"""From the text of fleet.yaml to a Policy, every fault with its line.

Whoever mistyped a key needs the line, not a path in a merged tree: so the YAML is walked with its marks first,
and pydantic's complaints are then led back to them.
"""

from typing import Any

import yaml
from pydantic import ValidationError
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gpuops.domain.errors import Invalid
from gpuops.domain.nesting import MAX_BRACKETS, too_deep
from gpuops.domain.policy.fleet import Policy

Path = tuple[str | int, ...]
Lines = dict[Path, int]

FLEET = ("clusters", "budget", "breaker_percent")
"""Keys of the whole fleet."""
KEYS = {"defaults", "groups", *FLEET}
MAX_CHARACTERS = 262_144
"""More than any fleet needs; a bound keeps a wrong upload from costing a Lambda its memory."""


def parse_policy(text: str, version: str) -> Policy:
    """Return the policy that the text describes.

    Raises: Invalid naming each fault and its line: YAML, duplicate or unknown keys, values, a group or cluster named
    twice, a group whose `sharing` its cluster does not offer.
    """
    lines: Lines = {}
    document = _walk(_compose(text), (), lines)
    if not isinstance(document, dict):
        raise Invalid("fleet.yaml: line 1: expected a mapping with `groups`")
    for key in document.keys() - KEYS:
        raise Invalid(f"fleet.yaml: line {lines[(key,)]}: unknown key {key!r}; known: {', '.join(sorted(KEYS))}")
    groups = _with_defaults(document, lines)
    try:
        rest = {key: document[key] for key in FLEET if document.get(key) is not None}
        policy = Policy.model_validate({"version": version, "groups": groups, **rest})
    except ValidationError as error:
        raise Invalid("fleet.yaml: " + "; ".join(_fault(fault, lines) for fault in error.errors()[:5])) from error
    _refuse_twins(lines, "groups", "group", [group.group for group in policy.groups])
    _refuse_twins(lines, "clusters", "cluster", [cluster.cluster for cluster in policy.clusters])
    _refuse_unknown_sharing(policy, lines)
    return policy


def _compose(text: str) -> Node:
    """Return the YAML's tree, with marks; without aliases, which could blow up into any size."""
    if len(text) > MAX_CHARACTERS:
        raise Invalid(f"fleet.yaml: longer than {MAX_CHARACTERS} characters")
    if too_deep(text):
        raise Invalid(f"fleet.yaml: more than {MAX_BRACKETS} brackets stand in each other")
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise Invalid(f"fleet.yaml: line {line}: aliases are not supported; use defaults")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Invalid(f"fleet.yaml: line {line}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"fleet.yaml: {error}") from error
    if root is None:
        raise Invalid("fleet.yaml: line 1: the file is empty")
    return root


def _walk(node: Node, path: Path, lines: Lines) -> Any:
    """Return the node's plain value, remembering the line of every path below it."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, SequenceNode):
        return [_walk(item, (*path, index), lines) for index, item in enumerate(node.value)]
    try:
        return SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        # PyYAML's constructors stumble over tags that do not fit their text: `!!int ''`, `!!bool x`, `!!timestamp x`.
        raise Invalid(f"fleet.yaml: line {node.start_mark.line + 1}: {error}") from error


def _mapping(node: MappingNode, path: Path, lines: Lines) -> dict[str, Any]:
    """Return a mapping; a key given twice is refused, because YAML would silently keep the last."""
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            raise Invalid(f"fleet.yaml: line {line}: a key must be plain text")
        key = str(key_node.value)
        if key in mapping:
            raise Invalid(f"fleet.yaml: line {line}: {key!r} is given twice")
        lines[(*path, key)] = line
        mapping[key] = _walk(value_node, (*path, key), lines)
    return mapping


def _with_defaults(document: dict[str, Any], lines: Lines) -> list[Any]:
    """Return the groups, each filled up from `defaults`; their lines point to where the value was written."""
    groups, defaults = document.get("groups"), document.get("defaults") or {}
    if not isinstance(groups, list) or not groups:
        raise Invalid(f"fleet.yaml: line {lines.get(('groups',), 1)}: `groups` must be a list of at least one group")
    if not isinstance(defaults, dict):
        raise Invalid(f"fleet.yaml: line {lines['defaults',]}: `defaults` must be a mapping")
    written = [(path[1:], line) for path, line in lines.items() if path[:1] == ("defaults",)]
    for index in range(len(groups)):
        for path, line in written:
            lines.setdefault(("groups", index, *path), line)
    return [_fill(group, defaults) for group in groups]


def _fill(given: Any, defaults: Any) -> Any:
    """Return `given` with what it leaves out taken from `defaults`, mapping by mapping.

    A value that chooses a channel of AMI is taken whole: half of a pinned AMI means nothing.
    """
    if not isinstance(given, dict) or not isinstance(defaults, dict):
        return given
    if "channel" in given and given["channel"] != defaults.get("channel", given["channel"]):
        return given
    filled = {key: _fill(value, defaults.get(key)) for key, value in given.items()}
    return {**defaults, **filled}


def _fault(fault: Any, lines: Lines) -> str:
    """Return one complaint of pydantic, with the line of the nearest thing that was written."""
    where: Path = ()
    for part in fault["loc"]:
        where = (*where, part) if (*where, part) in lines else where
    names = ".".join(str(part) for part in fault["loc"])
    return f"line {lines.get(where, 1)}: {names}: {fault['msg']}"


def _refuse_twins(lines: Lines, part: str, kind: str, names: list[str]) -> None:
    """Refuse what is named twice: two policies for one thing cannot both hold."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Invalid(f"fleet.yaml: line {lines[part, index]}: {kind} {name!r} is named twice")


def _refuse_unknown_sharing(policy: Policy, lines: Lines) -> None:
    """Refuse a key that no configuration has: a node labelled with it would lose its GPUs."""
    for index, group in enumerate(policy.groups):
        keys = policy.cluster(group.cluster).config_keys
        if group.sharing not in keys:
            line = lines.get(("groups", index, "sharing"), lines["groups", index])
            known = ", ".join(sorted(keys))
            raise Invalid(
                f"fleet.yaml: line {line}: group {group.group!r}: sharing {group.sharing!r} is none of {known}"
            )
