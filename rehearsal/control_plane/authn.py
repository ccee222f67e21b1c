"""Answers kube-apiserver's question whose a token is, as the authenticator of EKS does.

The token webhook is a real interface of apiserver: what EKS does with an IAM token happens behind it, and RBAC
decides afterwards with nothing but the user and groups given here.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from rehearsal.loopback import LISTEN_SECONDS, end

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Identity:
    """Who a token belongs to, as RBAC sees it."""

    username: str
    groups: tuple[str, ...] = ()


class TokenWebhook:
    """A loopback HTTP server that answers TokenReviews with what `authenticate` says."""

    def __init__(self, authenticate: Callable[[str], Identity | None]) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.authenticate = authenticate
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LISTEN_SECONDS,), name="token-webhook")
        self._thread.daemon = True

    @property
    def url(self) -> str:
        """Where apiserver finds it."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and end the thread."""
        end(self._server)
        self._server.server_close()
        self._thread.join()


def review(token: str, authenticate: Callable[[str], Identity | None]) -> dict[str, Any]:
    """The TokenReview that answers a token."""
    identity = authenticate(token)
    status: dict[str, Any] = {"authenticated": False}
    if identity is not None:
        user = {"username": identity.username, "groups": list(identity.groups)}
        status = {"authenticated": True, "user": user}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # apiserver keeps its connections open
    authenticate: Callable[[str], Identity | None]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(review(asked["spec"]["token"], self.server.authenticate)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet: a line for each call would drown the rehearsal's own output."""
