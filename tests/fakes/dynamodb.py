"""moto's DynamoDB without the post between: botocore checks each call, and moto's own handler answers it.

Measured: to sign a request, take it apart again, and write and read the answer took four fifths of the CPU of a call,
and calls of the table more than half of most unit tests'. One call after the other, because moto looks at an item and
writes it in two steps, which DynamoDB does in one.
"""

import json
from functools import cache
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel
from moto.core.exceptions import JsonRESTError
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.responses import DynamoHandler

ACCOUNT, REGION = "123456789012", "us-east-1"
"""moto's own account."""
ONE_AT_A_TIME = Lock()


@cache
def client() -> Any:
    """The client of all tests in this process: making one takes longer than most of them."""
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    sdk: Any = boto3
    made = sdk.client("dynamodb", region_name=REGION, **keys)
    made.meta.events.register("before-call.dynamodb", _answer)
    return made


def _answer(model: OperationModel, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
    """What botocore's hook gives instead of sending: a status, and the answer as botocore would have parsed it."""
    handler = DynamoHandler()
    handler.current_account, handler.region, handler.uri_match = ACCOUNT, REGION, {}
    handler.params = handler.body = json.loads(params["body"])
    try:
        with ONE_AT_A_TIME:
            found: Any = getattr(handler, camelcase_to_underscores(model.name))().result
    except JsonRESTError as refused:
        told = json.loads(refused.description)
        error = {"Code": refused.relative_error_type, "Message": refused.message}
        return _status(refused.code), {**told, "Error": error, "ResponseMetadata": {"HTTPStatusCode": refused.code}}
    known = model.output_shape.members if model.output_shape else ()
    return _status(200), {name: found[name] for name in known if found.get(name) is not None}


def _status(code: int) -> Any:
    return SimpleNamespace(status_code=code)
