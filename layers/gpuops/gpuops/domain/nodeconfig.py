"""Candidate texts for a NodeConfig with one kubelet flag changed, from the gentlest to the roughest.

An operator's comments, quotes and line ends are theirs: only if no insertion reads back as intended is the document
written anew. The caller checks each candidate, so nothing here has to know every corner of YAML.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import yaml

Candidate = tuple[str, dict[str, Any]]


def candidate_texts(
    text: str, data: dict[str, Any], name: str, values: list[str], index: int | None
) -> Iterator[Candidate]:
    """Texts meant to read as `data` with the list flag `name` set to `values`, each with what it must read as.

    `index` is the item of `spec.kubelet.flags` that holds all but the first value; None adds a flag.
    """
    intended = copy.deepcopy(data)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if index is None:
        flag = f"{name}={','.join(values)}"
        _flags_of(intended).insert(0, flag)
        yield from ((inserted, intended) for inserted in _insertions(text, root, flag))
    else:
        flags = _flags_of(intended)
        flags[index] = _prefixed(str(flags[index]), name, values[0])
        node = _at(root, "spec", "kubelet", "flags").value[index]
        item = slice(node.start_mark.index, node.end_mark.index)
        gentle = _prefixed(text[item], name, values[0])
        yield from ((edited, intended) for edited in _replacements(text, item, gentle, flags[index]))
    yield yaml.safe_dump(intended, sort_keys=False, width=1 << 16), intended


def _flags_of(data: dict[str, Any]) -> list[Any]:
    """The list of flags, made where it is missing or null."""
    for key in ("spec", "kubelet"):
        data[key] = data.get(key) or {}
        data = data[key]
    data["flags"] = data.get("flags") or []
    found: list[Any] = data["flags"]
    return found


def _prefixed(raw: str, name: str, first: str) -> str:
    """The raw item with `first` put before the values that stand there."""
    at = raw.rfind(name)
    start = at + len(name) if at >= 0 else 0
    while start < len(raw) and raw[start] in "= \t\"'\\":
        start += 1
    empty = start == len(raw) or raw[start].isspace()
    return raw[:start] + (first if empty else f"{first},") + raw[start:]


def _replacements(text: str, span: slice, gentle: str, new: str) -> Iterator[str]:
    """First inside the item as it is written; then the item as a quoted string, which also holds in a flow list."""
    for item in (gentle, json.dumps(new)):
        yield text[: span.start] + item + text[span.stop :]


def _insertions(text: str, root: Any, flag: str) -> Iterator[str]:
    """Before the first item of the deepest block that is there: its indentation is known to be right."""
    nest = [("spec", "kubelet", "flags"), ("spec", "kubelet"), ("spec",)]
    missing = [[], ["flags:"], ["kubelet:", "  flags:"]]
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    for path, keys in zip(nest, missing, strict=True):
        node = _at(root, *path)
        if node is None or not node.value:
            continue
        item = "  " * max(len(keys) - 1, 0) + f"- {flag}"
        indent = " " * node.start_mark.column
        lines = "".join(f"{line}{end_of_line}{indent}" for line in [*keys, item])
        yield text[: node.start_mark.index] + lines + text[node.start_mark.index :]


def _at(node: Any, *path: str) -> Any:
    """The node at the end of a path of mapping keys, or None."""
    for key in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((found for name, found in pairs if name.value == key), None)
    return node
