"""What EC2 and AWS Health say about single instances: interruptions with their times, and planned maintenance.

Shapes: Amazon EC2 User Guide ("Spot Instance interruption notices", "EC2 instance rebalance recommendations", "Monitor
Capacity Blocks using EventBridge", "Monitor interruptible Capacity Reservations"), AWS Health User Guide. Documentation
spells the zone's key and two detail-types in two ways each; nothing here depends on either.
"""

from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field

from gpuops.domain.faults.fault import GpuFault, lines
from gpuops.signals.signal import Detail, Envelope, Signal

SPOT = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
RESERVATION = "Capacity Reservation Instance Interruption Warning"
BLOCK = "Capacity Block"
HEALTH = "AWS Health Event"
NOTICE = timedelta(minutes=2)
"""From a Spot warning, or a reservation's, to the instance's end."""
BLOCK_NOTICE = timedelta(minutes=10)
"""From a Capacity Block's expiry warning until its instances begin to be terminated."""
INSTANCE = r"^i-[0-9a-f]{8,17}$"
InstanceId = Annotated[str, Field(pattern=INSTANCE)]


def _http_date(value: Any) -> Any:
    """Health writes `Sat, 05 Jun 2016 15:10:09 GMT`; a date without a zone is UTC."""
    if not isinstance(value, str) or "," not in value:
        return value
    found = parsedate_to_datetime(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Date = Annotated[AwareDatetime, BeforeValidator(_http_date)]


class Interruption(Detail):
    """An instance that AWS takes, or may take."""

    instance: Annotated[InstanceId, Field(alias="instance-id")]
    action: str = Field(alias="instance-action", default="")
    ends: AwareDatetime | None = Field(alias="instance-termination-time", default=None)
    lifecycle: str = Field(alias="instance-lifecycle", default="")


class Block(Detail):
    """A Capacity Block: which of our instances run in it, the event does not say."""

    reservation: str = Field(alias="capacity-reservation-id", min_length=1, max_length=100)
    ends: AwareDatetime | None = Field(alias="end-date", default=None)


class Entity(Detail):
    """Something that a Health event is about."""

    value: str = Field(alias="entityValue", default="")


class Health(Detail):
    """A Health event."""

    service: str
    code: str = Field(alias="eventTypeCode", default="")
    category: str = Field(alias="eventTypeCategory", default="")
    starts: Date | None = Field(alias="startTime", default=None)
    entities: tuple[Entity, ...] = Field(alias="affectedEntities", default=())


def read_interruption(event: Envelope, detail: Any) -> Signal:
    """A Spot or reserved instance that AWS takes, or recommends to leave. Raises: ValidationError."""
    found = Interruption.model_validate(detail)
    advice = event.detail_type == REBALANCE
    fault = GpuFault(
        instance=found.instance,
        kind="rebalance" if advice else "interruption",
        evidence=lines(event.detail_type, f"{found.action} {found.lifecycle}"),
        first_seen=event.time,
        deadline=None if advice else found.ends or event.time + NOTICE,
    )
    return _signal(event, "fault", f"{found.instance}: {event.detail_type}", (fault,))


def read_block(event: Envelope, detail: Any) -> Signal:
    """A Capacity Block that begins or ends: its instances are looked up by the reservation. Raises: ValidationError."""
    found = Block.model_validate(detail)
    if "Expiration" not in event.detail_type:
        return _signal(event, "ignored", f"{found.reservation}: {event.detail_type}")
    goes = event.time + BLOCK_NOTICE
    reason = f"{found.reservation} ends; its instances go from {goes.isoformat()} on"
    return _signal(event, "ask", reason).model_copy(update={"ask": (found.reservation,), "deadline": goes})


def block_fault(signal: Signal, instance: str) -> GpuFault:
    """Return what the end of its Capacity Block means for one of the block's instances."""
    evidence = lines(signal.detail_type, signal.reason)
    return GpuFault(
        instance=instance, kind="interruption", evidence=evidence, first_seen=signal.at, deadline=signal.deadline
    )


def read_health(event: Envelope, detail: Any) -> Signal:
    """Planned maintenance of instances; `resources` are bare instance ids. Raises: ValidationError."""
    found = Health.model_validate(detail)
    if (found.service, found.category) != ("EC2", "scheduledChange"):
        return _signal(event, "ignored", f"{found.service} {found.category}: no scheduled change of an instance")
    named = [*event.resources, *(entity.value for entity in found.entities)]
    instances = dict.fromkeys(name for name in named if name.startswith("i-"))
    faults = tuple(
        GpuFault(
            instance=instance[:20],
            kind="maintenance",
            evidence=lines(found.code),
            first_seen=event.time,
            deadline=found.starts,
        )
        for instance in list(instances)[:100]
    )
    return _signal(event, "fault" if faults else "ignored", found.code or event.detail_type, faults)


def _signal(event: Envelope, state: Any, reason: str, faults: tuple[GpuFault, ...] = ()) -> Signal:
    return Signal(
        source=event.source, detail_type=event.detail_type, at=event.time, state=state, reason=reason, faults=faults
    )
