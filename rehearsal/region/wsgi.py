"""A call to moto's application without a socket: what a server would hand it, and its answer taken whole."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from werkzeug.exceptions import InternalServerError

_LOG = logging.getLogger(__name__)
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""As WSGI has it."""
Headers = Iterable[tuple[str, str]]
Answered = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers and body."""
Answering = Callable[[str, str, Headers, bytes], Answered]
"""Method, target, headers and body of a call, and its answer."""
UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def environ_of(method: str, url: str, headers: Headers, body: bytes) -> dict[str, Any]:
    """Make what PEP 3333 asks for, and what moto asks for beyond it: the raw path, and names with an underscore."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return {
        "HTTP_HOST": parts.netloc,
        **_variables(headers),
        "CONTENT_LENGTH": str(len(body)),
        "PATH_INFO": unquote_to_bytes(parts.path or "/").decode("latin-1"),
        "QUERY_STRING": parts.query,
        "RAW_URI": target,
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "SCRIPT_NAME": "",
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.errors": sys.stderr,
        "wsgi.input": io.BytesIO(body),
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": parts.scheme,
        "wsgi.version": (1, 0),
    }


def answer_of(application: Application, environ: dict[str, Any]) -> Answered:
    """The answer; what is wrong in the application itself is logged, and an answer too."""
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        told[:] = [status, headers]

    try:
        body = b"".join(application(environ, start_response))
    except Exception:  # noqa: BLE001 - the last stop: whoever asked has to get an answer
        _LOG.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
        body = b"".join(InternalServerError()(environ, start_response))
    return told[0], told[1], body


def _variables(headers: Headers) -> dict[str, Any]:
    """A variable for each name; values of a name that comes twice are joined."""
    found: dict[str, Any] = {}
    names = {}
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in UNPREFIXED else f"HTTP_{key}"
        found[key] = f"{found[key]},{value}" if key in found else value
        if should_preserve_original_header_name(name):
            names[environ_key_for_header(name)] = name
    return {**found, PRESERVED_HEADER_NAMES_ENVIRON_KEY: names}
