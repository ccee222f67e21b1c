"""Reads service, operation and parameters out of one HTTP request to AWS.

Four protocols look different on the wire; IAM and the fault rules want one shape. Only the REST services need
botocore's model (their operation is in method, path and query); the others name it in a header, a field or the path.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session

from rehearsal.wire.messages import Request

IAM_PREFIX = {"monitoring": "cloudwatch", "tagging": "tag"}
"""Signing names that IAM spells otherwise (the Service Authorization Reference)."""
REST_SERVICES = {"s3", "eks", "lambda", "scheduler", "imagebuilder"}
IN_BODY = {"eks", "imagebuilder"}
"""REST services whose bodies say what is touched, or how; an invocation's body is its function's, and says nothing."""
COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
"""S3 tells these from the upload by a header alone."""
CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/,\s]+)/([^/,\s]+)/aws4_request")


@dataclass(frozen=True)
class AwsCall:
    """One call as AWS's own documentation would name it."""

    access_key: str | None
    service: str
    """IAM's prefix: autoscaling, states, cloudwatch…"""
    operation: str
    protocol: str
    """query | ec2 | json | cbor | rest-json | rest-xml"""
    params: Mapping[str, Any] = field(default_factory=dict)


def read_call(request: Request) -> AwsCall:
    """Never fails: a request it cannot read has the operation `?`, and no role is granted that."""
    query = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
    access_key, signing = _credential(request, query)
    service = IAM_PREFIX.get(signing, signing)
    if target := request.header("x-amz-target"):
        return AwsCall(access_key, service, target.rpartition(".")[2], "json", _json(request.body))
    path = urlsplit(request.target).path
    if found := re.fullmatch(r"/service/[^/]+/operation/(\w+)", path):
        return AwsCall(access_key, service, found[1], "cbor")
    if signing in REST_SERVICES:
        return _rest_call(request, path, query, access_key, signing)
    if signing == "aps":
        return _metrics_call(path, access_key)
    form = {**query, **dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))}
    return AwsCall(access_key, service, form.get("Action", "?"), "ec2" if signing == "ec2" else "query", form)


def _metrics_call(path: str, access_key: str | None) -> AwsCall:
    """A workspace's Prometheus API, which botocore has no model of."""
    found = re.fullmatch(r"/workspaces/([^/]+)/api/v1/query(_range)?", path)
    if found is None:
        return AwsCall(access_key, "aps", "?", "rest-json")
    return AwsCall(access_key, "aps", "QueryMetrics", "rest-json", {"workspaceId": found[1]})


def _credential(request: Request, query: Mapping[str, str]) -> tuple[str | None, str]:
    presigned = f"Credential={query.get('X-Amz-Credential', '')}"
    header = request.header("authorization") or ""
    if found := CREDENTIAL.search(header or presigned):
        return found[1], found[3]
    # Signature version 2, which boto3 still presigns S3 URLs with: without this line they would pass as `outside`.
    key = query.get("AWSAccessKeyId") or (header[4:].partition(":")[0] if header.startswith("AWS ") else None)
    return (key, "s3") if key else (None, "?")


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:  # the region says what is wrong with it
        return {}
    return value if isinstance(value, dict) else {}


def _rest_call(request: Request, path: str, query: Mapping[str, str], access_key: str | None, service: str) -> AwsCall:
    protocol, routes = _routes(service)
    for route in routes:
        params = route.match(request.method, path, query)
        if params is not None:
            operation, body = _by_header(route.operation, request), _json(request.body) if service in IN_BODY else {}
            return AwsCall(access_key, service, operation, protocol, {**body, **query, **params, **_copied(request)})
    return AwsCall(access_key, service, "?", protocol)


def _by_header(operation: str, request: Request) -> str:
    return COPIES.get(operation, operation) if request.header("x-amz-copy-source") else operation


def _copied(request: Request) -> dict[str, str]:
    source = request.header("x-amz-copy-source")
    return {"CopySource": unquote(source).lstrip("/")} if source else {}


@dataclass(frozen=True)
class Route:
    """One operation of a REST service: its method, path and the query that tells it from its neighbours."""

    operation: str
    method: str
    path: re.Pattern[str]
    needs: Mapping[str, str]
    required: frozenset[str]

    def match(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, str] | None:
        """Path parameters if this is the operation, else None."""
        found = self.path.fullmatch(path) if method == self.method else None
        if found is None or not self.required <= query.keys():
            return None
        if any(key not in query or (value and query[key] != value) for key, value in self.needs.items()):
            return None
        return {key: unquote(value) for key, value in found.groupdict().items()}


@cache
def _routes(service: str) -> tuple[str, tuple[Route, ...]]:
    """Routes of a service, the most particular first: S3 tells many operations apart by their query alone."""
    model = botocore.session.get_session().get_service_model(service)
    routes = [_route(model.operation_model(name)) for name in model.operation_names if name not in COPIES.values()]
    routes.sort(key=lambda r: (-len(r.needs), -len(r.required), r.path.pattern.count("(?P<"), r.operation))
    return str(model.resolved_protocol), tuple(routes)


def _route(operation: Any) -> Route:
    template, _, literal = operation.http["requestUri"].partition("?")
    shape = operation.input_shape
    members = shape.members if shape else {}
    required = {
        members[name].serialization["name"]
        for name in (shape.required_members if shape else ())
        if members[name].serialization.get("location") == "querystring"
    }
    pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", _placeholder, re.escape(template))
    return Route(
        operation.name,
        operation.http["method"],
        re.compile(pattern + "/?"),
        dict(parse_qsl(literal, keep_blank_values=True)),
        frozenset(required),
    )


def _placeholder(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"
