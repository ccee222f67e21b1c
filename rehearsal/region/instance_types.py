"""Instance types that moto's table lacks, and how many instances of a type a zone still has.

moto 5.2.5 carries AWS's own answers for g4dn, g5, g6, p4d, p5 and m7i; only the p3 family has fallen out of it.
Leaves out: reservations, capacity blocks, spot pools and quotas; capacity is one number per zone and type.
"""

import copy
from collections.abc import Mapping

from moto.ec2.models.instance_types import INSTANCE_TYPES, InstanceType, InstanceTypeBackend

Capacity = Mapping[str, int] | str
"""Instances left by type, or "unlimited"; a type that is not named is not limited."""

_P3 = {  # GPUs, MiB of each, vCPUs, MiB of memory
    "p3.2xlarge": (1, 16384, 8, 62464),
    "p3.8xlarge": (4, 16384, 32, 249856),
    "p3.16xlarge": (8, 16384, 64, 499712),
    "p3dn.24xlarge": (8, 32768, 96, 786432),
}


def add_missing_types() -> None:
    """Let DescribeInstanceTypes know the p3 family: the rest of each entry is p4d's."""
    for name, (count, gpu_mib, cpus, memory_mib) in _P3.items():
        if name in INSTANCE_TYPES:
            continue
        entry = copy.deepcopy(INSTANCE_TYPES["p4d.24xlarge"])
        gpu = {"Count": count, "Manufacturer": "NVIDIA", "Name": "V100", "MemoryInfo": {"SizeInMiB": gpu_mib}}
        entry["InstanceType"] = name
        entry["GpuInfo"] = {"Gpus": [gpu], "TotalGpuMemoryInMiB": count * gpu_mib}
        entry["VCpuInfo"] = {"DefaultVCpus": cpus, "DefaultCores": cpus // 2, "DefaultThreadsPerCore": 2}
        entry["MemoryInfo"] = {"SizeInMiB": memory_mib}
        INSTANCE_TYPES[name] = entry
        InstanceTypeBackend.instance_types.append(InstanceType(name))


class Shelf:
    """What EC2 can still give out, by zone and type; an instance that ends goes back to where it came from."""

    def __init__(self, zones: Mapping[str, Capacity]) -> None:
        self._left = {zone: {} if isinstance(types, str) else dict(types) for zone, types in zones.items()}

    @property
    def zones(self) -> list[str]:
        """The zones, in the order in which they were given."""
        return list(self._left)

    def restock(self, zone: str, types: Mapping[str, int]) -> None:
        """Set what is left of some types."""
        self._left[zone].update(types)

    def take(self, zone: str, instance_type: str) -> bool:
        """One instance out of the zone; False when it has none left."""
        left = self._left[zone].get(instance_type)
        if left is None:
            return True
        if left <= 0:
            return False
        self._left[zone][instance_type] = left - 1
        return True

    def give_back(self, zone: str, instance_type: str) -> None:
        """The instance has ended."""
        if instance_type in self._left[zone]:
            self._left[zone][instance_type] += 1

    def elsewhere(self, zone: str, instance_type: str) -> list[str]:
        """The other zones that have one: AWS names them in its error."""
        return [other for other, left in self._left.items() if other != zone and left.get(instance_type, 1) > 0]
