"""Whether more instances could be had: reservations, addresses of subnets, quotas. Nothing here is needed to roll.

So whatever may not be asked is simply not known: a role without one of these rights still chooses, and says less.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.quotas import quota_code
from gpuops.domain.rotation.strategy import Reservation


class Rooms:
    """Reads only. All methods raise Unavailable; what is refused, or not there, is None."""

    def __init__(self, ec2: Any, quotas: Any) -> None:
        self._ec2, self._quotas = ec2, quotas

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ec2"), client("service-quotas"))

    def reservation(self, data: Mapping[str, Any]) -> Reservation | None:
        """Return the one reservation into which a launch template's instances go, with its free places.

        None where it names none, or a group of them, or would fall back to others.
        """
        target = data.get("CapacityReservationSpecification", {}).get("CapacityReservationTarget", {})
        name = target.get("CapacityReservationId")
        if not name:
            return None
        try:
            with translated(f"describe capacity reservation {name}"):
                found = self._ec2.describe_capacity_reservations(CapacityReservationIds=[name])["CapacityReservations"]
        except (Refused, Invalid):
            return None
        if not found:
            return None
        active = found[0].get("State") == "active"
        return Reservation(
            id=name,
            free=int(found[0]["AvailableInstanceCount"]) if active else 0,
            block=found[0].get("ReservationType") == "capacity-block",
            active=active,
        )

    def addresses(self, subnets: Sequence[str]) -> int | None:
        """Return how many addresses the subnets have left together."""
        if not subnets:
            return None
        try:
            with translated(f"describe subnets {', '.join(subnets)}"):
                found = self._ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
        except (Refused, Invalid):
            return None
        return sum(int(subnet["AvailableIpAddressCount"]) for subnet in found)

    def vcpus(self, kind: str) -> int | None:
        """Return the vCPUs of an instance type."""
        try:
            with translated(f"describe instance type {kind}"):
                found = self._ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
        except (Refused, Invalid):
            return None
        return int(found[0]["VCpuInfo"]["DefaultVCpus"]) if found else None

    def quota(self, kind: str) -> int | None:
        """Return how many vCPUs of the type's family the account may run on demand; None for a family without GPUs."""
        code = quota_code(kind)
        if code is None:
            return None
        try:
            with translated(f"read quota {code}"):
                found = self._quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]
        except (Refused, Invalid):
            return None
        return int(found["Value"])
