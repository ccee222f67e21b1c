"""What moto's Step Functions API forgets to say: a stop's error and cause, a failure's cause, when it timed out."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.responses import StepFunctionResponse

_TIMED_OUT = "TIMED_OUT"


def patch_responses() -> None:
    """Complete the requests and answers."""
    StepFunctionResponse.stop_execution = _stop_execution
    StepFunctionResponse.send_task_failure = _send_task_failure
    describe, listing = StepFunctionResponse.describe_execution, StepFunctionResponse.list_executions
    StepFunctionResponse.describe_execution = lambda self: _dated(self, describe(self), lambda body: [body])
    StepFunctionResponse.list_executions = lambda self: _dated(self, listing(self), lambda body: body["executions"])


def _stop_execution(self: Any) -> Any:
    arn = self._get_param("executionArn")
    execution = self.stepfunction_backend.describe_execution(arn)
    error, cause = self._get_param("error"), self._get_param("cause")
    now = execution.start_date.now(execution.start_date.tzinfo)
    execution.stop(stop_date=now, error=error, cause=cause)
    return ActionResult({"stopDate": execution.stop_date or now})


def _send_task_failure(self: Any) -> Any:
    token, error, cause = (self._get_param(name) for name in ("taskToken", "error", "cause"))
    self.stepfunction_backend.send_task_failure(token, error=error, cause=cause)
    return EmptyResult()


def _dated(self: Any, answer: Any, items: Any) -> Any:
    for item in items(answer.result):
        if item["status"] == _TIMED_OUT:
            item["stopDate"] = self.stepfunction_backend.describe_execution(item["executionArn"]).stop_date
    return answer
