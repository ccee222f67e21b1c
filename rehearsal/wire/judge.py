"""Asks a role's policies about one AWS call and words the refusal as AWS does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rehearsal.wire.actions import asks_for
from rehearsal.wire.aws_call import AwsCall
from rehearsal.wire.conditions import Unjudged
from rehearsal.wire.lookup import Lookup
from rehearsal.wire.policy import LEADING_KEYS, Ask, decide

Policies = Callable[[str], Sequence[Mapping[str, Any]]]
"""Role ARN -> its policy documents, as the template renders them."""


@dataclass(frozen=True)
class Principal:
    """A role and the session name it is used under: a function's name, a state machine's."""

    role_arn: str
    caller: str

    @property
    def session_arn(self) -> str:
        """What `sts:GetCallerIdentity` would answer."""
        account, role = self.role_arn.split(":")[4], self.role_arn.rpartition("/")[2]
        return f"arn:aws:sts::{account}:assumed-role/{role}/{self.caller}"


@dataclass(frozen=True)
class Judgement:
    """`refusal` is None when the call may pass; `resource` is what it touches first."""

    resource: str
    refusal: str | None
    keys: tuple[str, ...] = ()
    """Partition keys of DynamoDB items that it touches."""


class Judge:
    """IAM, for the calls of one rehearsal."""

    def __init__(self, policies: Policies, lookup: Lookup) -> None:
        self._policies = policies
        self._lookup = lookup
        self.used: dict[str, set[str]] = {}
        """Role ARN -> the grants that its calls rested on."""

    def judge(self, principal: Principal, call: AwsCall) -> Judgement:
        """Every question about the call needs a yes; the first no is the answer."""
        try:
            asks = asks_for(call, self._lookup, principal.role_arn)
        except (Unjudged, KeyError, IndexError) as error:
            # A parameter that a row counts on is missing: on AWS a validation error, here never a pass.
            reason = f"because the wire cannot judge {error}"
            return Judgement("*", _text(principal, f"{call.service}:{call.operation}", "*", reason))
        for ask in asks:
            if refusal := self.ask(principal, ask):
                return Judgement(ask.resource, refusal)
        keys = (key for ask in asks for key in ask.keys.get(LEADING_KEYS) or ())
        return Judgement(asks[0].resource if asks else "*", None, tuple(keys))

    def ask(self, principal: Principal, ask: Ask) -> str | None:
        """One question; None is a yes."""
        verdict = decide(self._policies(principal.role_arn), ask)
        self.used.setdefault(principal.role_arn, set()).update(verdict.grants)
        return None if verdict.allowed else _text(principal, ask.action, ask.resource, verdict.reason)


def _text(principal: Principal, action: str, resource: str, reason: str) -> str:
    return f"User: {principal.session_arn} is not authorized to perform: {action} on resource: {resource} {reason}"
