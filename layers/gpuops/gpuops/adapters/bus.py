"""Our own events on the bus, because AWS publishes none for a new EKS AMI (containers-roadmap #734)."""

import json
import os
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.errors import Unavailable
from gpuops.domain.rotation.messages import RELEASE_DETECTED

SOURCE = "gpuops"


class Bus:
    """Writes events; delivery is at least once, so who listens must bear a repetition."""

    def __init__(self, events: Any, name: str) -> None:
        self._events, self._name = events, name

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the bus in EVENT_BUS_NAME."""
        return cls(client("events"), os.environ["EVENT_BUS_NAME"])

    def put_release(self, detail: dict[str, Any]) -> None:
        """Announce a release for one group. Raises: Unavailable when the bus did not take it."""
        entry = {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": RELEASE_DETECTED,
            "Detail": json.dumps(detail),
        }
        with translated("put event"):
            answer = self._events.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise Unavailable(f"put event: {answer['Entries'][0].get('ErrorMessage', 'not taken')}")
