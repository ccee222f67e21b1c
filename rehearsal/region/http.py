"""moto's server on loopback, with keep-alive and a lease of the clock for each request.

Time must not pass between a request and its answer, whoever asks; only a call that itself waits for simulated time
to pass must let it pass.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from rehearsal.clock import Clock

# A synchronous execution and a worker that polls for an activity end only when simulated time passes.
WAITING_TARGETS = {"AWSStepFunctions.StartSyncExecution", "AWSStepFunctions.GetActivityTask"}


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_expect_100(self) -> bool:
        """Tell a client at once that its body is welcome: boto3 would wait for a second, at every upload."""
        welcome = bool(super().handle_expect_100())
        self.wfile.flush()
        return welcome

    def log(self, *args: Any) -> None:
        """The wire records the calls that matter."""


class _Server(ThreadedWSGIServer):  # type: ignore[misc]
    daemon_threads = True
    block_on_close = False


class Leased:
    """A WSGI application whose every call holds the clock."""

    def __init__(self, app: Any, clock: Clock) -> None:
        self._app, self._clock = app, clock

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer completely while the lease is held."""
        if _waits(environ):
            return list(self._app(environ, start_response))
        with self._clock.lease(f"region/{_what(environ)}"):
            return list(self._app(environ, start_response))


def _what(environ: dict[str, Any]) -> str:
    return str(environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")


def _waits(environ: dict[str, Any]) -> bool:
    return environ.get("HTTP_X_AMZ_TARGET") in WAITING_TARGETS


@functools.cache
def _application() -> Any:
    """The application of moto holds no state, and takes a quarter of a second for each service to make."""
    return DomainDispatcherApplication(create_backend_app)


class HttpServer:
    """Serves on a free loopback port until stopped."""

    def __init__(self, clock: Clock, port: int = 0) -> None:
        self._server = _Server("127.0.0.1", port, Leased(_application(), clock), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="region", daemon=True)

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until the thread is gone."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
