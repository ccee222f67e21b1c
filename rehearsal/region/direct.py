"""Clients of the region that need no socket: botocore checks and parses each call, moto's application answers it.

Measured: to deploy the stack takes five hundred calls. Over loopback each costs a signature, two parsers of HTTP and
several changes of thread, which took half of the CPU of a deployment. Whoever is judged comes over a socket all the
same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from moto.core.botocore_stubber import MockRawResponse
from moto.core.request import Request

from rehearsal.lambdas.sandbox import REGION

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""As WSGI has it."""
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

    def connect(self, url: str, application: Application) -> None:
        """From now on this region answers; `url` is where it says it is."""
        self._place, self._application = urlsplit(url), application

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
        url = urlunsplit(urlsplit(request.url)._replace(scheme=self._place.scheme, netloc=self._place.netloc))
        headers = {**request.headers, "Authorization": signed}
        environ = Request.from_primitives(request.method, url, headers, request.body).environ
        told: list[Any] = []
        body = b"".join(self._application(environ, lambda status, given, *_: told.extend((status, given))))
        return AWSResponse(url, int(told[0].partition(" ")[0]), HTTPHeaders.from_pairs(told[1]), MockRawResponse(body))


@functools.cache
def exchange() -> Exchange:
    """The one of this process, as moto's state is the process's."""
    return Exchange()
