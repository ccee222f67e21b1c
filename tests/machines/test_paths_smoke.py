"""smoke_node by every way: stage after stage started, waited for, judged; after any error its Jobs are removed."""

from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Unavailable
from tests.machines.happy import SMOKE
from tests.machines.machine_world import answers, fails, run

START = ["StartSmoke"]
READ = ["WaitForSmoke", "ReadSmoke", "Smoked?"]
CLEANED = ["ReadSmokeAndGiveUp", "SmokeFailed"]


def test_a_smoke_that_passes_answers_with_its_evidence() -> None:
    """The parent decides by the status, and the report shows the rest."""
    result = run("smoke_node", SMOKE, {"ReadSmoke": answers({"driver": "570.1", "uuids": ["GPU-1"]})})

    assert result.path == [*START, *READ, "SmokePassed"]
    assert result.output["status"] == "passed"
    assert (result.output["driver"], result.output["uuids"]) == ("570.1", ["GPU-1"])
    assert result.seconds == 10


def test_a_running_smoke_is_read_every_ten_seconds() -> None:
    """What start_smoke answered, its deadline above all, reaches every reading."""
    result = run("smoke_node", SMOKE, {"ReadSmoke": answers("running", "running", "passed")})

    assert result.path == [*START, *READ * 3, "SmokePassed"]
    assert result.seconds == 30
    assert all(payload["smoke"]["job"] == "smoke-1" for payload in result.called("ReadSmoke"))


def test_a_job_that_is_gone_too_early_is_started_again() -> None:
    """By the one function that may; the first start's deadline goes with it."""
    result = run("smoke_node", SMOKE, {"ReadSmoke": answers("gone", "passed")})

    assert result.path == [*START, *READ, *START, *READ, "SmokePassed"]
    assert result.called("StartSmoke")[1]["smoke"]["deadline"] == result.called("ReadSmoke")[0]["smoke"]["deadline"]


def test_a_stage_that_passed_is_followed_by_the_next_one() -> None:
    """start_smoke learns that from the verdict, and each reading knows what was proved before."""
    shot = {"stage": "device", "pods": 1, "timeout_seconds": 60}
    first, second = {"job": "a", "shot": shot}, {"job": "b", "shot": {**shot, "stage": "overlap"}}
    result = run("smoke_node", SMOKE, {"StartSmoke": answers(first, second), "ReadSmoke": answers("next", "passed")})

    assert result.path == [*START, *READ, *START, *READ, "SmokePassed"]
    assert result.called("StartSmoke")[1]["verdict"]["status"] == "next"
    assert [payload["smoke"]["job"] for payload in result.called("ReadSmoke")] == ["a", "b"]
    assert result.called("ReadSmoke")[1]["verdict"]["reason"] == "because next"


def test_a_long_stage_is_waited_for_without_compute() -> None:
    """Its start says how long each pause is."""
    result = run(
        "smoke_node", SMOKE, {"StartSmoke": answers({"wait_seconds": 300}), "ReadSmoke": answers("running", "passed")}
    )

    assert result.path == [*START, *READ * 2, "SmokePassed"]
    assert result.seconds == 600


def test_a_node_that_is_left_alone_is_skipped_with_a_word() -> None:
    """Nothing was started, so the reading only says so, at once: a choice before it would cost every node."""
    skipped = {"status": "skipped", "reason": "because skipped", "wait_seconds": 0}
    result = run("smoke_node", SMOKE, {"StartSmoke": answers(skipped), "ReadSmoke": answers("skipped")})

    assert result.path == [*START, *READ, "SmokeSkipped"]
    assert result.output == {"status": "skipped", "reason": "because skipped"}
    assert result.seconds == 0


def test_on_demand_the_run_is_made_by_the_first_function() -> None:
    """From the execution that it is told; whoever cleans up before there is a run is told the same."""
    result = run("smoke_node", {"cluster": "demo", "node": "node-1"})

    name = result.called("StartSmoke")[0]["execution"]["name"]
    assert result.path == [*START, *READ, "SmokePassed"]
    assert result.called("ReadSmoke")[0]["run"]["id"] == "roll-1"
    failed = run("smoke_node", {"cluster": "demo", "node": "node-1"}, {"StartSmoke": fails(Conflict("busy"))})
    (cleaning,) = failed.called("ReadSmoke")
    assert (cleaning["abandon"], cleaning["cluster"], "run" in cleaning) == (True, "demo", False)
    assert (bool(name), cleaning["execution"]["name"]) == (True, failed.called("StartSmoke")[0]["execution"]["name"])


def test_a_smoke_that_fails_makes_the_node_unhealthy() -> None:
    """An overdue one is judged as failed by the function, which also removes the Job."""
    result = run("smoke_node", SMOKE, {"ReadSmoke": answers("failed")})

    assert result.path == [*START, *READ, "SmokeFailed"]
    assert (result.error, result.cause) == ("Unhealthy", "because failed")


def test_an_error_at_the_start_removes_a_job_that_may_exist() -> None:
    """The start may have come through before its answer was lost."""
    result = run("smoke_node", SMOKE, {"StartSmoke": fails(Conflict("a Job of another run"))})

    assert result.path == ["StartSmoke", *CLEANED]
    assert [payload["abandon"] for payload in result.called("ReadSmoke")] == [True]
    assert (result.error, result.cause) == ("Conflict", "a Job of another run")


def test_an_error_at_a_reading_removes_the_job() -> None:
    """The first error is told, whatever the clean-up answers."""
    result = run("smoke_node", SMOKE, {"ReadSmoke": _read(fails(Conflict("no logs")), {"status": "failed"})})

    assert result.path == [*START, "WaitForSmoke", "ReadSmoke", *CLEANED]
    assert (result.error, result.cause) == ("Conflict", "no logs")


@pytest.mark.parametrize("function", ["StartSmoke", "ReadSmoke"])
def test_no_answer_is_retried_before_the_smoke_is_given_up(function: str) -> None:
    """Eleven calls in all, and time passes between them."""
    result = run("smoke_node", SMOKE, {function: fails(Unavailable("throttled"), times=11)})

    times = [call.at for call in result.calls if call.function == function and "abandon" not in call.payload]
    assert len(times) == 11
    assert times[-1] - times[0] > 2
    assert result.path[-2:] == CLEANED
    assert (result.error, result.cause) == ("Unavailable", "throttled")


def test_a_clean_up_that_fails_does_not_hide_what_led_to_it() -> None:
    """Both are told, the first one first."""
    result = run("smoke_node", SMOKE, {"ReadSmoke": fails(Conflict("no logs"))})

    assert result.path[-2:] == CLEANED
    assert (result.error, result.cause) == ("Conflict", "no logs; then ReadSmokeAndGiveUp: no logs")


def _read(reading: Any, cleaning: Any) -> Any:
    return lambda payload: cleaning if payload.get("abandon") else reading(payload)
