"""Answering an execution that waits for a task token: the token alone is the right to do so."""

from typing import Any

from botocore.exceptions import ClientError

from gpuops.adapters.aws import code_of, translated

GONE = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""Nobody waits for this answer any more: answered, expired, or its execution ended (the API of SendTaskSuccess)."""


def is_answered(doing: str, call: Any, **arguments: str) -> bool:
    """Send the answer; False when nobody waits for it any more. Raises: Unavailable, Refused, Invalid."""
    with translated(doing):
        try:
            call(**arguments)
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return False
    return True
