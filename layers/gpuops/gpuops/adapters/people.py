"""The people behind a topic, and the answers that they give to a waiting execution."""

import os
from typing import Any, Self

from botocore.exceptions import ClientError

from gpuops.adapters.aws import client, code_of, translated
from gpuops.domain.errors import Refused
from gpuops.domain.rotation.approval import Approved, Notice

GONE = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""Nobody waits for this answer any more: answered, expired, or its execution ended (the API of SendTaskSuccess)."""


class People:
    """Publishes, and hands answers on. Raises, everywhere: what `adapters.aws` translates to."""

    def __init__(self, sns: Any, states: Any, topic: str, stack: str) -> None:
        self._sns, self._states, self._topic, self.stack = sns, states, topic, stack

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the stack in STACK_NAME, and the topic in APPROVAL_TOPIC_ARN; empty or not there for none."""
        topic = os.environ.get("APPROVAL_TOPIC_ARN", "")
        return cls(client("sns"), client("stepfunctions"), topic, os.environ["STACK_NAME"])

    def tell(self, notice: Notice) -> None:
        """Publish the message. A repetition is a second message. Raises: Refused without a topic."""
        if not self._topic:
            raise Refused(
                "an approval is asked for, but the stack has no topic: give it ApprovalTopicArn or AlarmTopicArn"
            )
        with translated("publish a request for approval"):
            self._sns.publish(TopicArn=self._topic, Subject=notice.subject, Message=notice.body)

    def approve(self, token: str, answer: Approved) -> bool:
        """Let the execution go on; False when it does not wait any more."""
        return self._answer(self._states.send_task_success, taskToken=token, output=answer.model_dump_json())

    def refuse(self, token: str, why: str) -> bool:
        """End the execution's wait as Refused; False when it does not wait any more."""
        return self._answer(self._states.send_task_failure, taskToken=token, error=Refused.__name__, cause=why)

    @staticmethod
    def _answer(call: Any, **arguments: str) -> bool:
        with translated("answer a request for approval"):
            try:
                call(**arguments)
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise
                return False
        return True
