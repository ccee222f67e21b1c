"""What every piece of the policy is made of: narrow types, and names that policy and cluster share."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.domain.keys import SYSTEM_NAMESPACE

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s/]+$")]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
ConfigMap = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}$")]
Image = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,499}$")]
ConfigKey = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
DeployLabel = Annotated[str, Field(pattern=r"^nvidia\.com/gpu\.deploy\.[a-z0-9-]{1,40}$")]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")]
PipelineArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:imagebuilder:[a-z0-9-]+:\d{12}:image-pipeline/[a-z0-9_-]+$")
]
Architecture = Literal["x86_64", "arm64"]

EXCLUSIVE = "exclusive"
RUNGS = {f"r{replicas}": replicas for replicas in (2, 3, 4, 6, 8)}
"""Keys of the device plugin's configurations, and the shares of a GPU that each declares."""
OUR_CONFIG_MAP = f"{SYSTEM_NAMESPACE}/gpuops-device-plugin"


class Part(BaseModel):
    """A piece of the policy: never changed after parsing, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
