"""What `receive_signals` and `detect_faults` get instead of AWS: one group with its instances, and a queue of messages.

The incidents are the real adapter over moto's DynamoDB.
"""

# ruff: noqa: D102 - a fake's methods are described where the adapter stands

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gpuops.adapters.incidents import Incidents
from gpuops.adapters.memory import Memory
from gpuops.adapters.table import Table
from gpuops.domain.faults.place import Place
from gpuops.domain.policy import Policy, parse_policy
from gpuops.domain.rotation.lock import Execution
from tests.fakes.events import INSTANCE, NODE

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:gpuops-remediate-gpu"
REBALANCER = "arn:aws:states:us-east-1:123456789012:stateMachine:gpuops-rebalance-slicing"
SENT = datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC)


@dataclass
class World:
    """The adapters by name, each this object itself where one method is all there is."""

    table: Table
    policy: str = "groups:\n- {cluster: demo, group: gpu, mode: apply}\n"
    found: list[Place] = field(default_factory=lambda: [Place(INSTANCE, NODE, "gpu")])
    executions_known: dict[str, Execution] = field(default_factory=dict)
    """By name; what is started here runs."""
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    rings: list[tuple[dict[str, Any], list[dict[str, Any]]]] = field(default_factory=list)
    broken: Exception | None = None

    policies = places = executions = quarantine = alarms = property(lambda self: self)

    @property
    def incidents(self) -> Incidents:
        return Incidents(self.table)

    @property
    def memory(self) -> Memory:
        return Memory(self.table)

    def latest(self) -> Policy:
        if self.broken:
            raise self.broken
        return parse_policy(self.policy, "v1")

    def of_instance(self, instance: str) -> Place | None:
        return next((place for place in self.found if place.instance == instance), None)

    def of_node(self, node: str) -> Place | None:
        return next((place for place in self.found if place.node == node), None)

    def in_reservation(self, reservation: str) -> list[Place]:
        return self.found if reservation.startswith("cr-") else []

    def ringing(self, names: Iterable[str]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        wanted = set(names)
        return [one for one in self.rings if one[0]["AlarmName"] in wanted]

    def of_machine(self, machine: str, name: str) -> Execution:
        assert machine == MACHINE
        return self.executions_known.get(name, Execution(running=False))

    def start(self, machine: str, name: str, given: str) -> bool:
        assert machine == (MACHINE if "fault" in json.loads(given) else REBALANCER)
        if name in self.executions_known:
            return False
        self.executions_known[name] = Execution(running=True)
        self.started.append((name, json.loads(given)))
        return True

    def keep(self, body: str, reason: str) -> None:
        self.kept.append((body, reason))


def batch(*events: Any, sent: datetime = SENT) -> dict[str, Any]:
    """Return a batch as Lambda hands it over; a text is a body as it is."""
    bodies = [event if isinstance(event, str) else json.dumps(event) for event in events]
    stamp = str(int(sent.timestamp() * 1000))
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"SentTimestamp": stamp, "ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:signals",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }
