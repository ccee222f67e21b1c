"""`gpuops bench scrape` reads every GPU of every node, and says when it did not."""

from bench.scrape import LIMIT_MIB, LIMIT_SECONDS, scrape
from tests.fakes.stack import template


def test_every_gpu_of_every_node_is_read() -> None:
    """Three nodes of two GPUs; whether the limits hold is said of the whole process, which here is the tests' own."""
    measured = scrape(nodes=3, gpus=2, milliseconds=1)
    within = measured["seconds"] <= LIMIT_SECONDS and measured["peak_mib"] <= LIMIT_MIB
    assert (measured["nodes"], measured["gpus"], measured["met"]) == (3, 6, within)
    assert measured["cpu_seconds"] > 0
    assert measured["peak_mib"] > 10
    assert measured["bytes_per_node"] > 10_000


def test_the_limits_are_the_functions_own() -> None:
    """What the bench allows, plan_slicing has, and time to plan besides."""
    function = template()["Resources"]["PlanSlicingFunction"]["Properties"]
    assert function["MemorySize"] == LIMIT_MIB
    assert function["Timeout"] >= 2 * LIMIT_SECONDS
