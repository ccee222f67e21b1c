"""The Lambda Runtime API of one function process, on loopback.

One server per process, never shared: a request for the next invocation blocks, and one left behind by a killed
process would swallow the first event meant for its successor.
"""

from __future__ import annotations

import http.server
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from rehearsal.loopback import LISTEN_SECONDS, end

Answer = tuple[bytes, str | None]
UNHANDLED = "Unhandled"


@dataclass
class Invocation:
    """One event on its way through the process; `taken` is set when the runtime client fetched it."""

    request_id: str
    payload: bytes
    arn: str
    timeout_seconds: float
    taken: threading.Event = field(default_factory=threading.Event)
    answer: queue.SimpleQueue[Answer] = field(default_factory=queue.SimpleQueue)

    def headers(self) -> dict[str, str]:
        """What the runtime client turns into the context object."""
        # The client compares the deadline with its own wall clock: a Lambda's timeout stays real.
        deadline = time.time_ns() // 1_000_000 + int(self.timeout_seconds * 1000)
        return {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Content-Type": "application/json",
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # measured: 40 ms per answer with it
    wbufsize = -1
    server: _Server

    def log_message(self, *args: Any) -> None:
        """The function's own output is the log."""

    def reply(self, status: int, body: bytes = b"{}", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """/2018-06-01/runtime/invocation/next: blocks until there is one."""
        invocation = self.server.api.next()
        if invocation is None:
            self.close_connection = True
            return
        self.reply(200, invocation.payload, invocation.headers())

    def do_POST(self) -> None:
        """…/invocation/<id>/response, …/invocation/<id>/error, …/init/error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.api.answer(body, None if self.path.endswith("/response") else UNHANDLED)
        self.reply(202)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: RuntimeApi

    def handle_error(self, *_: Any) -> None:
        """Its only client was killed in the middle of a request: whoever waits for the answer is told elsewhere."""


class RuntimeApi:
    """Hands one invocation at a time to the process that polls it."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._current: Invocation | None = None
        self._early: Answer | None = None  # the process failed before anything was asked of it
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LISTEN_SECONDS,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The value of AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_port}"

    def submit(self, invocation: Invocation) -> None:
        """Queue it for the process; the caller waits on `invocation`."""
        with self._lock:
            self._current, early = invocation, self._early
        if early:
            self.answer(*early)
        self._events.put(invocation)

    def next(self) -> Invocation | None:
        """The next invocation, or None once the API is closed."""
        invocation = self._events.get()
        if invocation is not None:
            invocation.taken.set()
        return invocation

    def answer(self, body: bytes, error: str | None) -> None:
        """Answer the current invocation, or the next one if the process fails between two."""
        with self._lock:
            invocation, self._current = self._current, None
            if invocation is None:
                self._early = (body, error)
        if invocation is not None:
            invocation.answer.put((body, error))
            invocation.taken.set()

    def close(self) -> None:
        """Stop serving and free the thread that still waits for an event."""
        self._events.put(None)
        end(self._server)
        self._server.server_close()
