"""Replaces attributes of moto and puts every one back.

moto's state and classes are global to the process, and a test suite runs many regions one after the other.
"""

from __future__ import annotations

import sys
from typing import Any

_ABSENT = object()


class Patches:
    """A stack of replacements, undone in reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace `owner.name`; returns what was there."""
        before = owner.__dict__.get(name, _ABSENT)
        self._undo.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def item(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Replace `mapping[key]`."""
        self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    def everywhere(self, value: Any, replacement: Any, prefix: str, *, but: str) -> None:
        """Replace a function in every module that imported it by name, except under the package `but`."""
        for module in [m for name, m in sys.modules.items() if name.startswith(prefix) and not name.startswith(but)]:
            for name in [name for name, held in vars(module).items() if held is value]:
                self.set(module, name, replacement)

    def restore(self) -> None:
        """Put everything back."""
        while self._undo:
            owner, name, before = self._undo.pop()
            if isinstance(owner, dict):
                owner.pop(name) if before is _ABSENT else owner.__setitem__(name, before)
            elif before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
