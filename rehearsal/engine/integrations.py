"""SDK integrations: clients under the machine's role, PascalCase parameters, error names as the docs spell them."""

import datetime as dt
import importlib
import sys
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_sfn,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.utils import camel_to_snake_case

from rehearsal.engine.bindings import bound
from rehearsal.engine.timing import iso

_ERROR_PREFIXES = {
    "autoscaling": "AutoScaling", "cloudformation": "CloudFormation", "cloudwatch": "CloudWatch",
    "dynamodb": "DynamoDb", "ec2": "Ec2", "eks": "Eks", "eventbridge": "EventBridge", "iam": "Iam",
    "lambda": "Lambda", "s3": "S3", "scheduler": "Scheduler", "sfn": "Sfn", "sns": "Sns", "sqs": "Sqs",
    "ssm": "Ssm", "states": "StepFunctions", "sts": "Sts",
}  # fmt: skip
_BOTO_NAMES = {"eventbridge": "events", "cloudwatchlogs": "logs", "cloudwatchevents": "events"}
_original_client = boto_client.boto_client_for


def patch_integrations() -> None:
    """Replace the clients wherever they were imported, the casing that moto left empty, and the names of errors."""
    importlib.import_module(f"{StateTaskService.__module__}_factory")  # it imports every user of the client function
    for module in list(sys.modules.values()):
        if getattr(module, "boto_client_for", None) is _original_client:
            module.boto_client_for = _client  # type: ignore[attr-defined]
    StateTaskService._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES.update(_BOTO_NAMES)
    StateTaskService._normalise_parameters = _to_boto
    StateTaskService._normalise_response = _from_boto
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES.update(_ERROR_PREFIXES)
    original = StateTaskService._from_error
    StateTaskService._from_error = lambda self, env, ex: _unreachable(self, env, ex) or original(self, env, ex)
    sfn = state_task_service_sfn.StateTaskServiceSfn
    own = sfn._from_error
    sfn._from_error = lambda self, env, ex: _undoubled(own(self, env, ex))


def _client(region: str, service: str, state_credentials: Any = None) -> Any:
    here = bound()
    role = getattr(state_credentials, "role_arn", "")
    key = (service, role)
    if key not in here.clients:
        make = here.client_for
        here.clients[key] = make(service, role) if make else _original_client(region, service, state_credentials)
    return here.clients[key]


@lru_cache(maxsize=256)
def _operation(service: str, action: str) -> Any:
    model = botocore.session.get_session().get_service_model(service)
    names = {camel_to_snake_case(name): name for name in model.operation_names}
    return model.operation_model(names[action])


def _to_boto(self: Any, parameters: Any, boto_service_name: Any = None, service_action_name: Any = None) -> None:
    service, action = self._get_boto_service_name(boto_service_name), self._get_boto_service_action(service_action_name)
    shape = _operation(service, action).input_shape
    if shape is not None:
        self._to_boto_request(parameters, shape)


def _from_boto(self: Any, response: Any, boto_service_name: Any = None, service_action_name: Any = None) -> None:
    service, action = self._get_boto_service_name(boto_service_name), self._get_boto_service_action(service_action_name)
    shape = _operation(service, action).output_shape
    if shape is not None:
        self._from_boto_response(response, shape)
    _write_times(response)


def _write_times(value: Any) -> None:
    """A state's data is JSON: times become text."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        if isinstance(item, dt.datetime):
            value[key] = iso(item)
        else:
            _write_times(item)


def _unreachable(self: Any, env: Any, error: Exception) -> Any:
    """No answer at all is the SDK's own error, which a Retry can name."""
    if not isinstance(error, BotoCoreError):
        return None
    service = self.resource.api_name if "aws-sdk" in self.resource.resource_arn else self.resource.service_name
    name = f"{_ERROR_PREFIXES.get(service, service.title())}.SdkClientException"
    details = TaskFailedEventDetails(
        error=name, cause=str(error), resource=self._get_sfn_resource(), resourceType=self._get_sfn_resource_type()
    )
    return FailureEvent(
        env=env,
        error_name=CustomErrorName(name),
        event_type=HistoryEventType.TaskFailed,
        event_details=EventDetails(taskFailedEventDetails=details),
    )


def _undoubled(event: Any) -> Any:
    """A code that ends in Exception gets it added by moto: StepFunctions.ThrottlingExceptionException."""
    details = event.event_details.get("taskFailedEventDetails")
    if details and details["error"].endswith("ExceptionException"):
        details["error"] = details["error"].removesuffix("Exception")
        event.error_name.error_name = details["error"]
    return event
