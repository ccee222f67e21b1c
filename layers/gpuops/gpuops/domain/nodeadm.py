"""Read and edit the NodeConfigs of nodeadm: kubelet's flags, in which its node's labels and taints stand.

An edit changes one flag and nothing else; it is accepted only if the edited text reads back as exactly the intended
configuration.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from gpuops.domain.errors import Invalid
from gpuops.domain.keys import Taint
from gpuops.domain.mime import Document, find_documents, replace_document
from gpuops.domain.nesting import MAX_BRACKETS, too_deep
from gpuops.domain.nodeconfig import candidate_texts
from gpuops.domain.nodeview import NodeView

TAINTS = "--register-with-taints"
LABELS = "--node-labels"

UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises: its constructors stumble over tags that do not fit their text, `!!int ''` and its like."""
_FLAG = re.compile(rf"(?:^|\s)({TAINTS}|{LABELS})(?:(=)|\s+|$)(\S*)")


@dataclass(frozen=True)
class _Flag:
    """One kubelet flag: its value stands in `flags[index]` of one document."""

    name: str
    value: str
    index: int
    document: int


def view_of(data: bytes) -> NodeView:
    """Return what peeled user data asks of kubelet. Raises: Invalid, saying what it is instead of a NodeConfig."""
    return _view([_load(document) for document in find_documents(data)])


def with_taint(data: bytes, taint: Taint) -> bytes:
    """Return the same data with the taint before the others of its flag, or in a new flag of the last NodeConfig.

    One comma-separated flag: kubelet lets a second `--register-with-taints` replace the first
    (cmd/kubelet/app/options, RegisterWithTaintsVar.Set), and lets the flag replace the config file's list.
    """
    documents = find_documents(data)
    loaded = [_load(document) for document in documents]
    flag = next((flag for flag in reversed(list(_flags(loaded))) if flag.name == TAINTS), None)
    which = flag.document if flag else len(documents) - 1
    text = _edit(documents[which], loaded[which], flag, (taint, *_view(loaded).taints))
    return replace_document(data, documents[which], text)


def _view(loaded: list[dict[str, Any]]) -> NodeView:
    labels: dict[str, str] = {}
    flags = list(_flags(loaded))
    for flag in flags:
        if flag.name == LABELS:
            labels |= dict(_label(item) for item in flag.value.split(",") if item)
    clusters = [cluster for data in loaded if (cluster := _dig(data, "spec", "cluster", "name"))]
    values = [flag.value for flag in flags if flag.name == TAINTS]
    taints = [Taint.parse(item) for item in values[-1].split(",") if item] if values else _config_taints(loaded)
    return NodeView(cluster=clusters[-1] if clusters else None, labels=labels, taints=tuple(taints), parts=len(loaded))


def _label(item: str) -> tuple[str, str]:
    key, _, value = item.partition("=")
    return key.strip(), value.strip()


def _config_taints(loaded: list[dict[str, Any]]) -> list[Taint]:
    """The kubelet config file's own list, which counts only where no flag is given; the last document wins."""
    lists = [found for data in loaded if (found := _dig(data, "spec", "kubelet", "config", "registerWithTaints"))]
    return [Taint.parse(f"{t.get('key')}={t.get('value', '')}:{t.get('effect')}") for t in lists[-1]] if lists else []


def _flags(loaded: list[dict[str, Any]]) -> Iterator[_Flag]:
    """Flags in the order in which kubelet reads them; `--flag value` may be one list item or two."""
    for number, data in enumerate(loaded):
        items = [str(item) for item in _dig(data, "spec", "kubelet", "flags") or []]
        for index, item in enumerate(items):
            for match in _FLAG.finditer(item):
                name, equals, value = match[1], match[2], match[3].strip("\"'")
                alone = not equals and not value and match.end() == len(item)
                if alone and index + 1 == len(items):
                    raise Invalid(f"spec.kubelet.flags: {name} has no value: kubelet would not start with it")
                at = index + 1 if alone else index
                yield _Flag(name, items[at].strip("\"'") if alone else value, at, number)


def _dig(data: Any, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _edit(document: Document, data: dict[str, Any], flag: _Flag | None, taints: tuple[Taint, ...]) -> str:
    """The first candidate text that reads back as the intended configuration."""
    values = [str(taint) for taint in taints]
    for text, intended in candidate_texts(document.text, data, TAINTS, values, flag.index if flag else None):
        if _reads_as(text, intended):
            return text
    raise Invalid(f"{document.where}: no way found to add the taint {taints[0]} to its kubelet flags")


def _reads_as(text: str, intended: dict[str, Any]) -> bool:
    try:
        return bool(yaml.safe_load(text) == intended)
    except UNREADABLE:
        return False


def _load(document: Document) -> dict[str, Any]:
    """The document as data. Raises: Invalid for anything that is no NodeConfig."""
    first = next((line for line in document.text.splitlines() if line.strip()), "")
    if first.startswith("#!"):
        raise Invalid(f"{document.where} is a script ({first[:40]}), no NodeConfig: nothing to read or edit there")
    if too_deep(document.text):
        raise Invalid(f"{document.where} is no NodeConfig: more than {MAX_BRACKETS} brackets stand in each other")
    try:
        data = yaml.safe_load(document.text)
    except UNREADABLE as error:
        raise Invalid(f"{document.where} is no NodeConfig: not YAML ({_place(error)})") from error
    kind = (_dig(data, "apiVersion"), _dig(data, "kind"))
    if not str(kind[0]).startswith("node.eks.aws/") or kind[1] != "NodeConfig":
        raise Invalid(f"{document.where} is no NodeConfig: it begins with {first[:40]!r}")
    _check_shape(document.where, data)
    return dict(data)


def _check_shape(where: str, data: dict[str, Any]) -> None:
    """The node would refuse these too; here they would otherwise read as "no taints"."""
    expected = {
        ("spec",): dict,
        ("spec", "kubelet"): dict,
        ("spec", "kubelet", "config"): dict,
        ("spec", "kubelet", "flags"): list,
    }
    for path, kind in expected.items():
        if not isinstance(_dig(data, *path) or kind(), kind):
            raise Invalid(f"{where}: {'.'.join(path)} is not a {'list' if kind is list else 'mapping'}")


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {getattr(error, 'problem', error)}" if mark else str(error)[:120]
