"""A driver that nobody knew before: its first node tells it, and the gates are asked again before any other node goes.

Covered: a canary on which a workload could not run, one that is fine, one that tells nothing, a plan that knew the
driver, later looks, the look after the roll.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.drivers.workloads import Use
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, run
from tests.fakes.steps import launch, old_world, opened

JUDGE = load_app("judge_canary")
DRIVER = {"gpuops/driver": "580.173.02", "gpuops/cuda": "13.0"}
UNKNOWN = {"sees": {"source": "unknown"}}


@pytest.fixture
def world() -> Iterator[Any]:
    """An open change with one new node beside three old ones, and a workload that asks for CUDA 13.2."""
    with mock_aws():
        made = old_world()
        made.images_say = {"registry.example/chat": {"NVIDIA_REQUIRE_CUDA": "cuda>=13.2"}}
        made.uses = [Use("default/chat", "registry.example/chat:1")]
        yield made


def judged(world: Any, told: dict[str, str], **more: Any) -> Any:
    """Open the change, let a node join that tells this, and look at it."""
    change = opened(world)
    launch(world, 9)
    *others, newcomer = world.connected.all_nodes
    world.connected.all_nodes = [*others, replace(newcomer, annotations={**newcomer.annotations, **told})]
    request = {"run": run(), "change": change, "plan": UNKNOWN, **more}
    return JUDGE.judge(JUDGE.JudgeCanary.model_validate(request), NOW, world)


def test_a_canary_whose_driver_does_not_serve_a_workload_is_bad(world: Any) -> None:
    """However well it bakes; the release is condemned, and the reason names the workload."""
    verdict = judged(world, DRIVER)

    assert verdict.status == "bad"
    assert verdict.reason.startswith("default/chat (registry.example/chat:1, by its image) requires cuda>=13.2; ")
    assert verdict.reason.endswith("has driver 580.173.02 (CUDA 13.0)")


@pytest.mark.parametrize(
    ("told", "more"),
    [
        ({}, {}),
        ({"gpuops/driver": "595.45.04", "gpuops/cuda": "13.2"}, {}),
        (DRIVER, {"plan": {"sees": {"source": "catalogue"}}}),
        (DRIVER, {"judge": {"status": "baking", "reason": "", "since": NOW.isoformat()}}),
        (DRIVER, {"rolled": True}),
    ],
)
def test_any_other_look_goes_on_as_ever(world: Any, told: dict[str, str], more: dict[str, Any]) -> None:
    """Nothing told, a driver that serves, one that the plan knew, and every look but the first."""
    assert judged(world, told, **more).status in {"baking", "good"}
