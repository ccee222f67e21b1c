"""A threaded HTTP/1.1 server on loopback that reads a request whole and writes whatever a door answers.

TCP_NODELAY and one write per answer: with Nagle's algorithm each small answer would wait 40 ms for an ACK.
"""

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rehearsal.loopback import LISTEN_SECONDS, end
from rehearsal.wire.messages import Answer, Request

Handle = Callable[[Request], Answer | None]
"""None cuts the connection without an answer."""
LOG = logging.getLogger(__name__)
BODILESS = {204, 304}


class LoopbackServer(ThreadingHTTPServer):
    """Plain, or TLS where a context is given."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handle: Handle, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.handle = handle
        self._context = context
        self._open: set[socket.socket] = set()

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(LISTEN_SECONDS,), daemon=True).start()

    def stop(self) -> None:
        """Close the listener and every kept connection."""
        end(self)
        self.server_close()
        for connection in list(self._open):
            self.shutdown_request(connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; the TLS handshake is left to the connection's own thread, so that none waits for another's."""
        connection, address = super().get_request()
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, then close it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """A client that went away, or distrusts our CA, is its own affair; anything else is a fault of the wire."""
        error = sys.exception()
        level = logging.DEBUG if isinstance(error, ConnectionError | ssl.SSLError) else logging.ERROR
        LOG.log(level, "connection from %s ended: %r", client_address, error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: LoopbackServer

    def _serve(self) -> None:
        answer = self.server.handle(Request(self.command, self.path, self.headers.items(), self._body()))
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self._write_whole(answer, answer.body)
        else:
            self._write_stream(answer.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base class's

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers: nothing here reads them

    def _write_whole(self, answer: Answer, body: bytes) -> None:
        lengths = [v for k, v in answer.headers if k.lower() == "content-length"]
        if not lengths and answer.status not in BODILESS:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _write_stream(self, body: Iterator[bytes]) -> None:
        """Each part leaves as it comes: a watch's client waits for one line at a time."""
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for part in body:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """S3 uploads wait for this line, and it must not stay in the buffer."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """The record is the log."""
        LOG.debug(format, *args)
