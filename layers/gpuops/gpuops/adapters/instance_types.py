"""Instance types as EC2 describes them: GPUs, memory, vCPUs, architecture."""

from collections.abc import Iterable
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.drivers.kinds import GpuType, read_type

TYPES_AT_ONCE = 100
"""EC2's limit for one call."""


class InstanceTypes:
    """Reads descriptions. Raises, everywhere: what `adapters.aws` translates to."""

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ec2"))

    def describe(self, names: Iterable[str]) -> tuple[GpuType, ...]:
        """Return the types in the order of their names. Raises: Invalid for a name that EC2 does not know here."""
        wanted, found = sorted(set(names)), []
        for start in range(0, len(wanted), TYPES_AT_ONCE):
            batch = wanted[start : start + TYPES_AT_ONCE]
            with translated(f"describe instance types {', '.join(batch[:3])}"):
                found += self._ec2.describe_instance_types(InstanceTypes=batch)["InstanceTypes"]
        return tuple(sorted(map(read_type, found), key=lambda kind: kind.name))

    def with_gpus(self) -> tuple[GpuType, ...]:
        """Return every type of the region that has NVIDIA's GPUs."""
        with translated("describe instance types"):
            pages = self._ec2.get_paginator("describe_instance_types").paginate()
            found = [read_type(raw) for page in pages for raw in page["InstanceTypes"] if raw.get("GpuInfo")]
        return tuple(sorted((kind for kind in found if kind.gpu), key=lambda kind: kind.name))
