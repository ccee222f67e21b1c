"""What an instance type has: cores, memory, room for pods, GPUs.

The numbers are those that the simulated EC2 answers to DescribeInstanceTypes, so that both tell one story.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from moto.ec2.models.instance_types import INSTANCE_TYPES

PRODUCTS: Final = {
    "T4": "Tesla T4",
    "T4g": "NVIDIA T4G",
    "V100": "Tesla V100-SXM2-32GB",
    "A100": "NVIDIA A100-SXM4-40GB",
    "H100": "NVIDIA H100 80GB HBM3",
    "RTX PRO Server 6000": "NVIDIA RTX PRO 6000 Blackwell Server Edition",
}
"""The driver's names where they are not NVIDIA + EC2's name."""
RESERVED_CORES: Final = 0.08
FIRMWARE_MIB: Final = 330
EVICTION_MIB: Final = 100


@dataclass(frozen=True)
class Hardware:
    """One instance type."""

    instance_type: str
    architecture: str
    cores: int
    memory_mib: int
    pods: int
    gpus: int
    gpu_product: str
    gpu_memory_mib: int

    @property
    def capacity(self) -> dict[str, str]:
        """What the kubelet finds."""
        return {"cpu": str(self.cores), "memory": f"{self.memory_mib - FIRMWARE_MIB}Mi", "pods": str(self.pods)}

    @property
    def allocatable(self) -> dict[str, str]:
        """What is left for pods: nodeadm reserves 255 MiB + 11 MiB for each pod, and a little CPU."""
        memory = self.memory_mib - FIRMWARE_MIB - EVICTION_MIB - 255 - 11 * self.pods
        return {"cpu": f"{int((self.cores - RESERVED_CORES) * 1000)}m", "memory": f"{memory}Mi", "pods": str(self.pods)}


@cache
def hardware_of(instance_type: str) -> Hardware:
    """Look an instance type up.

    Raises: KeyError for one that EC2 does not have.
    """
    facts = INSTANCE_TYPES[instance_type]
    gpus = (facts.get("GpuInfo") or {}).get("Gpus") or [{}]
    return Hardware(
        instance_type=instance_type,
        architecture={"x86_64": "amd64", "arm64": "arm64"}[facts["ProcessorInfo"]["SupportedArchitectures"][-1]],
        cores=facts["VCpuInfo"]["DefaultVCpus"],
        memory_mib=facts["MemoryInfo"]["SizeInMiB"],
        pods=_pods(facts),
        gpus=gpus[0].get("Count", 0),
        gpu_product=PRODUCTS.get(name := gpus[0].get("Name", ""), f"NVIDIA {name}"),
        gpu_memory_mib=gpus[0].get("MemoryInfo", {}).get("SizeInMiB", 0),
    )


def _pods(facts: Any) -> int:
    """As many pods as the VPC network gives addresses to, as nodeadm computes it."""
    network = facts["NetworkInfo"]
    return int(network["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2)
