"""The five ways a function may fail: Step Functions matches bare class names, so the names are a contract."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


class Unavailable(Exception):  # noqa: N818 - the name is what a Retry in ASL matches
    """AWS or Kubernetes gave no usable answer. Safe to retry."""


class Conflict(Exception):  # noqa: N818 - the name is what a Catch in ASL matches
    """Somebody else holds the group or the node; the message names the owner."""


class Refused(Exception):  # noqa: N818 - the name is what a Catch in ASL matches
    """The world's answer is no: no capacity, freeze, no budget. Not a fault."""


class Unhealthy(Exception):  # noqa: N818 - the name is what a Catch in ASL matches
    """A node or GPU failed its checks. Never retried."""


class Invalid(Exception):  # noqa: N818 - the name is what a Catch in ASL matches
    """The input cannot be acted on; the message says what and where. Never retried."""


EXPECTED = (Conflict, Invalid, Refused, Unavailable)
"""What an adapter may raise: told as it is, and no reason to leave out what has nothing to do with it."""


def gather(look: Callable[[Item], Iterable[Found]], items: Iterable[Item]) -> tuple[list[Found], list[Exception]]:
    """Return what was found at all of these, with the faults of those that could not be looked at to the end."""
    found: list[Found] = []
    faults: list[Exception] = []
    for item in items:
        try:
            found.extend(look(item))
        except EXPECTED as fault:
            faults.append(fault)
    return found, faults


def together(errors: Sequence[Exception]) -> Exception:
    """Return one error that tells all of these: safe to retry if any of them is, otherwise of the first one's kind."""
    if len(errors) == 1:
        return errors[0]
    kind = next((type(error) for error in errors if isinstance(error, Unavailable)), type(errors[0]))
    return kind("; ".join(str(error) for error in errors))
