"""Bottlerocket's user data: settings in TOML, where what kubelet registers its node with stands in tables.

An edit adds one line, or one item of an inline table, and leaves the operator's text alone: comments and order are
theirs. It is accepted only if the edited text reads back as exactly the intended settings, so nothing here has to know
every corner of TOML. Names: bottlerocket.dev, settings.kubernetes (`cluster-name`, `node-labels`, `node-taints`).
"""

import copy
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from gpuops.domain.errors import Invalid
from gpuops.domain.keys import Taint
from gpuops.domain.nodeview import NodeView

Settings = dict[str, Any]

PATH = ("settings", "kubernetes", "node-taints")
_OPENING = re.compile(r"""\[?\s*["']?settings["']?\s*[.\]=]""")
_HEADER = re.compile(r"^[ \t]*\[([^\[\]\n]+)\][ \t]*(?:#[^\r\n]*)?(?=\r?$)", re.MULTILINE)
_BRACE = re.compile(rf"""({"|".join(PATH)})["']?[ \t]*=[ \t]*\{{""")


def is_settings(text: str) -> bool:
    """Whether the text begins as Bottlerocket's settings do; what follows may still be faulty."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return bool(_OPENING.match(first))


def view_of(text: str) -> NodeView:
    """Return what the settings ask of kubelet. Raises: Invalid naming the fault."""
    data = _load(text)
    kubernetes = _table(data, 2)
    return NodeView(
        cluster=str(kubernetes["cluster-name"]) if kubernetes.get("cluster-name") else None,
        labels={key: str(value) for key, value in kubernetes.get("node-labels", {}).items()},
        taints=_taints(data),
        parts=1,
        family="bottlerocket",
    )


def with_taint(text: str, taint: Taint) -> str:
    """Return the same settings whose node also registers with the taint.

    Raises: Invalid where its key is there with something else, or no place is found for it.
    """
    data = _load(text)
    if taint.key in (there := _table(data, 3)):
        raise Invalid(f"user data: {'.'.join(PATH)} gives {taint.key} {there[taint.key]!r}: write {_item(taint)} there")
    intended = copy.deepcopy(data)
    table = intended
    for key in PATH:
        table = table.setdefault(key, {})
    table[taint.key] = [_item(taint)]
    for candidate in _candidates(text, f"{json.dumps(taint.key)} = [{json.dumps(_item(taint))}]"):
        if _reads_as(candidate, intended):
            return candidate
    raise Invalid(f"user data: no way found to add {taint} to {'.'.join(PATH)}; add it there by hand")


def _load(text: str) -> Settings:
    """The settings as data. Raises: Invalid naming the fault: no TOML, or another shape than Bottlerocket's."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"user data begins like Bottlerocket's settings, but is no TOML: {str(error)[:120]}") from error
    for depth in range(1, len(PATH) + 1):
        if not isinstance(_table(data, depth), dict):
            raise Invalid(f"user data: {'.'.join(PATH[:depth])} is no table")
    if not isinstance(_table(data, 2).get("node-labels", {}), dict):
        raise Invalid("user data: settings.kubernetes.node-labels is no table")
    return data


def _taints(data: Settings) -> tuple[Taint, ...]:
    """The taints with which the node registers: each key has one `value:Effect`, or a list of them."""
    found = []
    for key, given in _table(data, 3).items():
        found += [Taint.parse(f"{key}={item}") for item in (given if isinstance(given, list) else [given])]
    return tuple(found)


def _item(taint: Taint) -> str:
    return f"{taint.value}:{taint.effect}"


def _table(data: Settings, depth: int) -> Any:
    """What stands so deep on the way to the taints; an empty table where nothing does."""
    found: Any = data
    for key in PATH[:depth]:
        found = found.get(key, {})
    return found


def _candidates(text: str, entry: str) -> Iterator[str]:
    """Texts with the entry in them, from the plainest place to the oddest."""
    end = "\r\n" if "\r\n" in text else "\n"
    for depth in range(len(PATH), 0, -1):
        line = "".join(f"{key}." for key in PATH[depth:]) + entry
        for header in _HEADER.finditer(text):
            if _path(header[1]) == PATH[:depth]:
                yield f"{text[: header.end()]}{end}{line}{text[header.end() :]}"
        if depth == len(PATH):
            yield f"{text}{'' if text.endswith(end) else end}{end}[{'.'.join(PATH)}]{end}{entry}{end}"
    yield f"{'.'.join(PATH)}.{entry}{end}{text}"
    for brace in _BRACE.finditer(text):
        inner = "".join(f"{key}." for key in PATH[PATH.index(brace[1]) + 1 :]) + entry
        for rest in (",", ""):
            yield f"{text[: brace.end()]} {inner}{rest}{text[brace.end() :]}"


def _path(header: str) -> tuple[str, ...]:
    """The keys of a table's header, however they are quoted; none for what only looks like one."""
    try:
        data: Any = tomllib.loads(f"[{header}]")
    except ValueError:
        return ()
    keys = []
    while data:
        ((key, data),) = data.items()
        keys.append(key)
    return tuple(keys)


def _reads_as(text: str, intended: Settings) -> bool:
    try:
        return tomllib.loads(text) == intended
    except (ValueError, RecursionError):
        return False
