"""Somebody who stops executions in the middle, and may start them once more: a person at the console, say."""

from rehearsal.scenario import Interruption
from rehearsal.stage.records import Record, Records
from rehearsal.world import World

CAUSE = "stopped from outside"


class Interrupter:
    """Waits for states to be entered."""

    def __init__(self, world: World, records: Records) -> None:
        self._world, self._records = world, records

    def expect(self, wanted: Interruption) -> None:
        """Stop one execution as it enters the state, once it has been entered that often from now on."""
        entered = 0

        def look(record: Record, state: str) -> None:
            nonlocal entered
            entered += (record.machine, state) == (wanted.machine, wanted.state)
            if entered == wanted.nth:
                self._records.listeners.remove(look)
                self._world.clock.call_later(0, f"interrupt/{record.name}", lambda: self._stop(record, wanted.again))

        self._records.listeners.append(look)

    def _stop(self, record: Record, again: float | None) -> None:
        states = self._world.region.account.client("stepfunctions")
        given = states.describe_execution(executionArn=record.arn)
        states.stop_execution(executionArn=record.arn, cause=CAUSE)
        if again is not None:
            machine, text = given["stateMachineArn"], given["input"]
            start = {"stateMachineArn": machine, "input": text}
            self._world.clock.call_later(again, f"again/{record.name}", lambda: states.start_execution(**start))
