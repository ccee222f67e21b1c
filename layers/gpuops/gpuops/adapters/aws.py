"""The one place where the SDK's ways of failing become our five errors.

| AWS's answer | becomes | why |
|---|---|---|
| throttling, 5xx, no connection, a scaling activity in progress | Unavailable | the same call may work later |
| access denied | Refused | the answer is no until a person changes a role |
| no capacity, a limit or quota reached | Refused | the world's answer is no |
| a duplicate of what somebody else does | Conflict | somebody else holds it |
| not found, malformed, any other 4xx | Invalid | what we were asked to act on is not there |
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable

RETRYABLE = {
    "InternalError",
    "InternalFailure",
    "ResourceContention",
    "ScalingActivityInProgress",
    "ServiceUnavailable",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "Unavailable",
}
DENIED = {"AccessDenied", "AccessDeniedException", "AuthFailure", "UnauthorizedOperation", "ExpiredToken"}
TAKEN = {"ResourceInUseException", "ResourceInUse", "IdempotentParameterMismatch"}
EXHAUSTED = ("InsufficientInstanceCapacity", "LimitExceeded", "QuotaExceeded", "VcpuLimit", "InsufficientFreeAddresses")
THROTTLED = ("Throttl", "RequestLimitExceeded", "TooManyRequests", "ProvisionedThroughputExceeded", "SlowDown")
SERVER_ERROR = 500


@cache
def session() -> Any:
    """Return the process's session: botocore's own, because boto3 would import s3transfer, half of a cold start."""
    return botocore.session.get_session()


@cache
def client(service: str, attempts: int = 3, region: str | None = None) -> Any:
    """Return a client that answers, or fails, well within a function's timeout.

    `attempts=1` is for calls that must not be repeated unseen: the SDK would send a lost termination with decrement
    again by itself, and the group would shrink twice. The state machine repeats them after a look at the group.
    Without a `region` it is the function's own.
    """
    config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": attempts})
    return session().create_client(service, region_name=region, config=config)


def client_token(*parts: str) -> str:
    """Return a token that is the same for the same (run, group, step): AWS then makes one thing of two calls."""
    return sha256("/".join(parts).encode()).hexdigest()[:48]


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the SDK's exceptions into ours; `doing` opens the message, so that a reader knows what failed."""
    try:
        yield
    except ClientError as error:
        raise error_of(error, doing) from error
    except (ParamValidationError, NoCredentialsError) as error:
        raise Invalid(f"{doing}: {error}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{doing}: {error}") from error


def code_of(error: ClientError) -> str:
    """Return AWS's error code; some services end it in `Fault`, some do not."""
    return str(error.response.get("Error", {}).get("Code", "")).removesuffix("Fault")


def error_of(error: ClientError, doing: str) -> Exception:
    """Return the one of our errors that AWS's answer means; the table is this module's docstring."""
    code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"{doing}: {code}: {message}"
    if status >= SERVER_ERROR or code in RETRYABLE or any(name in code for name in THROTTLED):
        return Unavailable(text)
    if code in DENIED or any(name in code for name in EXHAUSTED):
        return Refused(text)
    return Conflict(text) if code in TAKEN else Invalid(text)
