"""What goes wrong around a story: calls that fail, events that get lost, executions that somebody stops."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rehearsal.scenario import EventFault, Interruption, WireFault
from rehearsal.stage.records import Record, Records
from rehearsal.wire import Fault
from rehearsal.world import World

CAUSE = "stopped from outside"


class Troubles:
    """Makes them happen, each from its moment on."""

    def __init__(self, world: World, records: Records) -> None:
        self._world, self._records = world, records
        self._acted = 0.0

    @property
    def last(self) -> float:
        """When something went wrong that is not meant to last, or will: its aftermath begins then."""
        return max(self._acted, *(fault.last for fault in self._world.wire.faults if fault.nth), 0.0)

    def acts(self) -> dict[str, Callable[[Any], object]]:
        """What each kind of moment does."""
        return {"fault": self.strike, "events": self.disturb, "interrupt": self.interrupt}

    def strike(self, fault: WireFault) -> None:
        """Set a rule of the wire's, which is taken back where it does not last."""
        faults, rule = self._world.wire.faults, Fault(**fault.model_dump(exclude_none=True, exclude={"lasts_seconds"}))
        faults.append(rule)
        if fault.lasts_seconds is not None:
            self._world.clock.call_later(fault.lasts_seconds, "story/fault-over", lambda: faults.remove(rule))

    def disturb(self, fault: EventFault) -> None:
        """Set a rule of the bus."""
        self._world.region.bus.faults.append(fault)

    def interrupt(self, wanted: Interruption) -> None:
        """Stop one execution as it enters the state, once it has been entered that often from now on."""
        entered = 0

        def look(record: Record, state: str) -> None:
            nonlocal entered
            entered += (record.machine, state) == (wanted.machine, wanted.state)
            if entered == wanted.nth:
                self._records.listeners.remove(look)
                self._world.clock.call_later(0, f"interrupt/{record.name}", lambda: self._stop(record, wanted))

        self._records.listeners.append(look)

    def _stop(self, record: Record, wanted: Interruption) -> None:
        states = self._world.region.account.client("stepfunctions")
        given = states.describe_execution(executionArn=record.arn)
        states.stop_execution(executionArn=record.arn, cause=CAUSE)
        later, now = self._world.clock.call_later, self._world.clock.now()
        self._acted = max(self._acted, now + max(wanted.again or 0, wanted.redriven or 0))
        if wanted.again is not None:
            start = {"stateMachineArn": given["stateMachineArn"], "input": given["input"]}
            later(wanted.again, f"again/{record.name}", lambda: states.start_execution(**start))
        if wanted.redriven is not None:
            later(wanted.redriven, f"redrive/{record.name}", lambda: self._redrive(record))

    def _redrive(self, record: Record) -> None:
        """Where stopping it came too late, since the state was its last, there is nothing to go on with."""
        states = self._world.region.account.client("stepfunctions")
        with suppress(states.exceptions.ExecutionNotRedrivable):
            states.redrive_execution(executionArn=record.arn)
