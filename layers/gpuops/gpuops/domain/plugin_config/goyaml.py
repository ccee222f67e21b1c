"""The tree that the device plugin sees in a YAML text: sigs.k8s.io/yaml, that is goyaml v2 and then JSON.

It keeps the last of two equal keys, reads the first document only, follows aliases and merges, and makes strings of
keys. Here too, but with the line of everything, and with a word on what was lost on the way.
"""

import math
from dataclasses import dataclass, field

from gpuops.domain.nesting import MAX_BRACKETS, too_deep
from gpuops.domain.plugin_config.scalars import MERGE, Scalar, resolve
from gpuops.domain.plugin_config.yamltree import MAX_DEPTH, Node, Unreadable, compose


@dataclass(frozen=True)
class Item:
    """A value as JSON would have it, and its line; a mapping also knows the lines of its keys."""

    line: int
    value: "Scalar | list[Item] | dict[str, Item]"
    key_lines: dict[str, int] = field(default_factory=dict)


@dataclass
class Reading:
    """A text read: its tree, and what the parser passed over in silence."""

    root: Item
    lost: list[tuple[int, str]]


def read(text: str) -> Reading:
    """Return what the plugin sees in the text.

    Raises: Unreadable where its parser would fail, and where ours would be at it for minutes.
    """
    if too_deep(text):
        raise Unreadable(1, f"more than {MAX_BRACKETS} brackets stand in each other")
    node, following = compose(text)
    decoder = _Decoder()
    if following is not None:
        decoder.lost.append((following, "only the first document of the file is read"))
    return Reading(decoder.decode(node) if node else Item(1, None), decoder.lost)


class _Decoder:
    """Resolves a tree, counting as goyaml counts against texts that blow up by aliases."""

    def __init__(self) -> None:
        self.lost: list[tuple[int, str]] = []
        self._open: list[Node] = []
        self._decoded = self._aliased = self._depth = 0

    def decode(self, node: Node) -> Item:
        """Return the node's value."""
        self._count(node)
        item = self._value(node)
        self._depth -= 1
        return item

    def _value(self, node: Node) -> Item:
        if node.kind == "alias":
            return self._alias(node)
        if node.kind == "sequence":
            return Item(node.line, [self.decode(child) for child in node.children])
        if node.kind == "mapping":
            item = Item(node.line, {})
            self._fill(node, item)
            return item
        value = self._scalar(node)
        if isinstance(value, float) and not math.isfinite(value):
            raise Unreadable(node.line, f"{node.text}: JSON, by which the file is read, has no such number")
        return Item(node.line, value)

    def _count(self, node: Node) -> None:
        """One node deeper; goyaml's bound: at most 99 % of the work from aliases, less of millions of nodes."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable(node.line, f"nested deeper than {MAX_DEPTH} levels")
        self._decoded += 1
        self._aliased += bool(self._open)
        allowed = 0.99 - 0.89 * min(max((self._decoded - 400_000) / 3_600_000, 0), 1)
        if self._aliased > 100 and self._decoded > 1000 and self._aliased / self._decoded > allowed:  # noqa: PLR2004
            raise Unreadable(node.line, "document contains excessive aliasing")

    def _alias(self, node: Node) -> Item:
        self._enter(node)
        item = self.decode(node.children[0])
        self._open.pop()
        return item

    def _enter(self, alias: Node) -> None:
        if alias in self._open:
            raise Unreadable(alias.line, f"anchor {alias.text!r} value contains itself")
        self._open.append(alias)

    def _scalar(self, node: Node) -> Scalar:
        if not node.tag and not node.plain:
            return node.text
        try:
            return resolve(node.tag, node.text)
        except ValueError as error:
            raise Unreadable(node.line, str(error)) from error

    def _fill(self, node: Node, into: Item) -> None:
        """Put the mapping's pairs into `into`; the last of equal keys wins, wherever a merge stands."""
        written: set[str] = set()
        for key_node, value_node in zip(node.children[::2], node.children[1::2], strict=True):
            if key_node.kind == "scalar" and key_node.text == "<<" and (key_node.plain or key_node.tag == MERGE):
                self._merge(value_node, into)
                continue
            key = self._key(key_node)
            if key in written:
                self.lost.append((key_node.line, f"{key!r} is given twice; the last one counts"))
            written.add(key)
            _pairs(into)[key] = self.decode(value_node)
            into.key_lines[key] = key_node.line

    def _merge(self, node: Node, into: Item) -> None:
        sources = reversed(node.children) if node.kind == "sequence" else [node]
        for source in sources:
            target = source.children[0] if source.kind == "alias" else source
            if target.kind != "mapping":
                raise Unreadable(source.line, "map merge requires map or sequence of maps as the value")
            if source.kind == "alias":
                self._enter(source)
            self._count(source)
            self._fill(target, into)
            self._depth -= 1
            if source.kind == "alias":
                self._open.pop()

    def _key(self, node: Node) -> str:
        value = self._scalar(node) if node.kind == "scalar" else self.decode(node).value
        if value is None or isinstance(value, list | dict):
            raise Unreadable(node.line, "a key must be plain text")
        return str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(item: Item) -> dict[str, Item]:
    """Return the mapping under construction."""
    return item.value if isinstance(item.value, dict) else {}
