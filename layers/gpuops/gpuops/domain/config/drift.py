"""Where an object on the cluster is not what was sent: one comparison for drift, and for fields that got lost.

What others have added is theirs: only the fields that we send are compared, as server-side apply owns them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MERGE_KEYS = ("name", "key", "containerPort", "port")
"""By which the API merges lists of objects; a list without any is replaced as a whole."""

PARTS = ("data", "spec")
"""Of an object, what anybody wants of it; the rest is identity and bookkeeping."""


def differences(sent: Any, live: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each field that was sent and is not there with the same value."""
    if isinstance(sent, Mapping):
        for key, value in sent.items():
            below = live.get(key) if isinstance(live, Mapping) else None
            yield from differences(value, below, f"{path}{_step(key)}") if below is not None else [path + _step(key)]
    elif isinstance(sent, list) and _merge_key(sent):
        yield from _items(sent, live, path, _merge_key(sent) or "")
    elif sent != live:
        yield path


def changes(live: Any, after: Any) -> Iterator[str]:
    """Yield the path of each field that an apply changed, added or took away; what the apiserver keeps is left out."""
    before, now = ({part: (item or {}).get(part) or {} for part in PARTS} for item in (live, after))
    yield from dict.fromkeys((*differences(now, before), *differences(before, now)))


def _items(sent: Sequence[Any], live: Any, path: str, key: str) -> Iterator[str]:
    found = {item.get(key): item for item in live or () if isinstance(item, Mapping)}
    for item in sent:
        name = f"{path}[{key}={item[key]}]"
        yield from differences(item, found[item[key]], name) if item[key] in found else [name]


def _merge_key(items: Sequence[Any]) -> str | None:
    """The key that names each item once; tolerations have none, for several may share a key."""
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    for key in MERGE_KEYS:
        names = [item.get(key) for item in items]
        if None not in names and len(set(names)) == len(names):
            return key
    return None


def _step(key: str) -> str:
    """As the API's own messages write it; a key with dots in it stands in brackets."""
    return f"[{key}]" if "." in key or "/" in key else f".{key}"
