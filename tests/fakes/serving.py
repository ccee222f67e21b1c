"""A small HTTP server of a test's own, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rehearsal.loopback import Loopback


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Yield its URL; it listens no longer afterwards."""
    server = Loopback(ThreadingHTTPServer(("127.0.0.1", 0), handler), handler.__name__)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
