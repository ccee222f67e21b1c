"""What people are told on the stack's topic, each message once for each call."""

import os
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.faults.notice import Notice


class Notices:
    """Publishes. Raises: what `adapters.aws` translates to."""

    def __init__(self, sns: Any, topic: str) -> None:
        self._sns, self._topic = sns, topic

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the topic in NOTICE_TOPIC_ARN; empty or not there for none."""
        return cls(client("sns"), os.environ.get("NOTICE_TOPIC_ARN", ""))

    def publish(self, notice: Notice) -> bool:
        """Tell people; False where the stack has no topic."""
        if not self._topic:
            return False
        with translated("publish a notice"):
            self._sns.publish(TopicArn=self._topic, Subject=notice.subject, Message=notice.body)
        return True
