"""From an event to its signal: a table of what we know, and one clear refusal of everything else.

An event that is ours to know but has another shape than AWS documents is `Invalid` and goes to quarantine: nobody acts
on half of an event. An event of another kind is `ignored`, with its name.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from gpuops.domain.errors import Invalid
from gpuops.signals.alarms import CHANGE, CONTRIBUTOR, read_alarm
from gpuops.signals.instances import (
    BLOCK,
    HEALTH,
    REBALANCE,
    RESERVATION,
    SPOT,
    read_block,
    read_health,
    read_interruption,
)
from gpuops.signals.signal import Envelope, Signal

Reader = Callable[[Envelope, Any], Signal]
Named = Callable[[str], bool]


def _is(*names: str) -> Named:
    return lambda name: name in names


READERS: tuple[tuple[str, Named, Reader], ...] = (
    ("aws.cloudwatch", _is(CHANGE, CONTRIBUTOR), read_alarm),
    ("aws.ec2", _is(SPOT, REBALANCE), read_interruption),
    ("aws.ec2", lambda name: name.endswith(RESERVATION), read_interruption),
    ("aws.ec2", lambda name: name.startswith(BLOCK), read_block),
    ("aws.health", _is(HEALTH), read_health),
)
"""Source, which of its events, and who reads them. One more kind is one more row, and its model."""


def parse_signal(text: str) -> Signal:
    """Return what the event in a message comes to. Raises: Invalid for what is no JSON, or as `read_signal`."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"no JSON: {error}") from error
    return read_signal(event)


def read_signal(event: Any) -> Signal:
    """Return what the event comes to. Raises: Invalid naming each field that does not fit."""
    try:
        envelope = Envelope.model_validate(event)
        reader = next(_readers(envelope), None)
        if reader is None:
            reason = f"{envelope.source}: {envelope.detail_type}: nothing about the health of a GPU node"
            known = {"source": envelope.source, "detail_type": envelope.detail_type, "at": envelope.time}
            return Signal(**known, state="ignored", reason=reason[:300])
        return reader(envelope, envelope.detail)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'event'}: {fault['msg']}" for fault in error.errors()[:5])
        raise Invalid("; ".join(faults)[:1000]) from error


def _readers(event: Envelope) -> Iterator[Reader]:
    return (reader for source, named, reader in READERS if event.source == source and named(event.detail_type))
