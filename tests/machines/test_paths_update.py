"""update_managed_group by every way: Jobs waited for, begun, followed, judged; and the two that rotate_ami adds.

Aspects: what EKS is asked and how often it is looked at, EKS's refusals by our names, a lost answer, an update that
fails, nodes that are admitted late, and where the rotation goes on.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from gpuops.domain.errors import Refused, Unhealthy
from tests.contract.engine_world import client
from tests.machines.happy import ORDER, UPDATE
from tests.machines.machine_world import Answer, answers, fails, run

JOBS = ["AwaitJobs", "JobsEnded?"]
LOOK = ["WaitForUpdate", "ReadUpdate", "UpdateEnded?"]
MANAGED = {"status": "roll", "nodes": [], "surge": 0, "managed": {"nodegroup": "gpu"}}


@dataclass
class Eks:
    """EKS as a state machine's own calls see it; `refusals` come before the answers."""

    statuses: list[str] = field(default_factory=lambda: ["Successful"])
    refusals: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    looks: int = 0

    def update_nodegroup_version(self, **asked: Any) -> dict[str, Any]:
        """Begin, or refuse."""
        self.asked.append(asked)
        if self.refusals:
            code = self.refusals.pop(0)
            answer: Any = {
                "Error": {"Code": code, "Message": "you are not authorized" if code == "AccessDenied" else "no"},
                "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r-1"},
            }
            raise client("eks").exceptions.from_code(code)(answer, "UpdateNodegroupVersion")
        return {"update": {"id": "u-1", "status": "InProgress"}}

    def describe_update(self, **named: Any) -> dict[str, Any]:
        """The next status; the last one for ever."""
        assert named == {"name": "demo", "nodegroupName": "gpu", "updateId": "u-1"}
        status = self.statuses[min(self.looks, len(self.statuses) - 1)]
        self.looks += 1
        errors = [{"errorCode": "PodEvictionFailure", "errorMessage": "why", "resourceIds": ["n1"]}]
        return {"update": {"id": "u-1", "status": status, "errors": errors if status == "Failed" else []}}


def test_eks_is_asked_once_and_followed_to_the_end() -> None:
    """Version and release together, under the run's own token; the pauses grow."""
    eks = Eks(statuses=["InProgress", "InProgress", "Successful"])

    result = run("update_managed_group", UPDATE, clients={"eks": eks})

    assert result.status == "SUCCEEDED"
    assert result.path == [*JOBS, "StartUpdate", *LOOK, *LOOK, *LOOK, "JudgeUpdate", "AllAdmitted?", "Updated"]
    assert eks.asked == [
        {
            "clusterName": "demo",
            "nodegroupName": "gpu",
            "clientRequestToken": "roll-1-version",
            "version": "1.36",
            "releaseVersion": "r1",
            "force": False,
        }
    ]
    assert result.seconds >= 20 + 30 + 40


def test_a_long_update_is_looked_at_every_five_minutes() -> None:
    """From the twenty-ninth look on: a day of it costs some three hundred looks of nine events, of 25,000."""
    looks = 38
    result = run("update_managed_group", UPDATE, clients={"eks": Eks(statuses=["InProgress"] * looks + ["Successful"])})

    assert result.status == "SUCCEEDED"
    assert result.seconds == sum(min(300, 20 + 10 * look) for look in range(looks + 1))


def test_jobs_are_waited_for_before_eks_is_asked() -> None:
    """As often as the function says."""
    eks = Eks()
    jobs = answers({"status": "waiting", "wait_seconds": 600}, {"status": "ready"})

    result = run("update_managed_group", UPDATE, {"AwaitJobs": jobs}, clients={"eks": eks})

    assert result.path[:5] == [*JOBS, "WaitForJobs", *JOBS]
    assert result.seconds >= 600
    assert len(eks.asked) == 1


def test_a_cancelled_run_never_asks_eks() -> None:
    """The last moment at which anybody is heard."""
    eks = Eks()
    result = run("update_managed_group", UPDATE, {"AwaitJobs": fails(Refused("cancelled by ann"))}, {"eks": eks})

    assert (result.status, result.error, result.cause) == ("FAILED", "Refused", "cancelled by ann")
    assert eks.asked == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ResourceInUseException", "Conflict"),
        ("InvalidParameterException", "Invalid"),
        ("ResourceNotFoundException", "Invalid"),
        ("AccessDenied", "Refused"),
    ],
)
def test_what_eks_refuses_ends_by_one_of_our_names(code: str, name: str) -> None:
    """Only what the SDK has no name for is asked again, for it may be throttling."""
    eks = Eks(refusals=[code] * 13)

    result = run("update_managed_group", UPDATE, clients={"eks": eks})

    assert (result.status, result.error, len(eks.asked)) == ("FAILED", name, 11 if code == "AccessDenied" else 1)
    assert result.path[-2:] == ["StartUpdate", "UpdateFailed"]


def test_a_lost_answer_is_asked_for_again_under_the_same_token() -> None:
    """EKS then makes one update of two calls."""
    eks = Eks(refusals=["ServerException"])

    assert run("update_managed_group", UPDATE, clients={"eks": eks}).status == "SUCCEEDED"
    assert len({asked["clientRequestToken"] for asked in eks.asked}) == 1
    assert len(eks.asked) == 2


def test_a_failed_update_is_judged_and_the_run_fails_by_it() -> None:
    """The function gets EKS's own words."""
    lambdas: dict[str, Answer | None] = {"JudgeUpdate": fails(Refused("PodEvictionFailure: budget default/web"))}

    result = run("update_managed_group", UPDATE, lambdas, {"eks": Eks(statuses=["Failed"])})

    assert (result.status, result.error, result.path[-1]) == ("FAILED", "Refused", "UpdateFailed")
    (told,) = result.called("JudgeUpdate")
    assert told["update"]["Errors"] == [
        {"ErrorCode": "PodEvictionFailure", "ErrorMessage": "why", "ResourceIds": ["n1"]}
    ]


def test_nodes_that_are_not_admitted_yet_are_waited_for() -> None:
    """Until the function says otherwise."""
    judged = answers({"status": "waiting", "wait_seconds": 60}, {"status": "updated"})

    result = run("update_managed_group", UPDATE, {"JudgeUpdate": judged}, {"eks": Eks()})

    assert result.path[-5:] == ["AllAdmitted?", "WaitForAdmissions", "JudgeUpdate", "AllAdmitted?", "Updated"]


def test_a_rotation_lets_eks_do_it_then_verifies_and_closes() -> None:
    """Instead of rolling node by node."""
    lambdas: dict[str, Answer | None] = {
        "PlanRotation": lambda payload: {} if "plan" in payload else MANAGED,
        "UpdateManagedGroupMachine": answers({"status": "updated"}),
    }

    result = run("rotate_ami", ORDER, lambdas)

    assert result.status == "SUCCEEDED"
    after = result.path.index("Opened?")
    assert result.path[after : after + 4] == ["Opened?", "UpdateManagedGroup", "PlanRotationAgain", "Verified?"]
    assert [child.name for child in result.children] == [f"{result.called('CloseChange')[0]['run']['id']}-update"]


def test_a_rotation_whose_update_failed_is_closed_and_fails_by_the_same_name() -> None:
    """What the run wrote down is put back, whatever EKS left."""
    lambdas: dict[str, Answer | None] = {
        "PlanRotation": lambda payload: {} if "plan" in payload else MANAGED,
        "UpdateManagedGroupMachine": fails(Unhealthy("NodeCreationFailure: why")),
    }

    result = run("rotate_ami", ORDER, lambdas)

    assert (result.status, result.error, result.cause) == ("FAILED", "Unhealthy", "NodeCreationFailure: why")
    assert "CloseChange" in result.path
    assert "RollNodes" not in result.path
