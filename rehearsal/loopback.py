"""A server on loopback with a thread of its own, from `start` to `stop`."""

import threading
from http.server import HTTPServer

POLL_SECONDS = 0.05
"""How soon it notices that it is to stop."""


class Loopback:
    """Whatever server it is given, bound to a free port."""

    def __init__(self, server: HTTPServer, name: str) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name=name, daemon=True)

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
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
