"""How Go's encoding/json takes a value into a typed field, with every refusal and every loss written down.

The rules that matter here: keys of structs match without regard to case, those of the plugin's own unmarshallers do
not; unknown keys are passed over; null leaves a field as it is; 4.0 arrives as 4, because JSON writes it so.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gpuops.domain.plugin_config.goyaml import Item
from gpuops.domain.plugin_config.scalars import MAX_INT

Take = Callable[["Faults", Item, str], Any]
"""Takes an item that stands under a key; faults go to the first argument."""


@dataclass(frozen=True)
class Fault:
    """Something in the file that does not come to what it says."""

    line: int
    reason: str
    refused: bool
    """Whether the plugin exits over it; it passes the others over."""


class Faults(list[Fault]):
    """What was found so far."""

    def refuse(self, line: int, reason: str) -> None:
        """Note that the plugin would not take the file."""
        self.append(Fault(line, reason, refused=True))

    def warn(self, line: int, reason: str) -> None:
        """Note that the plugin takes the file, but not as it is written."""
        self.append(Fault(line, reason, refused=False))


def kind_of(item: Item) -> str:
    """Return what a person calls the value."""
    value = item.value
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else str(value)


def _refuse(faults: Faults, item: Item, name: str, wanted: str) -> None:
    faults.refuse(item.line, f"{name} must be {wanted}, not {kind_of(item)}")


def text(faults: Faults, item: Item, name: str) -> str | None:
    """Take a string."""
    if item.value is not None and not isinstance(item.value, str):
        _refuse(faults, item, name, "text")
    return item.value if isinstance(item.value, str) else None


def flag(faults: Faults, item: Item, name: str) -> bool | None:
    """Take a boolean."""
    if item.value is not None and not isinstance(item.value, bool):
        _refuse(faults, item, name, "true or false")
    return item.value if isinstance(item.value, bool) else None


def whole(item: Item) -> int | None:
    """Return the number that would arrive in a Go int; None for what is none."""
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        return None
    return int(value) if abs(value) <= MAX_INT else None


def number(faults: Faults, item: Item, name: str) -> int | None:
    """Take a whole number, with a word on one that is written as a fraction."""
    found = whole(item)
    if found is None and item.value is not None:
        _refuse(faults, item, name, "a whole number")
    if found is not None and isinstance(item.value, float):
        faults.warn(item.line, f"{name} is written as a fraction; write {found}")
    return found


def duration(faults: Faults, item: Item, name: str) -> None:
    """Take what time.ParseDuration takes, or a number of nanoseconds."""
    value = item.value
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or numeric or (isinstance(value, str) and _is_duration(value)):
        return
    _refuse(faults, item, name, "a duration such as 60s")


_UNITS = {"ns": 1, "us": 1e3, "\u00b5s": 1e3, "\u03bcs": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12}
_STEP = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")


def _is_duration(value: str) -> bool:
    unsigned = value[1:] if value[:1] in {"+", "-"} else value
    steps = _STEP.findall(unsigned)
    whole_text = "".join(amount + unit for amount, unit in steps) == unsigned
    return unsigned == "0" or bool(
        steps and whole_text and sum(float(amount) * _UNITS[unit] for amount, unit in steps) <= MAX_INT
    )


def listed(faults: Faults, item: Item, name: str, take: Take) -> list[Any]:
    """Take a list, each of its items by `take`."""
    if not isinstance(item.value, list):
        if item.value is not None:
            _refuse(faults, item, name, "a list")
        return []
    return [take(faults, each, name) for each in item.value]


def mapping(faults: Faults, item: Item, name: str) -> dict[str, Item]:
    """Take a mapping; what is none counts as empty, once refused."""
    if isinstance(item.value, dict):
        return item.value
    if item.value is not None:
        _refuse(faults, item, name, "a mapping")
    return {}


def exact(faults: Faults, item: Item, name: str, known: tuple[str, ...]) -> dict[str, Item]:
    """Take a mapping whose keys the plugin looks up by itself, letter for letter."""
    given = mapping(faults, item, name)
    for key in given.keys() - set(known):
        meant = next((each for each in known if folded(each) == folded(key)), None)
        hint = f"; write {meant}" if meant else f"; known: {', '.join(known)}"
        faults.warn(item.key_lines.get(key, item.line), f"{key!r} in {name} is unknown and ignored{hint}")
    return {key: value for key, value in given.items() if key in known}


def struct(faults: Faults, item: Item, name: str, fields: Mapping[str, Take]) -> dict[str, Any]:
    """Take a mapping into the fields of a struct: the exact key of each, else one that differs in case.

    Keys arrive sorted, as JSON writes them, so of several spellings of one key the last in that order counts.
    """
    names = {folded(each): each for each in fields}
    taken: dict[str, Any] = {}
    for key, value in sorted(mapping(faults, item, name).items()):
        line = item.key_lines.get(key, value.line)
        known = names.get(folded(key))
        if known is None:
            faults.warn(line, f"{key!r} in {name} is unknown and ignored; known: {', '.join(sorted(fields))}")
            continue
        if key != known:
            faults.warn(line, f"{key!r} in {name} is taken for {known} only because case is passed over; write {known}")
        if known in taken:
            faults.warn(line, f"{known} in {name} is given twice, in different case; the last one counts")
        before, after = taken.get(known), fields[known](faults, value, known)
        taken[known] = {**before, **after} if isinstance(before, dict) and isinstance(after, dict) else after
    return taken


def folded(key: str) -> str:
    """Go's folding of ASCII names: without case, with the long s and the Kelvin sign as their letters."""
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), key.replace("\u017f", "s").replace("\u212a", "k"))
