"""Hands a payload to what an EventBridge target names: a state machine, a function, a queue, a topic or a bus.

The call goes through the wire with the keys of the target's role. A target without a role (functions, queues and
topics have policies of their own instead) is called as the service itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import botocore.config
import botocore.exceptions

from rehearsal.clock import Clock
from rehearsal.lambdas import Wire
from rehearsal.lambdas.sandbox import REGION
from rehearsal.region.direct import session

RETRY_SECONDS, RETRY_LIMIT_SECONDS = 10.0, 600.0
MAX_ATTEMPTS, MAX_AGE_SECONDS = 185, 86_400

# Trying again would not help, says EventBridge, and puts the event into the dead-letter queue at once.
FINAL = {"AccessDeniedException", "AccessDenied", "ResourceNotFoundException", "StateMachineDoesNotExist",
         "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "InvalidExecutionInput",
         "NotFound", "ValidationException"}  # fmt: skip


@dataclass
class Delivery:
    """One payload on its way to one target."""

    origin: str
    target: dict[str, Any]
    payload: str
    since: float
    attempts: int = 0
    errors: list[str] = field(default_factory=list)

    def policy(self, name: str, default: int) -> int:
        """A limit from the target's RetryPolicy."""
        return int(self.target.get("RetryPolicy", {}).get(name, default))


class Targets:
    """Calls targets, tries again, gives up into the dead-letter queue."""

    def __init__(self, clock: Clock, url: Callable[[], str], wire: Callable[[], Wire]) -> None:
        self._clock, self._url, self._wire = clock, url, wire
        self._clients: dict[tuple[str, str], Any] = {}
        self.failed: list[Delivery] = []  # what nobody got, for the rehearsal's report

    def hand_over(self, key: str, delivery: Delivery) -> None:
        """One attempt; runs in a thread of the clock."""
        delivery.attempts += 1
        try:
            self._call(delivery)
        except botocore.exceptions.ClientError as error:
            delivery.errors.append(str(error))
            self._again(key, delivery, final=error.response["Error"]["Code"] in FINAL)
        except botocore.exceptions.BotoCoreError as error:
            delivery.errors.append(str(error))
            self._again(key, delivery, final=False)

    def _again(self, key: str, delivery: Delivery, *, final: bool) -> None:
        pause = min(RETRY_SECONDS * 2 ** (delivery.attempts - 1), RETRY_LIMIT_SECONDS)
        age = self._clock.now() + pause - delivery.since
        retries = delivery.policy("MaximumRetryAttempts", MAX_ATTEMPTS)
        old = age > delivery.policy("MaximumEventAgeInSeconds", MAX_AGE_SECONDS)
        if final or old or delivery.attempts > retries:
            self._give_up(delivery)
        else:
            self._clock.call_later(pause, f"{key}/{delivery.attempts}", lambda: self.hand_over(key, delivery))

    def _give_up(self, delivery: Delivery) -> None:
        queue = delivery.target.get("DeadLetterConfig", {}).get("Arn")
        if queue is None:
            self.failed.append(delivery)
            return
        attributes = {
            "RULE_ARN": delivery.origin,
            "TARGET_ARN": delivery.target["Arn"],
            "ERROR_MESSAGE": delivery.errors[-1],
        }
        typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        sqs = self._client("sqs", "")
        sqs.send_message(QueueUrl=self._queue_url(queue), MessageBody=delivery.payload, MessageAttributes=typed)

    def _call(self, delivery: Delivery) -> None:
        arn, target = str(delivery.target["Arn"]), delivery.target
        service, role = arn.split(":")[2], str(target.get("RoleArn", ""))
        if service == "states":
            self._client("stepfunctions", role).start_execution(stateMachineArn=arn, input=delivery.payload)
        elif service == "lambda":
            call = {"FunctionName": arn, "InvocationType": "Event", "Payload": delivery.payload.encode()}
            self._client("lambda", role).invoke(**call)
        elif service == "sqs":
            self._client("sqs", role).send_message(QueueUrl=self._queue_url(arn), MessageBody=delivery.payload)
        elif service == "sns":
            self._client("sns", role).publish(TopicArn=arn, Message=delivery.payload)
        elif service == "events":
            self._forward(arn, role, json.loads(delivery.payload))
        else:
            raise NotImplementedError(f"no target of service {service}: {arn}")

    def _forward(self, arn: str, role: str, event: dict[str, Any]) -> None:
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"],
            "EventBusName": arn.rsplit("/", 1)[-1],
        }
        self._client("events", role).put_events(Entries=[entry])

    def _queue_url(self, arn: str) -> str:
        return str(self._client("sqs", "").get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"])

    def _client(self, service: str, role: str) -> Any:
        if (service, role) not in self._clients:
            keys, url = ("eventbridge", "eventbridge"), self._url()
            if role:
                issued, url = self._wire().credentials(role, "eventbridge"), self._wire().aws_url
                keys = (issued.access_key, issued.secret_key)
            self._clients[service, role] = session().client(
                service, region_name=REGION, endpoint_url=url, aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
                config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=300),
            )  # fmt: skip
        return self._clients[service, role]
