"""The pod network, as one proxy on a Unix socket: what apiserver dials in a pod or a kubelet ends in `serve`.

kube-apiserver's egress selector sends every connection into the cluster as HTTP CONNECT to this socket, so simulated
pods and nodes have ordinary private addresses, nothing is ever dialled there, and no privilege is needed.
Left out: everything but GET, streams (a followed log ends with what there is), and traffic between pods.
"""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rehearsal.control_plane import certificates
from rehearsal.loopback import LISTEN_SECONDS, end

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    Serve = Callable[[str, int, str], tuple[int, bytes]]

KUBELET_PORT = 10250
NOT_FOUND = 404


class PodNetwork:
    """Listens on `socket`; `serve(host, port, path)` answers each GET with status and body."""

    def __init__(self, socket: Path, serve: Serve | None = None) -> None:
        self._server = _Server(str(socket), _Tunnel)
        self.switch(serve or silence)
        self._server.kubelet_tls = _kubelet_tls()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LISTEN_SECONDS,), name="pod-network")
        self._thread.daemon = True

    def switch(self, serve: Serve) -> None:
        """Let somebody else answer from now on, on the connections that apiserver keeps open too."""
        self._server.serve = serve

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Close the socket, remove its file and end the thread."""
        end(self._server)
        self._server.server_close()
        self._thread.join()
        Path(cast("str", self._server.server_address)).unlink(missing_ok=True)


def silence(_host: str, _port: int, _path: str) -> tuple[int, bytes]:
    """What is answered while there are no pods."""
    return NOT_FOUND, b"nobody is there"


def _kubelet_tls() -> ssl.SSLContext:
    """A self-signed kubelet, as most are: apiserver checks their certificate only when told to."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    signer = certificates.authority("kubelets")
    with tempfile.TemporaryDirectory() as directory:
        pair = certificates.server(signer, "kubelet", ["kubelet"])
        context.load_cert_chain(*pair.write(Path(directory), "kubelet"))
    return context


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False  # apiserver keeps its connections open
    request_queue_size = 128
    serve: Serve
    kubelet_tls: ssl.SSLContext


class _Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT, then HTTP inside of it."""

    server: _Server
    rbufsize = 0  # not a byte more than the CONNECT's own: what follows belongs to TLS

    def handle(self) -> None:
        request = self.rfile.readline(65_536).split()
        while self.rfile.readline(65_536).strip():
            pass  # headers of the CONNECT
        if len(request) < 2 or request[0] != b"CONNECT":  # noqa: PLR2004 - method and target
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = request[1].decode().rpartition(":")
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # apiserver hangs up whenever it likes
            self._talk(host.strip("[]"), int(port))

    def _talk(self, host: str, port: int) -> None:
        inner: socket.socket = self.connection
        if port == KUBELET_PORT:
            inner = self.server.kubelet_tls.wrap_socket(inner, server_side=True)
        with inner:
            _Inside(inner, host, port, self.server)


class _Inside(BaseHTTPRequestHandler):
    """The pod's or kubelet's own HTTP server."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, host: str, port: int, server: _Server) -> None:
        self._target, self._network = (host, port), server
        super().__init__(connection, (host, port), server)

    def do_GET(self) -> None:
        status, body = self._network.serve(*self._target, self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet: a line for each call would drown the rehearsal's own output."""
