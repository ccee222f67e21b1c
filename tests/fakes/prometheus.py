"""Answers of a Prometheus, made from what an exporter's page would say."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

from gpuops.domain.dcgm.readings import Readings
from tests.fakes.serving import serving


def vector(*series: tuple[Mapping[str, str], object], **more: Any) -> bytes:
    """Return an answer with these series: labels and value."""
    result = [{"metric": dict(labels), "value": [1790000000.0, str(value)]} for labels, value in series]
    answer = {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    return json.dumps(answer).encode()


class Told:
    """A Prometheus that says this of nodes, or fails."""

    def __init__(self, readings: Mapping[str, Readings] | None = None, fault: Exception | None = None) -> None:
        self.readings, self.fault, self.asked = readings or {}, fault, 0

    def read_all(self, nodes: Collection[str], now: datetime) -> dict[str, Readings]:
        """See Prometheus."""
        self.asked += 1
        if self.fault:
            raise self.fault
        return {node: self.readings.get(node, Readings(silent="no series")) for node in nodes}

    read_faults = read_all


class Server:
    """Answers every query with one status and body, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.times = 200, vector(), 1
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that serves it."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server.asked.append({"path": self.path, **dict(parse_qsl(body))})
                server.headers.append(dict(self.headers.items()))
                self.send_response(server.status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()
                try:
                    for _ in range(server.times):
                        self.wfile.write(server.body)
                except (BrokenPipeError, ConnectionResetError):
                    return  # the caller had enough

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler


@contextmanager
def served(server: Server) -> Iterator[str]:
    """Yield its address on loopback."""
    with serving(server.handler()) as url:
        yield url
