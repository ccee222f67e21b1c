"""The Lambda API of the region: moto keeps the functions, our processes run them.

Hooked at the API, not in CloudFormation, so that whoever changes a function (a stack, `sam deploy` for the second
time, UpdateFunctionCode from outside) changes what runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from moto.awslambda.models import LambdaBackend
from moto.awslambda_simple.models import LambdaSimpleBackend

from rehearsal.lambdas import FunctionSpec, Lambdas
from rehearsal.region.patches import Patches


def install(patches: Patches, lambdas: Lambdas) -> None:
    """Follow every change of a function, and answer invocations."""

    def deploy(backend: Any, name: str) -> None:
        lambdas.deploy(spec_of(backend, backend.get_function(name, None)))

    _after(patches, "create_function", lambda backend, spec: deploy(backend, spec["FunctionName"]))
    for name in ("update_function_code", "update_function_configuration"):
        _after(patches, name, lambda backend, function_name, *_: deploy(backend, function_name))
    _after(patches, "delete_function", lambda _, function_name, *__: lambdas.remove(function_name.split(":")[-1]))
    patches.set(LambdaSimpleBackend, "invoke", functools.partialmethod(_invoke, lambdas))


def spec_of(backend: Any, function: Any) -> FunctionSpec:
    """A function as our processes need it."""
    layers = [backend.layers_versions_by_arn(layer["Arn"]).code_bytes for layer in function.layers]
    return FunctionSpec(
        name=function.function_name,
        code=function.code_bytes,
        handler=function.handler,
        role_arn=function.role,
        layers=tuple(layers),
        environment=dict(function.environment_vars),
        timeout_seconds=int(function.timeout),
        memory_mib=int(function.memory_size),
    )


def _after(patches: Patches, name: str, then: Callable[..., None]) -> None:
    original = getattr(LambdaBackend, name)

    def call(backend: Any, *args: Any, **given: Any) -> Any:
        result = original(backend, *args, **given)
        then(backend, *args, *given.values())
        return result

    patches.set(LambdaBackend, name, call)


def _invoke(backend: Any, lambdas: Lambdas, *call: Any) -> bytes:
    """RequestResponse waits for the answer, Event is only accepted, DryRun does nothing."""
    function_name, qualifier, body, headers, answer = call
    function = backend.get_function(function_name, qualifier)
    payload = body if isinstance(body, bytes) else (body or "{}").encode()
    kind = headers.get("X-Amz-Invocation-Type")
    if kind == "Event":
        lambdas.start(function.function_name, payload)
    if kind in ("Event", "DryRun"):
        return b""
    result, error = lambdas.invoke(function.function_name, payload)
    if error:
        answer["x-amz-function-error"] = error
    return result
