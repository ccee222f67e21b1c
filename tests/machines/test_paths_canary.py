"""rotate_ami with canaries, and the way back: every way from the first node to the last.

Aspects: canaries replaced and judged before the others; a bake that is waited for; nothing but canaries; each failure
that goes back and each that does not; what a rollback that fails leaves and says.
"""

from typing import Any

import pytest

from gpuops.domain.errors import Conflict, Unavailable, Unhealthy
from tests.machines.happy import CHANGE, LATER, ORDER
from tests.machines.machine_world import Answer, Given, Slow, answers, fails, run
from tests.machines.test_paths_rotate import BEGUN, CHILD, CLOSED, FAILED, VERIFIED, outer, peak

FIRST = [*BEGUN, "OpenChange", "Opened?", "RollCanary", "CanaryReplaced?"]
JUDGED = [*FIRST, "JudgeCanary", "Judged?"]
WIDENED = [*JUDGED, "OpenChangeAgain", "OpenedAgain?", "RollNodes", "AllReplaced?"]
BACK = ["OpenRollback", "RollBack?", "RollBackNodes", "KeepRollback", *FAILED]
STAYED = ["OpenRollback", "RollBack?", "KeepRollback", *FAILED]
BAKING = {"status": "baking", "since": LATER, "ready": {"node-1": LATER}, "wait_seconds": 60}


def plans(count: int, canaries: int = 1, surge: int = 1) -> Answer:
    """Plan a roll whose first nodes are canaries; afterwards all is current."""
    nodes = [
        {"instance": f"i-{n}", "decrement": n < canaries or n == count - 1, "reason": "idle", "canary": n < canaries}
        for n in range(count)
    ]
    roll = {"status": "roll", "nodes": nodes, "surge": surge, "candidates": count}
    return lambda payload: {} if "plan" in payload else roll


def goes_back(count: int = 1, surge: int = 1) -> Answer:
    """Open the way back for so many nodes."""
    nodes = [{"instance": f"i-new-{n}", "decrement": n == 0, "reason": "idle"} for n in range(count)]
    change = {**CHANGE, "template": {"id": "lt-1", "version": "3"}}
    return answers({"status": "open", "reason": "by version 3", "nodes": nodes, "surge": surge, "change": change})


def fails_for(*instances: str) -> Answer:
    """Fail the replacement of these alone."""

    def replace(payload: Any) -> Any:
        if payload["instance"] in instances:
            raise Unhealthy(f"{payload['instance']} is lost")
        return {"instance": payload["instance"]}

    return replace


@pytest.mark.parametrize(("count", "canaries"), [(2, 1), (4, 2)])
def test_canaries_go_first_and_the_others_once_they_are_good(count: int, canaries: int) -> None:
    """The change is opened for each; the report gets all of them in one list."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(count, canaries), CHILD: fails_for()})

    assert outer(result.path) == [*WIDENED, *VERIFIED, "Verified?", *CLOSED, "Rotated"]
    assert [payload["instance"] for payload in result.called(CHILD)] == [f"i-{n}" for n in range(count)]
    assert [payload.get("stage") for payload in result.called("OpenChange")] == [None, "forward"]
    nodes = result.called("WriteReport")[0]["nodes"]
    assert [(node["slot"], node["status"]) for node in nodes] == [(f"i-{n}", "replaced") for n in range(count)]


def test_canaries_are_replaced_side_by_side_and_the_others_within_the_surge() -> None:
    """Each canary has an extra node of its own."""
    lambdas: Given = {"PlanRotation": plans(5, canaries=3, surge=1), CHILD: Slow(60, fails_for())}

    result = run("rotate_ami", ORDER, lambdas)

    assert (peak(result.children), result.seconds) == (3, 60 + 2 * 60)


def test_a_bake_is_waited_for_look_by_look() -> None:
    """Each look gets what the one before remembered."""
    lambdas = {"PlanRotation": plans(2), CHILD: answers({}), "JudgeCanary": answers(BAKING, BAKING, {})}

    result = run("rotate_ami", ORDER, lambdas)

    assert result.path.count("WaitForBake") == 2
    assert result.seconds == 120
    assert result.called("JudgeCanary")[1]["judge"]["ready"] == {"node-1": LATER}


def test_a_change_that_may_not_be_widened_yet_waits_and_then_goes_on() -> None:
    """While the global stop stands; the nodes get the change that was opened in the end."""
    opens = answers({}, {"status": "waiting", "fence": None, "template": None, "surge": None, "wait_seconds": 20}, {})

    result = run("rotate_ami", ORDER, {"PlanRotation": plans(2), CHILD: answers({}), "OpenChange": opens})

    again = ["OpenChangeAgain", "OpenedAgain?"]
    assert outer(result.path)[len(JUDGED) :][:6] == [*again, "WaitToWiden", *again, "RollNodes"]
    assert result.called(CHILD)[-1]["change"]["fence"] == 1


def test_where_all_are_canaries_nothing_follows_them() -> None:
    """A group of one node is proved and done."""
    result = run("rotate_ami", ORDER, {"PlanRotation": plans(1), CHILD: answers({})})

    assert outer(result.path) == [*JUDGED, "PlanRotationAgain", "Verified?", *CLOSED, "Rotated"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_bad_bake_goes_back_and_says_both(count: int) -> None:
    """The nodes go by the same child, under the change that the way back has opened; its surge bounds them."""
    lambdas: Given = {
        "PlanRotation": plans(2),
        CHILD: Slow(60, fails_for()),
        "JudgeCanary": answers("bad"),
        "OpenRollback": goes_back(count),
    }

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path) == [*JUDGED, "KeepVerdict", *BACK]
    assert (result.error, result.cause) == ("Unhealthy", "because bad; rolled back: by version 3")
    moved = result.called(CHILD)[1:]
    assert [payload["instance"] for payload in moved] == [f"i-new-{n}" for n in range(count)]
    assert {payload["change"]["template"]["version"] for payload in moved} == {"3"}
    assert (peak(result.children), result.seconds) == (1, 60 + count * 60)
    assert [node["status"] for node in result.called("WriteReport")[0]["back"]] == ["replaced"] * count


def test_a_person_who_cancels_during_the_bake_is_refused_and_blames_nothing() -> None:
    """Whether nodes go back is the function's decision, as ever."""
    lambdas = {"PlanRotation": plans(2), CHILD: fails_for(), "JudgeCanary": answers("stopped")}

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path) == [*JUDGED, "KeepVerdict", *STAYED]
    assert (result.error, result.cause) == ("Refused", "because stopped")


WAYS_BACK: dict[str, tuple[dict[str, Answer], list[str], str]] = {
    "canary": ({CHILD: fails_for("i-0")}, [*FIRST, "KeepFirstFailure"], "Unhealthy"),
    "no verdict": ({"JudgeCanary": fails(Unavailable("slow"))}, [*FIRST, "JudgeCanary"], "Unavailable"),
    "not widened": (
        {"OpenChange": lambda payload: fails(Conflict("lost"))(payload) if payload.get("stage") else {}},
        [*JUDGED, "OpenChangeAgain"],
        "Conflict",
    ),
    "node": ({CHILD: fails_for("i-1")}, [*WIDENED, "KeepFirstFailure"], "Unhealthy"),
    "alarm at the end": (
        {"JudgeCanary": lambda payload: {"status": "bad" if payload.get("rolled") else "good"}},
        [*WIDENED, "RetireNodes", "Gone?", "JudgeCanaryAgain", "JudgedAgain?", "KeepVerdict"],
        "Unhealthy",
    ),
}


@pytest.mark.parametrize(("given", "way", "error"), WAYS_BACK.values(), ids=list(WAYS_BACK))
@pytest.mark.parametrize("moved", [True, False], ids=["moved", "nothing moved"])
def test_every_failure_after_the_first_node_asks_whether_to_go_back(
    given: dict[str, Answer], way: list[str], error: str, *, moved: bool
) -> None:
    """Whether it does is the function's decision; either way the change is closed, and the first cause stays."""
    lambdas = {"PlanRotation": plans(2), CHILD: fails_for(), **given, "OpenRollback": goes_back() if moved else None}

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path) == [*way, *(BACK if moved else STAYED)]
    assert result.error == error
    assert ("; rolled back: by version 3" in (result.cause or "")) == moved


def test_a_node_that_cannot_go_back_is_told_beside_the_first_cause() -> None:
    """The others go nevertheless; the close puts back what is left of the group's settings."""
    lambdas = {
        "PlanRotation": plans(2),
        CHILD: fails_for("i-new-0"),
        "JudgeCanary": answers("bad"),
        "OpenRollback": goes_back(2),
    }

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path) == [*JUDGED, "KeepVerdict", *BACK]
    assert (result.error, result.cause) == ("Unhealthy", "because bad; then rolling back: i-new-0 is lost")
    assert [node["status"] for node in result.called("WriteReport")[0]["back"]] == ["failed", "replaced"]


def test_a_way_back_that_cannot_be_opened_closes_the_change() -> None:
    """Both reasons are told."""
    lambdas = {"PlanRotation": plans(1), CHILD: fails_for("i-0"), "OpenRollback": fails(Conflict("held by roll-2"))}

    result = run("rotate_ami", ORDER, lambdas)

    assert outer(result.path) == [*FIRST, "KeepFirstFailure", "OpenRollback", *FAILED]
    assert (result.error, result.cause) == ("Unhealthy", "i-0 is lost; then OpenRollback: held by roll-2")


def test_a_condemned_release_comes_through_the_child_as_unhealthy() -> None:
    """With its real child: an order's answer no is another thing than a release that failed."""
    lambdas = {"PlanRotation": plans(1), "ClaimNode": answers({"status": "condemned", "instance": None})}

    result = run("rotate_ami", ORDER, lambdas)

    assert (result.error, result.cause) == ("Unhealthy", "ok")
