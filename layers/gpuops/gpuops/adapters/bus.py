"""Our own events on the bus: AMI releases, and what only a person can mend.

AWS publishes no event for a new EKS AMI (containers-roadmap #734).
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.errors import Unavailable
from gpuops.domain.rotation.messages import RELEASE_DETECTED

SOURCE = "gpuops"
ESCALATION = "GPU Escalation"


class Bus:
    """Writes events; delivery is at least once, so who listens must bear a repetition."""

    def __init__(self, events: Any, name: str) -> None:
        self._events, self._name = events, name

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the bus in EVENT_BUS_NAME."""
        return cls(client("events"), os.environ["EVENT_BUS_NAME"])

    def put_release(self, detail: Mapping[str, Any]) -> None:
        """Announce a release for one group. Raises: Unavailable when the bus did not take it."""
        self._put(RELEASE_DETECTED, detail)

    def put_escalation(self, detail: Mapping[str, Any]) -> None:
        """Tell people what only they can mend: {cluster, group, instance, node, reason}. Raises: Unavailable."""
        self._put(ESCALATION, detail)

    def _put(self, kind: str, detail: Mapping[str, Any]) -> None:
        entry = {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": kind,
            "Detail": json.dumps(detail),
        }
        with translated("put event"):
            answer = self._events.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise Unavailable(f"put event: {answer['Entries'][0].get('ErrorMessage', 'not taken')}")
