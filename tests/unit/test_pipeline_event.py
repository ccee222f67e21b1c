"""What Image Builder tells: the event of an image that is available, and the newest image of a pipeline.

Covered: the envelope as EventBridge sends it; every other state, source and shape refused; the newest by date among
those that are available; the AMI of this region; none at all.
"""

from typing import Any

import pytest
from pydantic import ValidationError

from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.pipeline import ImageAvailable, newest_image
from gpuops.domain.rotation.target import Target

BUILDER = "arn:aws:imagebuilder:us-east-1:123456789012"
IMAGE = f"{BUILDER}:image/golden/1.0.1/1"
EVENT: dict[str, Any] = {
    "version": "0",
    "id": "0f0f0f0f-0000-0000-0000-000000000001",
    "detail-type": "EC2 Image Builder Image State Change",
    "source": "aws.imagebuilder",
    "account": "123456789012",
    "time": "2026-11-23T10:00:00Z",
    "region": "us-east-1",
    "resources": [IMAGE],
    "detail": {"previous-state": {"status": "TESTING"}, "state": {"status": "AVAILABLE"}},
}


def test_the_event_names_an_image_and_no_ami() -> None:
    """Its one resource is the build version."""
    assert ImageAvailable.model_validate(EVENT).image == IMAGE


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "aws.ec2"},
        {"detail-type": "EC2 Image Builder CVE Detected"},
        {"resources": []},
        {"resources": [IMAGE, IMAGE]},
        {"resources": [f"{BUILDER}:image-pipeline/golden"]},
        {"detail": {"previous-state": {"status": "TESTING"}, "state": {"status": "FAILED"}}},
        {"detail": {"state": {"status": "AVAILABLE"}}},
        {"detail": {"previous-state": {"status": "TESTING"}, "state": {"status": "AVAILABLE"}, "ami": "ami-1"}},
    ],
)
def test_anything_else_is_refused(changed: dict[str, Any]) -> None:
    """The rule passes nothing else on; whoever sends it by hand is told."""
    with pytest.raises(ValidationError):
        ImageAvailable.model_validate(EVENT | changed)


def built(version: str, day: int, status: str = "AVAILABLE", region: str = "us-east-1") -> dict[str, Any]:
    """One image of a list."""
    amis = [{"region": "eu-west-1", "image": "ami-eu"}, {"region": region, "image": f"ami-{day}"}]
    return {
        "arn": f"{BUILDER}:image/golden/{version}",
        "state": {"status": status},
        "dateCreated": f"2026-11-{day:02}T10:00:00Z",
        "outputResources": {"amis": amis},
    }


def test_the_newest_that_is_available_is_the_pipelines() -> None:
    """In whatever order they are listed; one that was deprecated, or still builds, does not count."""
    listed = [built("1.0.0/1", 1), built("1.0.0/3", 3), built("1.0.0/2", 2)]
    listed += [built("1.0.1/1", 4, "DEPRECATED"), built("1.0.1/2", 5, "BUILDING")]

    assert newest_image("golden", listed, "us-east-1") == Target(ami="ami-3", release="golden/1.0.0/3")


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ([], "pipeline golden has built no image that is available"),
        ([built("1.0.0/1", 1, "FAILED")], "has built no image that is available"),
        ([built("1.0.0/1", 1, region="us-west-2")], "image golden/1.0.0/1 of pipeline golden has no AMI in us-east-1"),
    ],
)
def test_a_pipeline_without_an_image_here_is_bad_input(listed: list[dict[str, Any]], says: str) -> None:
    """With what to do about it."""
    with pytest.raises(Invalid, match=says):
        newest_image("golden", listed, "us-east-1")
