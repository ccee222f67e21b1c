"""Read a batch of events from the queue of signals, and have each fault in them answered by one execution a node.

An alarm about the load of a pool has the pools of its cluster measured, once a minute however many ring.

What is no event of a known shape goes to the quarantine queue with its reason: trying it again would not help. What
fails otherwise stays in the queue, which hands it out again, and puts it into quarantine itself after some attempts.
The time of a message is that at which it was sent.

In:  {"Records": [<message of SQS whose body is EventBridge's envelope>]}
Out: {"batchItemFailures": [{"itemIdentifier": <message id>}], "status": "received", "reason"}
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict, Invalid
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.keys import label_of
from gpuops.domain.policy import Policy
from gpuops.entry import entry, logger, measure
from gpuops.incidents import locate, tell
from gpuops.signals.asked import asked_faults
from gpuops.signals.instances import block_fault
from gpuops.signals.read import parse_signal
from gpuops.signals.signal import Signal

QUARANTINED = "SignalsQuarantined"
"""A metric that the template's dashboard shows; the alarm watches the queue itself."""


class Attributes(BaseModel):
    """What SQS says of a message."""

    sent_ms: int = Field(alias="SentTimestamp", default=0)
    """Milliseconds since 1970."""


class Message(BaseModel):
    """One message; Powertools' own reader of batches takes 0.1 s to import, of the two that a cordon has."""

    id: str = Field(alias="messageId")
    body: str
    attributes: Attributes = Attributes()

    @property
    def sent(self) -> datetime:
        """When it was sent."""
        return datetime.fromtimestamp(self.attributes.sent_ms / 1000, UTC)


class Batch(BaseModel):
    """What Lambda hands over."""

    records: tuple[Message, ...] = Field(alias="Records", max_length=100)


class Received(BaseModel):
    """What Lambda deletes is what is not named here."""

    model_config = ConfigDict(serialize_by_alias=True)

    failures: tuple[dict[str, str], ...] = Field(serialization_alias="batchItemFailures")
    status: Literal["received"] = "received"
    reason: str


@entry(Batch)
def handler(request: Batch, now: datetime) -> Received:
    """Receive; a message that comes twice is answered by what its first coming started."""
    del now  # each message has its own
    return receive(request, World())


def receive(request: Batch, world: World) -> Received:
    """Read every message, whatever becomes of the others."""
    receiver = Receiver(world)
    failures = tuple({"itemIdentifier": message.id} for message in request.records if not receiver.receive(message))
    reason = ", ".join(f"{count} {what}" for what, count in sorted(receiver.became.items()))
    return Received(failures=failures, reason=reason or "nothing")


class Receiver:
    """One batch; the policy is read at its first fault, since most alarms of an account are none of ours."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.became: Counter[str] = Counter()

    @cached_property
    def _policy(self) -> Policy:
        return self._world.policies.latest()

    def receive(self, message: Message) -> bool:
        """Handle one message; False where it is to stay in the queue, after a line that says why."""
        try:
            self._read(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other messages are handled
            logger.warning("signal kept in the queue", extra={"message_id": message.id, "why": repr(error)})
            self.became["failed"] += 1
            return False
        return True

    def _read(self, message: Message) -> None:
        try:
            signal = parse_signal(message.body)
        except Invalid as error:
            self._world.quarantine.keep(message.body, str(error))
            measure(QUARANTINED, 1)
            return self._note("quarantined", str(error))
        if signal.state == "recovered":
            return self._quiet(signal)
        if signal.state == "rebalance":
            return self._rebalance(signal, message.sent)
        faults = list(self._faults(signal, message.sent))
        for fault in faults:
            told = self._tell(fault, signal.source_of_faults, message.sent)
            self._note(told[0], told[1])
        return None if faults else self._note(signal.state, signal.reason)

    def _faults(self, signal: Signal, now: datetime) -> Iterator[GpuFault]:
        """The faults to act on: the signal's own, or those of what it names."""
        if signal.state == "fault":
            yield from signal.faults
        elif signal.state == "ask" and signal.alarm:
            for raw, contributors in self._world.alarms.ringing(signal.ask):
                yield from asked_faults(raw, contributors, now)
        elif signal.state == "ask":
            for place in (place for name in signal.ask for place in self._world.places.in_reservation(name)):
                yield block_fault(signal, place.instance)

    def _tell(self, fault: GpuFault, source: str, now: datetime) -> tuple[str, str]:
        """Twice at most: who was overtaken by another signal joins it."""
        try:
            told = tell(fault, source, now, self._policy, self._world)
        except Conflict:
            told = tell(fault, source, now, self._policy, self._world)
        return told.status, told.reason

    def _quiet(self, signal: Signal) -> None:
        """Tell a repair that its alarm is OK again: it may return the node early, once that is validated."""
        for fault in signal.faults:
            place = locate(fault, self._world)
            if place is not None and self._world.incidents.quiet(place.instance, signal.source_of_faults, signal.at):
                return self._note("recovered", f"{signal.alarm} on {place.instance}")
        return self._note("ignored", f"{signal.reason}: {signal.alarm}: nothing waits for that")

    def _rebalance(self, signal: Signal, now: datetime) -> None:
        """Start one execution a minute and cluster; its name begins with the minute, since children shorten it."""
        group = next((one for one in self._policy.groups if one.group == signal.group), None)
        if group is None or group.rebalance is None:
            why = f"alarm {signal.alarm}: no group {signal.group} of the policy has `rebalance`"
            return self._note("elsewhere", why)
        machine, name = os.environ["REBALANCE_SLICING_MACHINE_ARN"], f"{now:%Y%m%dT%H%M}-{label_of(group.cluster)}"
        started = self._world.executions.start(machine, name, json.dumps({"cluster": group.cluster}))
        return self._note("started" if started else "joined", f"{name}: alarm {signal.alarm}: {signal.reason}")

    def _note(self, became: str, reason: str) -> None:
        """Say what became of it; whoever looks for a signal finds it in the log by its alarm or instance."""
        self.became[became] += 1
        logger.info("signal", extra={"became": became, "why": reason})
