"""When the last thing went wrong in a story, from which its aftermath is counted.

Covered: an interrupted execution, one that is started again or redriven later, a call that a numbered fault
struck; what lasts is no last thing.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.scenario import Interruption
from rehearsal.stage.records import Record, Records
from rehearsal.stage.troubles import Troubles
from rehearsal.wire import Fault

ARN = "arn:aws:states:us-east-1:123456789012:execution:m:one"


class States:
    """Step Functions; what is asked of it is written down."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        """Any operation is done."""

        def call(**_: Any) -> dict[str, str]:
            self.asked.append(operation)
            return {"stateMachineArn": "m", "input": "{}"}

        return call


class World:
    """A clock that stands, a region with executions, and a wire with faults."""

    def __init__(self) -> None:
        self.timers: list[float] = []
        self.states = States()
        self.clock = SimpleNamespace(now=lambda: 1000.0, call_later=self.later)
        self.region = SimpleNamespace(account=SimpleNamespace(client=lambda _: self.states))
        self.wire = SimpleNamespace(faults=[])

    def later(self, seconds: float, _key: str, act: Any) -> None:
        """Do it if it is due at once."""
        self.timers.append(seconds)
        if seconds == 0:
            act()


@pytest.mark.parametrize(
    ("more", "last"), [({}, 1000.0), ({"again": 60}, 1060.0), ({"redriven": 1860}, 2860.0)], ids=str
)
def test_an_interruption_lasts_until_its_execution_is_begun_again(more: dict[str, Any], last: float) -> None:
    """Its aftermath begins with what comes of it."""
    world, records = World(), Records()
    troubles = Troubles(world, records)  # type: ignore[arg-type]
    record = Record(ARN, "rotate_ami", "one", 0.0)

    troubles.interrupt(Interruption(machine="rotate_ami", state="Plan", nth=2, **more))
    for state in ("Plan", "Rest", "Plan"):
        before = troubles.last
        for listener in tuple(records.listeners):
            listener(record, state)

    assert (before, troubles.last) == (0.0, last)
    assert (world.states.asked[:2], world.timers) == (["describe_execution", "stop_execution"], [0, *more.values()])


def test_a_call_that_was_struck_counts_where_its_fault_is_a_single_one() -> None:
    """What fails for good has no end, and no aftermath."""
    world = World()
    for_good, once = Fault("throttle", service="s3"), Fault("throttle", service="s3", nth=1)
    for_good.last, once.last = 900.0, 500.0
    world.wire.faults += [for_good, once]

    assert Troubles(world, Records()).last == 500.0  # type: ignore[arg-type]
