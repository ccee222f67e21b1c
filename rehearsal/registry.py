"""A registry of container images on loopback: for each image a manifest and a configuration with its variables.

It is the mirror that the stack is given, so it answers for every registry there is; an image of which the scenario says
nothing has no variables. Leaves out: layers, indexes of several platforms, tokens, and registries that are slow.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from rehearsal.loopback import Loopback
from rehearsal.scenario import Workload

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
PARTS: Final = 3
"""Of a path: repository, kind, reference."""


class Registry(Loopback):
    """Up from `start` to `stop`; the functions reach it at `url`."""

    def __init__(self, workloads: Iterable[Workload] = ()) -> None:
        self.stock(workloads)
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._handler()), "registry")

    def stock(self, workloads: Iterable[Workload]) -> None:
        """Have the images of these workloads, and no others."""
        self._images = {image_of(work): work for work in workloads}

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body for a path with its query."""
        parts = urlsplit(path)
        host = parse_qs(parts.query).get("ns", [""])[0]
        repository, kind, reference = parts.path.removeprefix("/v2/").rsplit("/", PARTS - 1)
        work = next((w for name, w in self._images.items() if name.startswith(f"{host}/{repository}:")), None)
        if work is not None and work.image_unreadable:
            return 403, _body({"errors": [{"code": "DENIED"}]})
        config = _body({"config": {"Env": [f"{k}={v}" for k, v in (work.image_env if work else {}).items()]}})
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        if kind == "manifests":
            return 200, _body({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": digest}})
        return (200, config) if reference == digest else (404, b"{}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Answer one request."""
                status, body = registry.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing: nobody reads it."""

        return Handler


def image_of(workload: Workload) -> str:
    """The image of a workload's containers, with its registry and tag."""
    return workload.image or f"registry.example/{workload.name}:1"


def _body(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()
