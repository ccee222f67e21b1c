"""waitForTaskToken: a stopped execution ends the wait, and a missed heartbeat has its own error name."""

from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, TaskTimedOutEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import HeartbeatTimeoutError
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from rehearsal.engine.environment import on_end


def patch_callbacks() -> None:
    """Wrap the wait and the naming of its errors."""
    wait, name = StateTaskServiceCallback._eval_wait_for_task_token, StateTaskServiceCallback._from_error
    StateTaskServiceCallback._eval_wait_for_task_token = _interruptible(wait)
    StateTaskServiceCallback._from_error = lambda self, env, ex: _heartbeat(self, env, ex) or name(self, env, ex)


def _interruptible(wait: Any) -> Any:
    def eval_wait(self: Any, env: Any, **options: Any) -> Any:
        endpoints = options["callback_endpoint"], options["heartbeat_endpoint"]
        events = [endpoints[0]._notify_event] + ([endpoints[1]._next_heartbeat_event] if endpoints[1] else [])
        on_end(env).update(dict.fromkeys(events))
        return wait(self, env, **options)

    return eval_wait


def _heartbeat(self: Any, env: Any, error: Exception) -> Any:
    if not isinstance(error, HeartbeatTimeoutError):
        return None
    kind = StatesErrorNameType.StatesHeartbeatTimeout
    details = TaskTimedOutEventDetails(
        resourceType=self._get_sfn_resource_type(), resource=self._get_sfn_resource(), error=kind.to_name()
    )
    return FailureEvent(
        env=env,
        error_name=StatesErrorName(typ=kind),
        event_type=HistoryEventType.TaskTimedOut,
        event_details=EventDetails(taskTimedOutEventDetails=details),
    )
