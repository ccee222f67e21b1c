"""What the apiserver's answers mean in our five errors.

| the apiserver's answer | becomes | why |
|---|---|---|
| no connection, timeout, 5xx, 429, 401, 410 | Unavailable | it may work later; a new access entry takes a minute |
| 403 | Refused | the answer is no until a person changes an access entry or RBAC |
| 409 | Conflict | somebody else owns the field; the message names the manager |
| 404 and any other 4xx | Invalid | what we asked for cannot be done as asked |
"""

import json
from collections.abc import Mapping
from typing import Any

from kubernetes.client.exceptions import ApiException

from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable

MESSAGE_LENGTH = 300
RETRYABLE = {0, 401, 410, 429}
SERVER_ERROR = 500
OTHER_UID = ("uid mismatch", "metadata.uid: Invalid value", "Precondition failed: UID")
"""What apiserver says when the object is gone, and when another one has its name."""
UNDECLARED = "field not declared in schema"
"""Of an object to apply: an apiserver that does not know a field answers 500, however often it is asked."""


def translate(error: ApiException, doing: str) -> Exception:
    """The one of our errors that the answer means."""
    fields = fields_of(error)
    text = f"{doing}: HTTP {error.status}: {fields.get('message') or error.reason}"[:MESSAGE_LENGTH]
    return error_of(error.status)(text)


def error_of(status: int) -> type[Exception]:
    """The row of the module's table."""
    if status in RETRYABLE or status >= SERVER_ERROR:
        return Unavailable
    return {403: Refused, 409: Conflict}.get(status, Invalid)


def fields_of(error: ApiException) -> Mapping[str, Any]:
    """The Status object in the answer; empty where a proxy answered in its own words."""
    try:
        fields = json.loads(error.body or b"{}")
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
