"""How AWS's answers become our five errors: the table at the top of the adapter, row by row."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from gpuops.adapters.aws import client_token, translated
from gpuops.adapters.executions import Executions
from gpuops.adapters.images import Images
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable

CODES = [
    ("ThrottlingException", 400, Unavailable),
    ("RequestLimitExceeded", 503, Unavailable),
    ("InternalFailure", 500, Unavailable),
    ("ScalingActivityInProgressFault", 400, Unavailable),
    ("AccessDenied", 403, Refused),
    ("UnauthorizedOperation", 403, Refused),
    ("InsufficientInstanceCapacity", 400, Refused),
    ("VcpuLimitExceeded", 400, Refused),
    ("ResourceInUse", 400, Conflict),
    ("ValidationError", 400, Invalid),
    ("ResourceNotFoundException", 404, Invalid),
]


@pytest.mark.parametrize(("code", "status", "expected"), CODES)
def test_every_answer_of_aws_becomes_one_of_ours(code: str, status: int, expected: type[Exception]) -> None:
    """Its words stay in the message, with what we were doing before them."""
    answer: Any = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    with pytest.raises(expected, match=r"^doing: .*why$"), translated("doing"):
        raise ClientError(answer, "Op")


def test_no_connection_is_retried_and_our_own_mistake_is_not() -> None:
    """Both are raised without asking AWS."""
    with pytest.raises(Unavailable), translated("doing"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    with pytest.raises(Invalid), translated("doing"):
        raise ParamValidationError(report="x")


class Down:
    """Any service, without a connection."""

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

        return call


def test_no_connection_leaves_the_adapters_as_unavailable() -> None:
    """Not as botocore's own exception, which no Retry of a state machine names."""
    with pytest.raises(Unavailable, match="describe execution arn:x"):
        Executions(Down()).find("arn:x")
    with pytest.raises(Unavailable, match="describe images"):
        Images(Down(), Down(), Down()).describe(["ami-1"])


def test_a_token_is_the_same_for_the_same_step_and_no_other() -> None:
    """AWS makes one version of two calls; the longest names still fit its 64 characters."""
    assert client_token("run", "gpu") == client_token("run", "gpu") != client_token("run", "cpu")
    assert len(client_token("r" * 80, "g" * 255)) <= 64
