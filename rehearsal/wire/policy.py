"""Decides one call against the policies of a role, as IAM does for identity-based policies.

Fail closed: an element, operator, variable or condition key that is not judged here refuses the call and is named.
Left out: boundaries, session policies, SCPs, resource-based policies (a bucket's or a queue's own).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

from rehearsal.wire.conditions import Unjudged, arn_like, condition_holds, like

STATEMENT_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}
LEADING_KEYS = "dynamodb:leadingkeys"
TAG_PREFIXES = ("aws:resourcetag/", "autoscaling:resourcetag/", "ec2:resourcetag/", "ssm:resourcetag/")


def _no_tags() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Ask:
    """One question to IAM: this action on this resource, with what AWS would put in the request context."""

    action: str
    resource: str
    keys: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    """Condition keys this action has, lower case; None where this call carries no value."""
    tags: Callable[[], Mapping[str, str]] = _no_tags
    """Tags of the resource, read only when a condition asks for them."""

    def values(self, key: str) -> Sequence[str] | None:
        """Values of a condition key, None when absent. Raises Unjudged for a key this action's row does not know."""
        name = key.lower()
        for prefix in TAG_PREFIXES:
            if name.startswith(prefix):
                tags = {k.lower(): v for k, v in self.tags().items()}
                value = tags.get(name.removeprefix(prefix))
                return None if value is None else (value,)
        if name not in self.keys:
            raise Unjudged(f"condition key {key} of {self.action}")
        return self.keys[name]


@dataclass(frozen=True)
class Verdict:
    """The answer, with IAM's own wording of the reason, and which grants it rests on."""

    allowed: bool
    reason: str
    grants: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Statement:
    """One statement of a policy document, its lists made lists."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def covers(self, ask: Ask) -> bool:
        """Does this statement speak about the call? Conditions last: they may cost a look at the region."""
        return (
            any(like(a.lower(), ask.action.lower()) for a in self.actions)
            and any(arn_like(r, ask.resource) for r in self.resources)
            and all(condition_holds(op, wanted, ask.values(key)) for op, key, wanted in self.conditions)
        )

    def grants(self, ask: Ask | None = None) -> Iterator[str]:
        """Name each right in it, or those which this call makes use of: action, resource and leading key as written."""
        given = None if ask is None else ask.values(LEADING_KEYS) if LEADING_KEYS in ask.keys else ()
        wanted = [keys for _, key, keys in self.conditions if key.lower() == LEADING_KEYS]
        for action, resource in product(self.actions, self.resources):
            if ask is None or (like(action.lower(), ask.action.lower()) and arn_like(resource, ask.resource)):
                for key in wanted[0] if wanted else ("",):
                    if not key or given is None or any(like(key, value) for value in given):
                        yield f"{action} {resource} {key}".rstrip()


def decide(documents: Sequence[Mapping[str, Any]], ask: Ask) -> Verdict:
    """Explicit deny wins, then any allow, then no. The texts are AWS's."""
    try:
        covering = [s for s in statements_of(documents) if s.covers(ask)]
    except Unjudged as error:
        return Verdict(allowed=False, reason=f"because the wire cannot judge {error}")
    if any(not s.allows for s in covering):
        return Verdict(allowed=False, reason="with an explicit deny in an identity-based policy")
    if covering:
        return Verdict(allowed=True, reason="allowed", grants=frozenset(g for s in covering for g in s.grants(ask)))
    return Verdict(allowed=False, reason=f"because no identity-based policy allows the {ask.action} action")


def statements_of(documents: Sequence[Mapping[str, Any]]) -> list[Statement]:
    """Every statement of a role. Raises: Unjudged for one that nobody could judge."""
    return [s for d in documents for s in _statements(json.dumps(d))]


@lru_cache(maxsize=512)
def _statements(document: str) -> tuple[Statement, ...]:
    return tuple(_statement(s) for s in _listed(json.loads(document).get("Statement", [])))


def _statement(raw: Mapping[str, Any]) -> Statement:
    if unknown := sorted(set(raw) - STATEMENT_ELEMENTS):
        raise Unjudged(f"policy element {', '.join(unknown)}")
    if raw.get("Effect") not in {"Allow", "Deny"} or "Action" not in raw or "Resource" not in raw:
        raise Unjudged(f"statement {raw.get('Sid', '(no Sid)')}: Effect, Action and Resource are needed")
    conditions = tuple(
        (operator, key, _texts(wanted))
        for operator, keys in raw.get("Condition", {}).items()
        for key, wanted in keys.items()
    )
    return Statement(raw["Effect"] == "Allow", _texts(raw["Action"]), _texts(raw["Resource"]), conditions)


def _texts(value: Any) -> tuple[str, ...]:
    values = _listed(value)
    for v in values:
        if isinstance(v, Mapping) or "${" in str(v):
            raise Unjudged(f"policy variable or function {v!r}: nobody rendered it")
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
