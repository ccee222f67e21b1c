"""Pipelines of EC2 Image Builder: which image is their newest, and of which one an image is."""

from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.rotation.pipeline import newest_image
from gpuops.domain.rotation.target import Target


class Pipelines:
    """Reads images; writes nothing. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, imagebuilder: Any) -> None:
        self._imagebuilder = imagebuilder

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("imagebuilder"))

    def newest(self, pipeline: str) -> Target:
        """Return the newest available image's AMI here. Raises: Invalid when there is none, or no such pipeline."""
        with translated(f"list images of {pipeline}"):
            pages = self._imagebuilder.get_paginator("list_image_pipeline_images").paginate(imagePipelineArn=pipeline)
            summaries = [summary for page in pages for summary in page["imageSummaryList"]]
        return newest_image(pipeline, summaries, str(self._imagebuilder.meta.region_name))

    def pipeline_of(self, image: str) -> str | None:
        """Return the ARN of the pipeline that built the image; None for one that was built without."""
        with translated(f"get image {image}"):
            found = self._imagebuilder.get_image(imageBuildVersionArn=image)["image"]
        pipeline = found.get("sourcePipelineArn")
        return str(pipeline) if pipeline else None
