"""What EC2 Image Builder tells: an image's event, and the newest image of a pipeline.

The event names a build version and no AMI (capture of AWS's own documentation): GetImage tells which pipeline it is of.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.target import Target

AVAILABLE = "AVAILABLE"
ImageArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:imagebuilder:[a-z0-9-]+:\d{12}:image/[a-z0-9_-]+/\d+\.\d+\.\d+/\d+$")
]


class State(BaseModel):
    """Where an image stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str
    reason: str = ""


class Available(BaseModel):
    """It stands where it can be launched from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["AVAILABLE"]


class Change(BaseModel):
    """From one state to another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    previous: State = Field(alias="previous-state")
    state: Available


class ImageAvailable(BaseModel):
    """EventBridge's envelope around the news that an image can be used."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: Literal["aws.imagebuilder"]
    kind: Literal["EC2 Image Builder Image State Change"] = Field(alias="detail-type")
    resources: Annotated[tuple[ImageArn, ...], Field(min_length=1, max_length=1)]
    detail: Change

    @property
    def image(self) -> str:
        """ARN of the build version."""
        return self.resources[0]


def newest_image(pipeline: str, summaries: Iterable[Mapping[str, Any]], region: str) -> Target:
    """Return the AMI of the newest image that is available, of ListImagePipelineImages' summaries.

    Raises: Invalid when there is none, or it is in another region only.
    """
    ready = [one for one in summaries if one.get("state", {}).get("status") == AVAILABLE]
    if not ready:
        raise Invalid(f"pipeline {pipeline} has built no image that is available")
    newest = max(ready, key=lambda one: str(one.get("dateCreated", "")))
    amis = newest.get("outputResources", {}).get("amis", ())
    ami = next((found["image"] for found in amis if found.get("region") == region), None)
    release = str(newest["arn"]).partition(":image/")[2]
    if ami is None:
        raise Invalid(f"image {release} of pipeline {pipeline} has no AMI in {region}: distribute it there")
    return Target(ami=str(ami), release=release)
