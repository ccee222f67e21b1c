"""RedriveExecution: an execution that did not succeed goes on at the states that it did not leave, with their inputs.

moto has none. Of a Map only those items are done again that did not end well, each from its own state on. A task that
starts an execution starts it anew, under the name that it had. (RedriveExecution, API reference of Step Functions.)

Left out: variables that the execution assigned, the period of 14 days.
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.responses import StepFunctionResponse

from rehearsal.clock import SimThread
from rehearsal.engine.bindings import bound
from rehearsal.engine.executions import tell_start
from rehearsal.engine.places import place_of, stand
from rehearsal.engine.timing import SimDateTime

_NOT_REDRIVABLE = ("RUNNING", "SUCCEEDED")


class ExecutionNotRedrivable(AWSError):  # type: ignore[misc]  # noqa: N818 - named as the API names it
    """It still runs, or succeeded."""

    TYPE = "ExecutionNotRedrivable"
    STATUS = 400


def patch_redrive() -> None:
    """Add the operation, and have programs begin where they were."""
    StepFunctionResponse.redrive_execution = _redrive
    Program._eval_body = _from_its_place(Program._eval_body)
    Environment.open_frame = _at_the_same_place(Environment.open_frame)


def _from_its_place(body: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        place = place_of(env)
        if place.resumes and env.is_running():
            env.next_state_name = place.state
            env.states.reset(place.given)
        body(self, env)

    return eval_body


def _at_the_same_place(open_frame: Any) -> Any:
    """The frames that moto opens within a program, such as for a state with a time-out, are there, too."""

    def opened(self: Any, *args: Any, **options: Any) -> Any:
        frame = open_frame(self, *args, **options)
        stand(frame, place_of(self))
        return frame

    return opened


def _redrive(self: Any) -> Any:
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    if execution.status in _NOT_REDRIVABLE:
        raise ExecutionNotRedrivable(f"{execution.exec_arn} is {execution.status}")
    worker, before = execution._get_start_execution_worker(), execution.exec_worker.env
    program = worker._get_evaluation_entrypoint()
    worker.env = worker._get_evaluation_environment()
    worker.env.event_manager = before.event_manager
    place = place_of(before)
    place.resume()
    stand(worker.env, place)
    worker.env.next_state_name = place.state or program.start_at.start_at_name
    execution.exec_worker, execution.exec_status = worker, ExecutionStatus.RUNNING
    execution.stop_date = execution.output = execution.error = execution.cause = None
    tell_start(execution)
    SimThread(bound().clock, _go_on, (worker, program), key=f"{execution.exec_arn}/redriven").start()
    return ActionResult({"redriveDate": SimDateTime.now(SimDateTime.now().tzinfo)})


def _go_on(worker: Any, program: Any) -> None:
    worker.env.event_manager.add_event(
        context=worker.env.event_history_context,
        event_type=HistoryEventType.ExecutionRedriven,
        event_details=EventDetails(executionRedrivenEventDetails={}),
        update_source_event_id=False,
    )
    program.eval(worker.env)
    worker._execution_communication.terminated()
