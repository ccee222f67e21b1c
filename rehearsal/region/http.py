"""moto's server on loopback, with keep-alive and a lease of the clock for each request.

Time must not pass between a request and its answer, whoever asks; only a call that itself waits for simulated time
to pass must let it pass.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from rehearsal.clock import Clock
from rehearsal.loopback import Loopback
from rehearsal.region.dispatch import application
from rehearsal.region.wsgi import Answered, Headers, answer_of, environ_of

# A synchronous execution and a worker that polls for an activity end only when simulated time passes.
WAITING_TARGETS = {"AWSStepFunctions.StartSyncExecution", "AWSStepFunctions.GetActivityTask"}


Service = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, Any]]]
"""A service that moto lacks: method, path, query and body in, status and JSON out."""


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    rfile: Any

    def handle_expect_100(self) -> bool:
        """Tell a client at once that its body is welcome: boto3 would wait for a second, at every upload."""
        welcome = bool(super().handle_expect_100())
        self.wfile.flush()
        return welcome

    def log(self, *args: Any) -> None:
        """The wire records the calls that matter."""

    def run_wsgi(self) -> None:
        """One request on a connection that stays open; werkzeug closes each, and looks for 10 ms whether more comes."""
        if self.headers.get("Transfer-Encoding"):
            super().run_wsgi()  # a body of unknown length is rare
            return
        stream, body = self.rfile, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.rfile = io.BytesIO(body)
        environ = self.make_environ()
        self.rfile = stream
        self._answer(environ)

    def _answer(self, environ: dict[str, Any]) -> None:
        status, headers, body = answer_of(self.server.app, environ)
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if environ["REQUEST_METHOD"] != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


class _Server(ThreadedWSGIServer):  # type: ignore[misc]
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        self._closed = False
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End the threads of kept connections, too: each would keep its whole region in memory for ever."""
        self._closed = True
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nobody waits any more for an answer that the end has cut off."""
        if not (self._closed and isinstance(sys.exception(), OSError)):
            super().handle_error(request, client_address)


class Leased:
    """A WSGI application whose every call holds the clock."""

    def __init__(self, app: Any, clock: Clock, own: Mapping[str, Service]) -> None:
        self._app, self._clock, self._own = app, clock, own

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer completely while the lease is held."""
        if _waits(environ):
            return list(self._app(environ, start_response))
        with self._clock.lease(f"region/{_what(environ)}"):
            service = next((own for name, own in self._own.items() if _signed_for(environ, name)), None)
            if service is not None:
                return _serve(service, environ, start_response)
            return list(self._app(environ, start_response))


def _signed_for(environ: dict[str, Any], service: str) -> bool:
    return f"/{service}/aws4_request" in str(environ.get("HTTP_AUTHORIZATION", ""))


def _serve(service: Service, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """One call to a service of ours, which speaks REST with JSON."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status, answer = service(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, body)
    kind = {"x-amzn-ErrorType": str(answer["__type"])} if "__type" in answer else {}
    start_response(f"{status} {HTTPStatus(status).phrase}", [("Content-Type", "application/json"), *kind.items()])
    return [json.dumps(answer).encode()]


def _what(environ: dict[str, Any]) -> str:
    return str(environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")


def _waits(environ: dict[str, Any]) -> bool:
    return environ.get("HTTP_X_AMZ_TARGET") in WAITING_TARGETS


class HttpServer(Loopback):
    """The endpoint of every service."""

    def __init__(self, clock: Clock, port: int = 0, own: Mapping[str, Service] | None = None) -> None:
        self._clock, self._app = clock, Leased(application(), clock, {} if own is None else own)
        super().__init__(_Server("127.0.0.1", port, self._app, _Handler), "region")

    def direct(self, method: str, target: str, headers: Headers, body: bytes) -> Answered:
        """Answer a request without a socket, and all the same as one that a thread of the server answers."""
        with self._clock.apart():
            return answer_of(self._app, environ_of(method, f"{self.url}{target}", headers, body))
