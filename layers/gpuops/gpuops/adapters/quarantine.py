"""The queue for what nobody can act on: messages that were no event, each with the reason why."""

import os
from typing import Any, Self

from gpuops.adapters.aws import client, translated

REASON_LENGTH = 1000


class Quarantine:
    """Puts messages aside. Raises: what `adapters.aws` translates to."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the queue in QUARANTINE_URL."""
        return cls(client("sqs"), os.environ["QUARANTINE_URL"])

    def keep(self, body: str, reason: str) -> None:
        """Put one message there; a repetition is a second one."""
        why = {"reason": {"DataType": "String", "StringValue": reason[:REASON_LENGTH]}}
        with translated("quarantine a message"):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes=why)
