"""Lambda's side of a queue: it receives a batch, invokes, deletes what was done and leaves the rest to the queue.

It wakes when a message arrives and when one may be received again, so that an idle queue costs nothing. Each call to
the queue is made with the keys of the function's role, as Lambda makes it, and is judged by the wire. What fails
too often goes to the dead-letter queue, by SQS itself. Left out: several pollers at once, filters, windows, scaling.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import botocore.config
import botocore.exceptions
from moto.sqs.models import Queue

from rehearsal.clock import Clock
from rehearsal.lambdas import Lambdas
from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.direct import session
from rehearsal.region.kinds.base import Mapping
from rehearsal.region.patches import Patches

POLL_SECONDS = 0.1
POLLER = "lambda-poller"


class Mappings:
    """Every event source mapping of the region."""

    def __init__(self, clock: Clock, lambdas: Lambdas, mappings: Callable[[], Iterable[Mapping]]) -> None:
        self._clock, self._lambdas, self._mappings = clock, lambdas, mappings
        self._polls = 0
        self._due: set[str] = set()
        self._clients: dict[str, Any] = {}

    def install(self, patches: Patches) -> None:
        """Hear of every message, whoever sends it."""
        add_message = Queue.add_message

        def add(queue: Any, message: Any) -> None:
            add_message(queue, message)
            self._wake(queue.queue_arn)

        patches.set(Queue, "add_message", add)

    def _wake(self, queue: str, seconds: float = POLL_SECONDS) -> None:
        """Look a moment later, once for all that arrives until then."""
        mapping = next((m for m in self._mappings() if m.queue == queue), None)
        key = f"{queue}/{seconds}"
        if mapping is None or key in self._due:
            return
        self._due.add(key)
        self._polls += 1
        self._clock.call_later(seconds, f"mapping/{queue}/{self._polls}", lambda: self._poll(mapping, key))

    def _poll(self, mapping: Mapping, key: str) -> None:
        """Until nothing can be received any more; runs in a thread of the clock."""
        self._due.discard(key)
        sqs, at = self._client(mapping), f"https://queue/{ACCOUNT}/{mapping.queue.rpartition(':')[2]}"
        try:
            asked = sqs.get_queue_attributes(QueueUrl=at, AttributeNames=["VisibilityTimeout"])
            while messages := self._receive(sqs, at, mapping):
                if self._hand_over(sqs, at, mapping, messages):
                    self._wake(mapping.queue, float(asked["Attributes"]["VisibilityTimeout"]))
        except botocore.exceptions.ClientError as error:
            logging.getLogger(__name__).warning("the mapping of %s: %s", mapping.function, error)

    @staticmethod
    def _receive(sqs: Any, at: str, mapping: Mapping) -> list[dict[str, Any]]:
        every = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"], "WaitTimeSeconds": 0}
        answer = sqs.receive_message(QueueUrl=at, MaxNumberOfMessages=mapping.batch, **every)
        return list(answer.get("Messages", ()))

    def _hand_over(self, sqs: Any, at: str, mapping: Mapping, messages: list[dict[str, Any]]) -> bool:
        """Invoke for one batch; whether anything of it stays in the queue."""
        event = {"Records": [_record(message, mapping.queue) for message in messages]}
        answer, error = self._lambdas.invoke(mapping.function, json.dumps(event).encode())
        failed = {message["MessageId"] for message in messages} if error else _failed(answer, mapping)
        done = [m for m in messages if m["MessageId"] not in failed]
        if done:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(done)]
            sqs.delete_message_batch(QueueUrl=at, Entries=entries)
        return len(done) < len(messages)

    def _client(self, mapping: Mapping) -> Any:
        """A client with the function's own role, through the wire."""
        if mapping.function not in self._clients:
            wire = self._lambdas.wire()
            issued = wire.credentials(self._lambdas.role_of(mapping.function), POLLER)
            keys = {"aws_access_key_id": issued.access_key, "aws_secret_access_key": issued.secret_key}
            config = botocore.config.Config(retries={"total_max_attempts": 1})
            self._clients[mapping.function] = session().client(
                "sqs", region_name=REGION, endpoint_url=wire.aws_url, config=config, **keys
            )
        return self._clients[mapping.function]


def _failed(answer: bytes, mapping: Mapping) -> set[str]:
    """The messages that the function names, where it was asked to name any."""
    if not mapping.partial:
        return set()
    return {failure["itemIdentifier"] for failure in json.loads(answer)["batchItemFailures"]}


def _record(message: dict[str, Any], queue: str) -> dict[str, Any]:
    """One message as Lambda's event has it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {key[:1].lower() + key[1:]: value for key, value in given.items()}
            for name, given in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": REGION,
    }
