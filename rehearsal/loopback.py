"""A server on loopback with a thread of its own, from `start` to `stop`."""

import contextlib
import socket
import threading
from http.server import HTTPServer
from socketserver import TCPServer

LISTEN_SECONDS = 86_400.0
"""For how long a server sleeps until it looks whether it is to stop: `end` wakes it up."""


def end(server: TCPServer) -> None:
    """Have a server that sleeps for so long stop serving, and wait until it has.

    Those of thirty functions, each of which looked twenty times a second whether it was to stop, woke this process up
    six hundred times a second.
    """
    with contextlib.suppress(OSError):  # it has stopped before
        server.socket.shutdown(socket.SHUT_RDWR)
    server.shutdown()


class Loopback:
    """Whatever server it is given, bound to a free port."""

    def __init__(self, server: HTTPServer, name: str) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(LISTEN_SECONDS,), name=name, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no longer, and wait until the thread is gone; also where it was never started."""
        if self._thread.is_alive():
            end(self._server)
            self._thread.join()
        self._server.server_close()
