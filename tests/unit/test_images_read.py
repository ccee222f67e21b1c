"""What workloads need, read from their images where their pods say nothing, and the gate on what cannot be read.

Covered: what pods say is never asked of a registry, digests before tags, notes by digest and architecture, none without
a run, hosts that fall silent, refusals, names that are none, how many images at most, what holds and what does not.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.drivers.images import ImageRef
from gpuops.domain.drivers.workloads import Need, Unread, Use
from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.domain.policy import Cuda
from gpuops.domain.rotation.fact_gates import first_refusal
from gpuops.domain.rotation.facts import UNKNOWN, sight_of
from gpuops.images_read import MAX_IMAGES, read_needs
from tests.fakes.facts import FACTS, GROUP
from tests.fakes.steps import old_world

DIGEST = "registry.example/chat@sha256:" + "a" * 64
CHAT = Use("default/chat", "registry.example/chat:1")
REQUIRES = {"NVIDIA_REQUIRE_CUDA": "cuda>=12.8"}


@pytest.fixture
def world() -> Iterator[Any]:
    """Registries that know one image which requires something."""
    with mock_aws():
        made = old_world()
        made.images_say = {"registry.example/chat": REQUIRES}
        yield made


def test_what_a_pod_says_is_not_asked_of_its_registry(world: Any) -> None:
    """Neither what needs nothing."""
    said = replace(CHAT, told=("cuda>=13.0",), source="environment")

    needs, unread = read_needs([said, replace(said, told=())], "x86_64", world, remember=True)

    assert (needs, unread) == ((Need("default/chat", CHAT.image, "environment", ("cuda>=13.0",)),), ())
    assert world.pulled == []


def test_what_an_image_says_counts_for_every_workload_of_it(world: Any) -> None:
    """It is read once."""
    other = replace(CHAT, workload="default/other")

    needs, _ = read_needs([CHAT, other], "x86_64", world, remember=True)

    assert [(need.workload, need.source, need.requires) for need in needs] == [
        ("default/chat", "image", ("cuda>=12.8",)),
        ("default/other", "image", ("cuda>=12.8",)),
    ]
    assert world.pulled == [ImageRef("registry.example", "chat", "1")]


def test_a_digest_is_read_once_for_all_plans_and_each_architecture(world: Any) -> None:
    """A tag is read again; a plan without a run notes nothing."""
    by_digest = replace(CHAT, digest=DIGEST)
    for architecture, remember in (("x86_64", False), ("x86_64", True), ("x86_64", True), ("arm64", True)):
        needs, _ = read_needs([by_digest], architecture, world, remember=remember)
        assert needs[0].requires == ("cuda>=12.8",)
    assert [image.digest for image in world.pulled] == [DIGEST.partition("@")[2]] * 3

    world.pulled.clear()
    for _ in range(2):
        read_needs([CHAT], "x86_64", world, remember=True)
    assert len(world.pulled) == 2


def test_a_registry_that_falls_silent_is_asked_once(world: Any) -> None:
    """One that refuses an image may give the next one; another host is not concerned."""
    world.images_say = {
        "down.example/a": Unavailable("down.example does not answer"),
        "shut.example/a": Refused("shut.example asks for credentials"),
        "shut.example/b": Invalid("shut.example: HTTP 404"),
    }
    names = ["down.example/a", "down.example/b", "shut.example/a", "shut.example/b", "shut.example/c", "not an image"]

    needs, unread = read_needs([Use(f"default/{n}", n) for n in names], "x86_64", world, remember=True)

    assert needs == ()
    assert [(one.image, one.why) for one in unread] == [
        ("down.example/a", "down.example does not answer"),
        ("down.example/b", "down.example does not answer"),
        ("shut.example/a", "shut.example asks for credentials"),
        ("shut.example/b", "shut.example: HTTP 404"),
        ("not an image", "'not an image' names no image in a registry"),
    ]
    assert sorted(f"{image.host}/{image.repository}" for image in world.pulled) == [
        "down.example/a", "shut.example/a", "shut.example/b", "shut.example/c",
    ]  # fmt: skip


def test_a_plan_reads_so_many_images_at_most(world: Any) -> None:
    """Whatever is beyond them is not known, and says so."""
    uses = [Use(f"default/{n}", f"registry.example/i{n}") for n in range(MAX_IMAGES + 2)]

    _, unread = read_needs(uses, "x86_64", world, remember=True)

    assert len(world.pulled) == MAX_IMAGES
    assert [one.why for one in unread] == [f"a plan reads {MAX_IMAGES} images at most"] * 2


def test_what_cannot_be_read_holds_until_somebody_says_what_it_needs() -> None:
    """A floor speaks for it; without a driver there is nothing to judge yet."""
    facts = replace(FACTS, unread=(Unread("default/chat", CHAT.image, "it is private"), Unread("a/b", "c", "d")))
    closed = first_refusal(facts, GROUP)
    floor = GROUP.model_copy(update={"cuda": Cuda(floor="12.8")})

    assert closed is not None
    assert (closed.never, closed.until) == (False, None)
    assert closed.reason.startswith(
        "what default/chat (and 1 more) needs cannot be read from registry.example/chat:1: it is private; annotate"
    )
    assert first_refusal(facts, floor) is None
    assert first_refusal(replace(facts, driver=UNKNOWN), GROUP) is None
    assert sight_of(facts).needs == ("default/chat: unknown (it is private)", "a/b: unknown (d)")
