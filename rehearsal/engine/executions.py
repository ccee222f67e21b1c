"""An execution's life: its name, its start, its end told once, and stopping it at any moment.

moto names every unnamed execution None, cannot stop one that is just starting, and shows ABORTED only when the last
thread has noticed.
"""

import threading
from typing import Any

from moto.stepfunctions.parser.api import (
    ExecutionStartedEventDetails,
    HistoryEventExecutionDataDetails,
    HistoryEventType,
)
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramStopped
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from rehearsal.clock import SimEvent, SimThread
from rehearsal.engine.bindings import Progress, bound
from rehearsal.engine.places import place_of
from rehearsal.engine.timing import iso

_RUNNING = "RUNNING"


def find_execution(arn: str) -> Any:
    """The execution behind an ARN."""
    parts = arn.split(":")
    return stepfunctions_parser_backends[parts[4]][parts[3]].describe_execution(arn)


def enders(execution: Any) -> dict[SimEvent, None]:
    """The events to set when the execution ends."""
    found: dict[SimEvent, None] = execution.__dict__.setdefault("rehearsal_enders", {})
    return found


def patch_executions() -> None:
    """Names, start, stop, end, and progress."""
    start = StepFunctionsParserBackend.start_execution
    StepFunctionsParserBackend.start_execution = _named(start)
    details = Execution.get_start_execution_details
    Execution.get_start_execution_details = lambda self: _with_text_time(details(self))
    ExecutionWorker.start, ExecutionWorker.stop = _start, _stop
    reflect = BaseExecutionWorkerCommunication._reflect_execution_status
    BaseExecutionWorkerCommunication.terminated = lambda self: _terminated(self, lambda: reflect(self))
    body = CommonStateField._eval_body
    CommonStateField._eval_body = _told(body)
    ExecutionState._from_error = _while_it_runs(ExecutionState._from_error)


def _named(start: Any) -> Any:
    one_at_a_time = threading.Lock()
    """moto looks whether a name is taken, and takes it a moment later; Step Functions does both at once."""

    def start_execution(self: Any, arn: str, name: Any = None, execution_input: Any = None, trace: Any = None) -> Any:
        with one_at_a_time:
            if name is None:
                machine = self.describe_state_machine(arn)
                taken = {execution.name for execution in machine.executions}
                number = next(n for n in range(1, len(taken) + 2) if f"{machine.name}-{n}" not in taken)
                name = f"{machine.name}-{number}"
            return start(self, arn, name, execution_input, trace)

    return start_execution


def _with_text_time(details: Any) -> Any:
    details.start_time = iso(details.start_time)
    return details


def _start(self: Any) -> None:
    """The environment exists from the start, so that whoever stops or signals the execution finds it."""
    program = self._get_evaluation_entrypoint()
    self.env = self._get_evaluation_environment()
    self.env.next_state_name = program.start_at.start_at_name
    execution = self._execution_communication.execution
    tell_start(execution)
    SimThread(bound().clock, _execute, (self, program), key=execution.exec_arn).start()


def tell_start(execution: Any) -> None:
    """The listener hears that it runs now."""
    bound().tell(_progress(execution, status=_RUNNING, input=execution.execution_input))


def _execute(self: Any, program: Any) -> None:
    details = self._evaluation_details
    started = ExecutionStartedEventDetails(
        input=to_json_str(details.execution_details.inpt),
        inputDetails=HistoryEventExecutionDataDetails(truncated=False),
        roleArn=details.aws_execution_details.role_arn,
    )
    self.env.event_manager.add_event(
        context=self.env.event_history_context,
        event_type=HistoryEventType.ExecutionStarted,
        event_details=EventDetails(executionStartedEventDetails=started),
        update_source_event_id=False,
    )
    program.eval(self.env)
    self._execution_communication.terminated()


def _stop(self: Any, stop_date: Any, error: str | None, cause: str | None) -> None:
    """The execution is aborted at once; a function still in flight ends by itself, unheard."""
    if self.env.is_running():
        self.env.set_stop(stop_date=stop_date, cause=cause, error=error)
        self._execution_communication.terminated()


def _terminated(self: Any, reflect: Any) -> None:
    """A worker whose execution was stopped, and goes on under another one since, has nothing to say about it."""
    if self is self.execution.exec_worker._execution_communication:
        _end(self.execution, reflect)


def _end(execution: Any, reflect: Any) -> None:
    if execution.status != _RUNNING:
        return
    reflect()
    state = execution.exec_worker.env.program_state()
    if isinstance(state, ProgramEnded):
        execution.output = to_json_str(execution.output, separators=(",", ":"))
    if isinstance(state, ProgramStopped):
        execution.error, execution.cause = state.error or None, state.cause or None
    ended = {"output": execution.output, "error": execution.error, "cause": execution.cause}
    bound().tell(_progress(execution, status=execution.status, input=execution.execution_input, **ended))
    for event in list(enders(execution)):
        event.set()


def _told(body: Any) -> Any:
    def eval_state(self: Any, env: Any) -> None:
        context = env.states.context_object.context_object_data
        execution, machine = context["Execution"], context["StateMachine"]
        now = bound().clock.now()
        arn, machine_arn, name = execution["Id"], machine["Id"], execution["Name"]
        bound().tell(Progress(now, arn, machine_arn, name, _RUNNING, state=self.name))
        place_of(env).enter(self.name, env.states.get_input())
        try:
            body(self, env)
        except Exception:
            if env.is_running():
                raise

    return eval_state


def _while_it_runs(from_error: Any) -> Any:
    """What is stopped evaluates nothing further, and moto trips over what is missing: that is no error of the state."""

    def event_of(self: Any, env: Any, ex: Exception) -> Any:
        if not env.is_running():
            raise ex
        return from_error(self, env, ex)

    return event_of


def _progress(execution: Any, **fields: Any) -> Progress:
    now = bound().clock.now()
    return Progress(now, execution.exec_arn, execution.state_machine_arn, execution.name, **fields)
