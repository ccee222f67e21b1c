"""Client tokens: a call that is repeated under its token gets the first one's answer, and does nothing.

A caller whose answer was lost repeats itself; without this it would make two of everything here and one on AWS.
Leaves out: that AWS forgets a token after a while.
"""

from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException

from rehearsal.region.fleet_actions import Params


class IdempotentParameterMismatchError(ServiceException):  # type: ignore[misc]
    """The token was used for something else."""

    code = "IdempotentParameterMismatch"
    message = "The client token has been used with different request parameters."


class Tokens:
    """What was asked and answered under each token."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[Params, dict[str, Any]]] = {}

    def once(self, params: Params, act: Callable[[Params], dict[str, Any]]) -> dict[str, Any]:
        """The answer to these parameters; without a token each call is one of its own."""
        token = params.get("ClientToken")
        if not token:
            return act(params)
        if token not in self._answers:
            self._answers[token] = params, act(params)
        asked, answer = self._answers[token]
        if asked != params:
            raise IdempotentParameterMismatchError
        return answer
