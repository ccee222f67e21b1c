"""apply_gpu_config by every way: applied, only looked at, something left, a function that fails."""

from gpuops.domain.errors import Refused, Unavailable
from tests.machines.happy import CONFIG
from tests.machines.machine_world import answers, fails, run

LEFT = {"status": "left", "reason": "DaemonSet a/b: conflict", "fault": "Conflict"}


def test_a_cluster_in_sync_is_reported_and_that_is_all() -> None:
    """The function is told whose execution it is, and the report what it found."""
    result = run("apply_gpu_config", CONFIG)

    assert result.status == "SUCCEEDED"
    assert result.path[:3] == ["KeepEvent", "ApplyConfig", "Applied?"]
    assert result.path[-3:] == ["WriteReport", "Done?", "ConfigApplied"]
    assert (result.output["status"], result.output["reason"]) == ("in_sync", "ok")
    (payload,) = result.called("ApplyConfig")
    assert payload["event"] == CONFIG
    assert payload["execution"]["name"]
    assert result.called("WriteReport")[0]["apply"]["status"] == "in_sync"


def test_what_is_left_fails_the_execution_by_name_after_its_report() -> None:
    """The goal does not hold; the message says what does not."""
    result = run("apply_gpu_config", CONFIG, {"ApplyConfig": answers(LEFT)})

    assert result.path[2:5] == ["Applied?", "KeepApplyFailure", "SelectNode"]
    assert result.path[-3:] == ["WriteReport", "Done?", "ApplyFailed"]
    assert (result.error, result.cause) == ("Conflict", LEFT["reason"])


def test_whoever_only_looks_has_reached_the_goal_by_telling() -> None:
    """Mode observe and recommend."""
    result = run("apply_gpu_config", CONFIG, {"ApplyConfig": answers("observed")})

    assert (result.status, result.output["status"]) == ("SUCCEEDED", "observed")


def test_a_function_that_fails_is_reported_and_named() -> None:
    """A cluster without our RBAC; nothing was changed."""
    result = run("apply_gpu_config", CONFIG, {"ApplyConfig": fails(Refused("forbidden"))})

    assert result.path[-4:] == ["ApplyConfig", "WriteReport", "Done?", "ApplyFailed"]
    assert (result.error, result.cause) == ("Refused", "forbidden")
    assert result.called("WriteReport")[0]["error"]["reason"] == "forbidden"


def test_a_cluster_that_answers_late_is_asked_again() -> None:
    """Twice unavailable, then there."""
    result = run("apply_gpu_config", CONFIG, {"ApplyConfig": fails(Unavailable("later"), times=2)})

    assert result.status == "SUCCEEDED"
    assert len(result.called("ApplyConfig")) == 3


def test_a_report_that_cannot_be_written_hides_nothing() -> None:
    """The execution ends as it would have."""
    result = run("apply_gpu_config", CONFIG, {"ApplyConfig": answers(LEFT), "WriteReport": fails(Refused("no"))})

    assert (result.status, result.error) == ("FAILED", "Conflict")
