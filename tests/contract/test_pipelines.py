"""Pipelines of Image Builder, read from the rehearsal's region; and what the region announces of them.

Covered: the newest image over several pages; which pipeline an image is of; what does not exist; the event.
"""

from typing import Any

import pytest

from gpuops.adapters.pipelines import Pipelines
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.pipeline import ImageAvailable
from gpuops.domain.rotation.target import Target
from rehearsal.region.imagebuilder import ARN, ImageBuilder
from rehearsal.scenario import Release
from tests.contract.conftest import World

GOLDEN = f"{ARN}:image-pipeline/golden"


class Told:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def emit(self, source: str, kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        """One event."""
        self.events.append({"source": source, "detail-type": kind, "detail": detail, "resources": resources})


@pytest.fixture
def told() -> Told:
    """Nothing yet."""
    return Told()


@pytest.fixture
def pipelines(world: World, told: Told) -> Pipelines:
    """A pipeline that has built thirty images, the last one a minute after the others."""
    builder = ImageBuilder(world.clock, told.emit)
    world.region.own["imagebuilder"] = builder.answer
    for number in range(1, 31):
        if number == 30:
            world.clock.sleep(60, "test")
        release = Release(release=f"1.0.0/{number}", ami=f"ami-0f1000000000000{number:02}", pipeline="golden")
        builder.build(release, tell=number == 30)
    return Pipelines(world.client("imagebuilder"))


def test_the_newest_image_is_found_over_all_pages(pipelines: Pipelines) -> None:
    """Twenty-five come at once."""
    assert pipelines.newest(GOLDEN) == Target(ami="ami-0f100000000000030", release="golden/1.0.0/30")


def test_an_image_tells_its_pipeline(pipelines: Pipelines, told: Told) -> None:
    """The event of the last one leads there."""
    assert [ImageAvailable.model_validate(event).image for event in told.events] == [f"{ARN}:image/golden/1.0.0/30"]
    assert pipelines.pipeline_of(f"{ARN}:image/golden/1.0.0/30") == GOLDEN


def test_what_does_not_exist_is_bad_input(pipelines: Pipelines) -> None:
    """In AWS's own words, with ours before them."""
    with pytest.raises(Invalid, match=r"list images of .*other: ResourceNotFoundException"):
        pipelines.newest(f"{ARN}:image-pipeline/other")
    with pytest.raises(Invalid, match=r"get image .*: ResourceNotFoundException"):
        pipelines.pipeline_of(f"{ARN}:image/golden/9.9.9/9")
