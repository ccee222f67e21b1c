"""Lambda tasks: the function is run in the state's own thread, so that what it is charged passes on the clock."""

import json
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)

from rehearsal.engine.bindings import bound


def patch_invocations() -> None:
    """Replace the call, and the name that Step Functions gives to a refusal."""
    lambda_eval_utils._invoke_lambda_function = _invoke
    name = StateTaskServiceLambda._error_cause_from_client_error
    StateTaskServiceLambda._error_cause_from_client_error = staticmethod(lambda error: _named(name(error)))


def _invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:
    del region
    function = str(parameters["FunctionName"]).split("function:")[-1].split(":")[0]
    here = bound()
    if here.authorise is not None and not here.authorise(state_credentials.role_arn, function):
        message = f"{state_credentials.role_arn} is not authorized to perform: lambda:InvokeFunction on {function}"
        raise _client_error(403, "AccessDeniedException", message)
    try:
        payload, failure = here.invoke(function, parameters.get("Payload", b"{}"))
    except LookupError as error:
        raise _client_error(404, "ResourceNotFoundException", f"Function not found: {function}") from error
    response = {"ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": _decoded(payload)}
    return {**response, "FunctionError": failure} if failure else response


def _decoded(payload: bytes) -> Any:
    text = payload.decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def _client_error(status: int, code: str, message: str) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "RequestId": bound().uuid()}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "Invoke")


def _named(named: tuple[str, str]) -> tuple[str, str]:
    error, cause = named
    return ("Lambda.AWSLambdaException" if error == "Lambda.AccessDeniedException" else error), cause
