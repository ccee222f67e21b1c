"""CloudFormation of the region: moto's API in front, our stacks behind, the SAM transform before both.

`sam deploy` and our own deploy take the same way: change set or stack, transform, put, outputs. Left out: rollback
(a failed stack says what failed and stays as it is), drift, nested stacks, exports.
Stack timestamps are real: `sam deploy` compares them with its own clock.
"""

from __future__ import annotations

import functools
import json
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

import boto3
from moto.cloudformation import models, responses
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.parsing import Output
from moto.s3.models import s3_backends
from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from rehearsal.lambdas.sandbox import REGION
from rehearsal.region.intrinsics import TemplateError
from rehearsal.region.kinds import Account
from rehearsal.region.kinds.identity import managed_policy_arns
from rehearsal.region.patches import Patches
from rehearsal.region.stack import Resources

TRANSFORM = "AWS::Serverless-2016-10-31"


@functools.lru_cache(maxsize=16)
def transform(template: str, parameters: tuple[tuple[str, Any], ...]) -> str:
    """The template without SAM's own types, as AWS's transform leaves it."""
    parsed = _read(template)
    transforms = parsed.get("Transform") or []
    if TRANSFORM not in (transforms if isinstance(transforms, list) else [transforms]):
        return json.dumps(parsed, default=str)
    parsed.pop("Transform")
    session = boto3.session.Session(region_name=REGION)
    metrics = Metrics("rehearsal", DummyMetricsPublisher())
    translated = Translator({}, Parser(), None, session, metrics).translate(
        parsed, dict(parameters), get_managed_policy_map=managed_policy_arns
    )
    metrics.publish()  # to nobody; unpublished ones complain on standard error
    return json.dumps(translated, default=str)


def _read(template: str) -> Any:
    """YAML as `sam deploy` uploads it, or JSON, as we do: that is read a hundred times as fast."""
    try:
        return json.loads(template)
    except ValueError:
        return yaml_parse(template)


def _transformed(template: str, parameters: dict[str, Any] | None) -> str:
    try:
        return transform(template, tuple(sorted((parameters or {}).items())))
    except Exception as error:  # the translator raises what its plugins raise; the caller needs the text
        raise ValidationError(message=f"Transform {TRANSFORM} failed with: {error}") from error


class _Outputs:
    """What moto's Stack asks of its output map."""

    exports: tuple[Any, ...] = ()

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def values(self) -> list[Any]:
        """Of moto's own type, for its answers."""
        return [Output(key, value, description) for key, value, description in self._resources.outputs]


class CloudFormation:
    """Installs itself into moto's backend; one stack is worked on at a time."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.RLock()

    def install(self, patches: Patches) -> None:
        """Replace the parts of moto that make resources."""
        patches.set(models.Stack, "_create_resource_map", _method(self._resources))
        # Templates are JSON by now, and moto would read them with a pure-Python YAML parser four times.
        patches.set(models.Stack, "parse_template", staticmethod(json.loads))
        patches.set(models.ChangeSet, "_parse_template", _parse)
        patches.set(models.Stack, "_create_output_map", lambda stack: _Outputs(stack.resource_map))
        patches.set(models.Stack, "create_resources", _method(self._create))
        backend = models.CloudFormationBackend
        for name in ("create_stack", "create_change_set"):
            patches.set(backend, name, _with_transform(getattr(backend, name)))
        patches.set(backend, "update_stack", _method(self._update_stack))
        patches.set(backend, "execute_change_set", _method(self._execute))
        patches.set(responses, "get_stack_from_s3_url", _from_s3)

    def _resources(self, stack: Any) -> Resources:
        return Resources(self._account, stack.stack_id, stack.name, stack.parameters)

    def _create(self, stack: Any) -> None:
        self._apply(stack, stack.template, stack.parameters, "CREATE")

    def _update_stack(
        self, backend: Any, *, name: str, template: str, parameters: list[dict[str, Any]], **_: Any
    ) -> Any:
        stack = backend.get_stack(name)
        given = backend._resolve_update_parameters(instance=stack, incoming_params=parameters)  # noqa: SLF001
        self._apply(stack, _transformed(template, given), given, "UPDATE")
        return stack

    def _execute(self, backend: Any, *, change_set_name: str, **_: Any) -> None:
        change_set = backend.describe_change_set(change_set_name)
        if change_set.execution_status != "AVAILABLE":
            raise ValidationError(message=f"ChangeSet [{change_set_name}] cannot be executed")
        change_set.execution_status = "EXECUTE_COMPLETE"
        self._apply(change_set.stack, change_set.template, change_set.parameters, change_set.change_set_type)

    def _apply(self, stack: Any, template: str, parameters: dict[str, Any], what: str) -> None:
        with self._lock:
            stack.status = f"{what}_IN_PROGRESS"
            stack._add_stack_event(stack.status, resource_status_reason="User Initiated")  # noqa: SLF001
            stack.template, stack.parameters = template, parameters
            stack.template_dict = json.loads(template)
            stack.description = stack.template_dict.get("Description")
            reason = None
            try:
                stack.resource_map.update(stack.template_dict, parameters)
                stack.status = f"{what}_COMPLETE"
            except TemplateError as error:
                reason, stack.status = str(error), f"{what}_FAILED"
            stack.stack_status_reason = reason
            stack._add_stack_event(stack.status, resource_status_reason=reason)  # noqa: SLF001
        if reason:
            raise ValidationError(message=reason)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A bound method is no descriptor: set on moto's class it would not get the instance."""

    def call(*args: Any, **given: Any) -> Any:
        return function(*args, **given)

    return call


def _from_s3(template_url: str, account_id: str, partition: str) -> str:
    """The template behind a URL; every endpoint's address is path style, also ours, which moto does not know."""
    bucket, key = urllib.parse.urlparse(template_url).path.lstrip("/").split("/", 1)
    return str(s3_backends[account_id][partition].get_object(bucket, key).value.decode())


def _parse(change_set: Any) -> None:
    change_set.template_dict = json.loads(change_set.template)


def _with_transform(method: Any) -> Any:
    def call(backend: Any, *args: Any, **given: Any) -> Any:
        return method(backend, *args, **{**given, "template": _transformed(given["template"], given.get("parameters"))})

    return call
