"""The region's server at its end: a request that is cut off by it is no news, and no thread of it stays."""

import socket
import threading

import pytest

from rehearsal.clock import Clock
from rehearsal.region.http import HttpServer, Service

EPOCH = 1_795_424_400.0
SIGNED = "Authorization: AWS4-HMAC-SHA256 Credential=AK/20261123/us-east-1/slow/aws4_request"


def test_a_request_that_the_end_cuts_off_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """Its answer is written to a connection that is closed."""
    asked, ended = threading.Event(), threading.Event()

    def slow(*_: object) -> tuple[int, dict[str, str]]:
        asked.set()
        assert ended.wait(30)
        return 200, {"text": "x" * 5_000_000}

    own: dict[str, Service] = {"slow": slow}
    server, threads = HttpServer(Clock(EPOCH), own=own), set(threading.enumerate())
    server.start()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: region\r\n{SIGNED}\r\n\r\n".encode())
        assert asked.wait(30)
        server.stop()
        ended.set()
        for thread in set(threading.enumerate()) - threads:
            thread.join(30)

    assert capfd.readouterr().err == ""
