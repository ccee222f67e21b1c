"""What fleet.yaml may say about drivers and CUDA where nothing else tells it."""

from typing import Literal

from pydantic import Field

from gpuops.domain.drivers.versions import Dotted
from gpuops.domain.policy.parts import Part


class Cuda(Part):
    """What the group's workloads need of a driver, and what its AMIs carry, where nothing else tells it."""

    floor: Dotted | None = None
    """The newest CUDA toolkit that workloads of the group are built with, such as "12.8": a driver must run it."""
    compat_package: bool = False
    """Whether the images of these workloads carry cuda-compat: then forward compatibility counts for `floor`."""
    driver_floor: Dotted | None = None
    """The oldest driver that the group may roll to, such as "580.95"."""
    drivers: dict[str, Dotted] = Field(default_factory=dict, max_length=200)
    """Drivers by AMI id or release version, before everything that gpuops knows: for AMIs of your own."""
    unknown_driver: Literal["canary", "hold"] = "canary"
    """What becomes of an AMI whose driver nobody knows: its first nodes tell it, or the group holds."""
