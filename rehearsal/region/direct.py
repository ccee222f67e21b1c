"""Clients of the region that need no socket: botocore checks and parses each call, moto's application answers it.

Measured: to deploy the stack takes five hundred calls. Over loopback each costs a signature, two parsers of HTTP and
several changes of thread, which took half of the CPU of a deployment. Whoever is judged comes over a socket all the
same.
"""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from moto.core.botocore_stubber import MockRawResponse

from rehearsal.lambdas.sandbox import REGION
from rehearsal.region.wsgi import Answering

NOWHERE = "http://region.invalid"
CONFIG = Config(
    retries={"total_max_attempts": 1},
    parameter_validation=True,
    signature_version=UNSIGNED,
    user_agent="cloudformation",
)


@functools.cache
def session() -> Any:
    """One session for all clients: each reads and keeps its services' models, some of them megabytes."""
    return boto3.session.Session(region_name=REGION)


class Exchange:
    """Connects this process's clients with the region that is up: there is one at a time."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}

    def connect(self, region: Answering) -> None:
        """From now on this region answers."""
        self._region = region

    def client(self, service: str) -> Any:
        """A client as CloudFormation itself would have; it outlives a region, as to make one takes long."""
        if service not in self._clients:
            made: Any = session().client(service, region_name=REGION, endpoint_url=NOWHERE, config=CONFIG)
            scope = f"cloudformation/20000101/{REGION}/{made.meta.service_model.signing_name}/aws4_request"
            signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
            made.meta.events.register_first("before-send", functools.partial(self._send, signed))
            self._clients[service] = made
        return self._clients[service]

    def _send(self, signed: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Answer what botocore has prepared; moto reads the service from the signature's scope."""
        target = urlsplit(request.url)._replace(scheme="", netloc="").geturl()
        headers = {**request.headers, "Authorization": signed}
        given = ((name, value if isinstance(value, str) else value.decode()) for name, value in headers.items())
        status, told, body = self._region(request.method, target, given, _whole(request.body))
        code = int(status.partition(" ")[0])
        return AWSResponse(request.url, code, HTTPHeaders.from_pairs(told), MockRawResponse(body))


def _whole(body: Any) -> bytes:
    """The body that botocore has prepared: nothing, text, bytes, or something to be read."""
    read = body.read() if hasattr(body, "read") else body or b""
    return read.encode() if isinstance(read, str) else bytes(read)


@functools.cache
def exchange() -> Exchange:
    """The one of this process, as moto's state is the process's."""
    return Exchange()
