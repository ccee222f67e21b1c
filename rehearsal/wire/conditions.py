"""IAM's condition operators, as far as the product's policies use them.

An operator the wire does not know raises `Unjudged`: a policy nobody evaluated must not look like one that allows.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

Values = Sequence[str]
Match = Callable[[str, str], bool]
"""(pattern from the policy, value from the request) -> does it hold?"""


class Unjudged(Exception):  # noqa: N818 - a verdict, like its neighbours, not a crash
    """The policy or the call uses something the wire cannot judge; the call is refused and the text says what."""


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def like(pattern: str, value: str) -> bool:
    """IAM's wildcards: `*` is any run of characters, `?` is one."""
    return _regex(pattern).fullmatch(value) is not None


def arn_like(pattern: str, value: str) -> bool:
    """Each of an ARN's six parts is matched by itself, so a `*` never crosses a colon (IAM: ArnLike)."""
    if pattern == "*":
        return True
    wanted, given = pattern.split(":", 5), value.split(":", 5)
    return len(wanted) == len(given) and all(like(w, g) for w, g in zip(wanted, given, strict=True))


OPERATORS: dict[str, tuple[Match, bool]] = {
    # name: (match, negated: holds when no value matches, and when the key is absent)
    "StringEquals": (str.__eq__, False),
    "StringNotEquals": (str.__eq__, True),
    "StringEqualsIgnoreCase": (lambda p, v: p.lower() == v.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda p, v: p.lower() == v.lower(), True),
    "StringLike": (like, False),
    "StringNotLike": (like, True),
    "ArnLike": (arn_like, False),
    "ArnEquals": (arn_like, False),
    "ArnNotLike": (arn_like, True),
    "ArnNotEquals": (arn_like, True),
    "Bool": (lambda p, v: p.lower() == v.lower(), False),
}


def condition_holds(name: str, wanted: Values, given: Values | None) -> bool:
    """Does `{name: {key: wanted}}` hold, where the request carries `given` for the key (None: absent)?"""
    quantifier, _, bare = name.rpartition(":")
    if bare == "Null" and not quantifier:
        return any((w.lower() == "true") == (given is None) for w in wanted)
    optional = bare.endswith("IfExists")
    operator = OPERATORS.get(bare.removesuffix("IfExists"))
    if operator is None or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise Unjudged(f"condition operator {name}")
    match, negated = operator
    if given is None:
        # IAM: ForAllValues holds over no values at all; a negated operator holds for an absent key; others do not.
        return optional or quantifier == "ForAllValues" or (negated and not quantifier)
    held = [any(match(w, g) for w in wanted) != negated for g in given]
    return all(held) if quantifier == "ForAllValues" or (negated and not quantifier) else any(held)
