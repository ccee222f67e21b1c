"""The people behind a topic, and the answers that they give to a waiting execution."""

import os
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.adapters.tokens import is_answered
from gpuops.domain.errors import Refused
from gpuops.domain.rotation.approval import Approved, Notice

ANSWERING = "answer a request for approval"


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
        output = answer.model_dump_json()
        return is_answered(ANSWERING, self._states.send_task_success, taskToken=token, output=output)

    def refuse(self, token: str, why: str) -> bool:
        """End the execution's wait as Refused; False when it does not wait any more."""
        failure = {"error": Refused.__name__, "cause": why}
        return is_answered(ANSWERING, self._states.send_task_failure, taskToken=token, **failure)
