"""Reads a watch's answer: one JSON object a line, until it ends or the apiserver says that it is too old."""

import json
from collections.abc import Iterator
from typing import Any

GONE = 410


class Expired(Exception):  # noqa: N818 - the apiserver's word for it
    """The revision is too old to watch from."""


def events(reply: Any) -> Iterator[dict[str, Any]]:
    """Each event as it comes. Raises: Expired."""
    rest = b""
    for chunk in reply.stream():
        *found, rest = (rest + chunk).split(b"\n")
        for line in found:
            event = json.loads(line)
            if event["type"] == "ERROR" and event["object"].get("code") == GONE:
                raise Expired
            if event["type"] != "ERROR":
                yield event
