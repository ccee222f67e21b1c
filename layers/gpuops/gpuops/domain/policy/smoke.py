"""What fleet.yaml may say about the smoke of a group's nodes."""

from typing import Annotated

from pydantic import Field

from gpuops.domain.policy.parts import Image, Part


class Smoke(Part):
    """The proof that GPUs compute, and are shared as declared, run on each new node before it is admitted."""

    nvidia_smi: Image = "nvcr.io/nvidia/cuda:12.8.1-base-ubuntu24.04"
    """Image with a shell in which nvidia-smi lists the driver and the GPUs."""
    cuda_sample: Image = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"
    """Image whose own entry point runs a CUDA sample and prints `Test PASSED`."""
    timeout_seconds: Annotated[int, Field(ge=30, le=3600)] = 600
    """For each stage of the smoke; keep it below the heartbeat of the launch hook."""
    overlap: bool = True
    """Fill an empty node with pods that run at once, and count how often each GPU's UUID is seen."""
    memory_headroom_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 2048
    """On a node with tenants, only GPUs with so much free memory get a smoke pod."""
    diagnostic_level: Annotated[int, Field(ge=1, le=4)] | None = None
    """DCGM's diagnostic on the whole, empty node: 1 and 2 take minutes, 3 and 4 up to hours. Not given: none."""
    diagnostic: Image = "nvcr.io/nvidia/cloud-native/dcgm:4.5.3-1-ubuntu22.04"
    """Image that runs `dcgmi diag` with its own host engine."""
    diagnostic_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """How long the diagnostic may take."""
