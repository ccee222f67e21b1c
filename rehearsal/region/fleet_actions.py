"""Hangs plain functions (parameters in, answer out) into moto's response classes.

moto parses the request and serialises the answer by botocore's own model, so an answer can only have AWS's shape;
its backends, which know nothing of the clock, are left aside.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.core.responses import ActionResult, BaseResponse

from rehearsal.region.patches import Patches

Params = Mapping[str, Any]
Handler = Callable[[Params], Mapping[str, Any] | None]
T = TypeVar("T")


def refuse(code: str, message: str) -> Exception:
    """The error that boto3 raises as ClientError with this code; moto finds the service's model by the class."""
    error: Exception = AutoscalingClientError(code, message)
    return error


def install(patches: Patches, responses: type, handlers: Mapping[str, Handler]) -> None:
    """Replace methods of a response class."""
    for name, handler in handlers.items():
        patches.set(responses, name, _method(handler))


def withhold(patches: Patches, responses: type, keep: Iterable[str]) -> None:
    """Make every other operation of the class fail loudly instead of answering from moto's empty model."""
    for name, member in list(vars(responses).items()):
        if inspect.isfunction(member) and name not in keep and not hasattr(BaseResponse, name):
            patches.set(responses, name, _method(_missing(name)))


def page(items: Sequence[T], params: Params, size_key: str, default: int) -> tuple[list[T], str | None]:
    """One page of a list, and the token of the next; the token is an offset, which callers must not rely on."""
    start, size = int(params.get("NextToken") or 0), int(params.get(size_key) or default)
    end = start + size
    return list(items[start:end]), str(end) if end < len(items) else None


def _method(handler: Handler) -> Callable[[Any], Any]:
    def respond(self: Any) -> Any:
        return ActionResult(handler({**self._get_params(), **_sent(self.body), **self.uri_match}))

    return respond


def _sent(body: Any) -> dict[str, Any]:
    """The parameters in the body of a REST call; other protocols' are moto's own business."""
    return dict(json.loads(body)) if isinstance(body, str) and body.startswith("{") else {}


def _missing(name: str) -> Handler:
    def fail(_params: Params) -> None:
        raise refuse("UnsupportedOperation", f"{name} is not part of the rehearsal")

    return fail
