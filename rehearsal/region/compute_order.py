"""What is ordered of EC2: one instance, and why it may not be had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Order:
    """One instance to launch: `name` is unique for ever, the id is made from it."""

    name: str
    group: str
    zone: str
    instance_type: str
    image: str
    data: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def reservation(self) -> str:
        """The Capacity Reservation into which it is launched; empty for none."""
        target = self.data.get("CapacityReservationSpecification", {}).get("CapacityReservationTarget", {})
        return str(target.get("CapacityReservationId", ""))

    def unfilled(self, elsewhere: Sequence[str]) -> str:
        """What AWS says where the zone has no such instance; `elsewhere` are the zones that have."""
        other = f" or choosing {', '.join(elsewhere)}" if elsewhere else ""
        return (
            f"We currently do not have sufficient {self.instance_type} capacity in the Availability Zone you requested"
            f" ({self.zone}). Our system will be working on provisioning additional capacity. You can currently get"
            f" {self.instance_type} capacity by not specifying an Availability Zone in your request{other}."
        )


class NoCapacityError(Exception):
    """The zone has no such instance left; the message is the one that AWS shows in a scaling activity."""


class NoImageError(Exception):
    """The image id does not exist; the message is AWS's."""
