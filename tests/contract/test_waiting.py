"""Waking a slot by its task token: the adapter over moto's table and the rehearsal's engine.

Covered: the order; that each token is used once; whose wait is over already; a slot that waits anew.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from gpuops.adapters.waiting import Waiting
from tests.contract.engine_world import LAMBDA, World, catch, chain, client, world
from tests.fakes.world import table

ASK = {
    "Type": "Task",
    "Resource": f"{LAMBDA}.waitForTaskToken",
    "Arguments": {"FunctionName": "ask", "Payload": {"token": "{% $states.context.Task.Token %}"}},
    "TimeoutSeconds": 60,
    "End": True,
    **catch("States.ALL", to="Late"),
}


@pytest.fixture
def here() -> Iterator[World]:
    """An empty region."""
    with world() as made:
        yield made


@pytest.fixture
def waiting(here: World) -> Waiting:
    """The adapter over an empty table."""
    return Waiting(table(), client("stepfunctions"))


def leave_token(waiting: Waiting, slot: str, token: str, *, place: int = 1, since: str = "10:00") -> None:
    """What replace_node writes of itself."""
    waiting._table.put("wait#gpu", slot, {"place": place, "since": since, "answer_to": token})


def waits(here: World, act: Any) -> str:
    """An execution that waits; `act` gets its token at once. Return how it ended."""

    def ask(payload: Any) -> Any:
        act(payload["token"])
        return {}

    here.functions["ask"] = ask
    late = {"Type": "Fail", "Error": "Late"}
    return here.result(here.start(here.machine("asks", chain({"Ask": ASK, "Late": late})))).status


def test_nobody_waits(waiting: Waiting) -> None:
    """A launch outside of a roll."""
    assert waiting.wake("gpu") is None


def test_a_slot_that_waits_goes_on_at_once_and_is_woken_once(here: World, waiting: Waiting) -> None:
    """Its token is used up."""
    woken: list[str | None] = []

    def act(token: str) -> None:
        leave_token(waiting, "i-1", token)
        woken.extend((waiting.wake("gpu"), waiting.wake("gpu")))

    assert (waits(here, act), woken) == ("SUCCEEDED", ["i-1", None])


@pytest.mark.parametrize("stale", [{"place": 0}, {"since": "09:00"}], ids=["its old node is gone", "longest"])
def test_the_first_in_order_is_woken_and_whose_wait_is_over_is_passed_by(
    here: World, waiting: Waiting, stale: dict[str, Any]
) -> None:
    """A wait that ended leaves its token behind until somebody tries it."""
    woken: list[str | None] = []

    def act(token: str) -> None:
        leave_token(waiting, "i-0", "of nobody's", **stale)
        leave_token(waiting, "i-1", token, place=2)
        woken.append(waiting.wake("gpu"))

    assert (waits(here, act), woken) == ("SUCCEEDED", ["i-1"])
    assert waiting._table.query("wait#gpu") == []


def test_a_token_that_was_replaced_meanwhile_is_not_forgotten(waiting: Waiting) -> None:
    """The slot waits anew: that is somebody's wait."""

    class States:
        def send_task_success(self, **_: str) -> None:
            leave_token(waiting, "i-1", "new")

    leave_token(waiting, "i-1", "old")

    assert Waiting(waiting._table, States()).wake("gpu") == "i-1"
    assert [item["answer_to"] for item in waiting._table.query("wait#gpu")] == ["new"]
