"""EC2 Image Builder, as far as pipelines and the images that they built: moto has none of it.

A build that is done is announced on the bus, without its AMI's id, and listed from then on. Answers
ListImagePipelineImages and GetImage. Leaves out: recipes, running a pipeline, every state before AVAILABLE, images in
other regions, lifecycle policies, containers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.region.fleet_ports import ACCOUNT, REGION, Emit, Timers, stamp
from rehearsal.scenario import Release

ARN = f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}"
PAGE = 25
Answer = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Built:
    """One image of one pipeline."""

    release: Release
    at: str

    @property
    def arn(self) -> str:
        """Of the image's build version; `release` is `1.0.0/1`."""
        return f"{ARN}:image/{self.release.pipeline}/{self.release.release}"

    @property
    def pipeline(self) -> str:
        """ARN of the pipeline."""
        return f"{ARN}:image-pipeline/{self.release.pipeline}"


class ImageBuilder:
    """Knows what was built; speaks REST with JSON, as botocore's model of the service says."""

    def __init__(self, timers: Timers, emit: Emit) -> None:
        self._timers, self._emit = timers, emit
        self._built: list[Built] = []

    def build(self, release: Release, *, tell: bool) -> None:
        """The pipeline has built an image."""
        built = Built(release, stamp(self._timers))
        self._built.append(built)
        if tell:
            detail = {"previous-state": {"status": "TESTING"}, "state": {"status": "AVAILABLE"}}
            self._emit("aws.imagebuilder", "EC2 Image Builder Image State Change", detail, [built.arn])

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        """One call."""
        if (method, path) == ("POST", "/ListImagePipelineImages"):
            return self._list(json.loads(body or b"{}"))
        if (method, path) == ("GET", "/GetImage"):
            return self._get(query.get("imageBuildVersionArn", ""))
        return 400, {"__type": "InvalidRequestException", "message": f"{method} {path} is not part of the rehearsal"}

    def _list(self, asked: Mapping[str, Any]) -> Answer:
        """The pipeline's images, in no order that anybody promises: here the oldest first."""
        found = [built for built in self._built if built.pipeline == asked.get("imagePipelineArn")]
        if not found:
            return 404, {"__type": "ResourceNotFoundException", "message": "The resource does not exist."}
        start, size = int(asked.get("nextToken") or 0), int(asked.get("maxResults") or PAGE)
        page, end = found[start : start + size], start + size
        more = {"nextToken": str(end)} if end < len(found) else {}
        return 200, {"requestId": "r", "imageSummaryList": [_described(built) for built in page], **more}

    def _get(self, arn: str) -> Answer:
        built = next((built for built in self._built if built.arn == arn), None)
        if built is None:
            return 404, {"__type": "ResourceNotFoundException", "message": "The resource does not exist."}
        source = {"sourcePipelineArn": built.pipeline, "sourcePipelineName": built.release.pipeline}
        return 200, {"requestId": "r", "image": {**_described(built), **source}}


def _described(built: Built) -> dict[str, Any]:
    """What a list and a look at one image have in common."""
    ami = {"region": REGION, "accountId": ACCOUNT, "image": built.release.ami, "state": {"status": "AVAILABLE"}}
    return {
        "arn": built.arn,
        "name": built.release.pipeline,
        "type": "AMI",
        "version": built.release.release,
        "platform": "Linux",
        "state": {"status": "AVAILABLE"},
        "dateCreated": built.at,
        "outputResources": {"amis": [ami]},
    }
