"""The plain values a door passes around: a request read whole, and an answer that is bytes or a stream."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HOP_BY_HOP = {
    # RFC 9110 section 7.6.1: these speak about one connection and are not forwarded.
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "proxy-connection", "expect", "content-length",
}  # fmt: skip

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """One request, its body read."""

    method: str
    target: str
    """Path and query, as they came."""
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """First value of a header, None when absent."""
        return next((v for k, v in self.headers if k.lower() == name), None)


@dataclass(frozen=True)
class Answer:
    """One answer; a stream where the body is not bytes."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | Iterator[bytes] = b""


def end_to_end(headers: Iterable[tuple[str, str]]) -> Headers:
    """The headers that concern both ends, not one connection."""
    return [(k, v) for k, v in headers if k.lower() not in HOP_BY_HOP]
