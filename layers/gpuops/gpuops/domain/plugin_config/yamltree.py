"""The nodes of a YAML text's first document, which is all that goyaml v2 reads of it.

Composed here from PyYAML's events, because PyYAML's composer refuses an anchor that is set anew and its constructors
resolve scalars by other rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from gpuops.domain.plugin_config.yamltokens import EventReader

MAX_DEPTH = 100
"""Deeper than any configuration; Go would follow 10,000 levels, Python's stack does not."""
MAX_CHARACTERS = 1_048_576
"""A ConfigMap holds no more."""


class Unreadable(Exception):  # noqa: N818 - named for what it says of the text
    """The plugin's YAML parser fails; `line` says where."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(eq=False)
class Node:
    """A scalar, sequence, mapping or alias, with the tag that was written, if any."""

    line: int
    kind: str
    tag: str = ""
    text: str = ""
    plain: bool = False
    children: "list[Node]" = field(default_factory=list)


def compose(text: str) -> tuple[Node | None, int | None]:
    """Return the first document's tree, and the line at which another one begins.

    Raises: Unreadable where goyaml would fail.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(1, f"longer than {MAX_CHARACTERS} characters")
    try:
        events = _events(text)
        return _first_document(events), _next_document(events)
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_line(error), f"no YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise Unreadable(1, f"no YAML: {error}".replace("\n", " ")) from error


def _events(text: str) -> Iterator[Any]:
    reader = EventReader(text)
    while reader.check_event():
        yield reader.get_event()  # type: ignore[no-untyped-call]


def _first_document(events: Iterator[Any]) -> Node | None:
    """Return the first document's tree; None for a text without one."""
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            return _compose(events, next(events), {}, 0)
        if isinstance(event, yaml.StreamEndEvent):
            break
    return None


def _next_document(events: Iterator[Any]) -> int | None:
    """Return the line at which a further document begins, readable or not: the plugin never gets there."""
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                return event.start_mark.line + 1 if event.start_mark else 1
    except yaml.MarkedYAMLError as error:
        return _line(error)
    return None


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _compose(events: Iterator[Any], event: Any, anchors: dict[str, Node], depth: int) -> Node:
    """Return the node that begins with `event`; an anchor may be set anew, as goyaml lets it."""
    line = event.start_mark.line + 1
    if depth > MAX_DEPTH:
        raise Unreadable(line, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise Unreadable(line, f"unknown anchor {event.anchor!r} referenced")
        return Node(line, "alias", text=event.anchor, children=[anchors[event.anchor]])
    tag = event.tag or ""
    if isinstance(event, yaml.ScalarEvent):
        node = Node(line, "scalar", tag, event.value, plain=event.implicit[0])
    else:
        node = Node(line, "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence", tag)
    if event.anchor:
        anchors[event.anchor] = node
    if node.kind != "scalar":
        while not isinstance(following := next(events), yaml.CollectionEndEvent):
            node.children.append(_compose(events, following, anchors, depth + 1))
    return node
