"""What both listeners do with a call: name it, strike it, judge it, forward it, record it. In that order.

A fault comes before the judgement because on AWS throttling and broken front ends do, too.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import urllib3
from urllib3.util import Timeout

from rehearsal.wire.answers import Problem, problem
from rehearsal.wire.faults import ENDS, Fault, struck_by
from rehearsal.wire.messages import Answer, Request, end_to_end
from rehearsal.wire.record import Line, Record

CONNECT_SECONDS, READ_SECONDS = 5.0, 900.0
"""A Lambda may take 15 minutes; nothing behind the wire takes longer, but a watch says something now and then."""


class Time(Protocol):
    """What the wire needs of the rehearsal's clock."""

    def now(self) -> float:
        """Simulated epoch seconds."""

    def dirty(self) -> None:
        """The world was written to."""


@dataclass(frozen=True)
class Named:
    """A call as the record, the fault rules and a person name it."""

    caller: str
    role: str | None
    service: str
    action: str
    resource: str
    keys: tuple[str, ...] = ()
    """Of DynamoDB items."""


class Behind(Protocol):
    """What stands behind a door."""

    def send(self, request: Request, *, streams: bool) -> Answer:
        """Have a request answered as it came. Raises urllib3's HTTPError when nobody answers."""

    def close(self) -> None:
        """Nothing more will be asked."""


class Upstream:
    """A kept pool of connections to what stands behind a door."""

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        tls = {"ca_certs": ca_file} if ca_file else {}
        self._pool = urllib3.connection_from_url(url, maxsize=32, timeout=timeout, **tls)

    def send(self, request: Request, *, streams: bool) -> Answer:
        """Forward a request as it came. Raises urllib3's HTTPError when nobody answers."""
        headers = urllib3.HTTPHeaderDict()
        for name, value in end_to_end(request.headers):
            headers.add(name, value)
        reply = self._pool.urlopen(
            request.method, request.target, body=request.body or None, headers=headers,
            retries=False, redirect=False, preload_content=False, decode_content=False,
        )  # fmt: skip
        kept = end_to_end(reply.headers.items())
        if streams:
            return Answer(reply.status, kept, _parts(reply))
        if request.method == "HEAD" and (length := reply.headers.get("Content-Length")):
            kept.append(("Content-Length", length))  # of a body that is not sent
        body = reply.read(decode_content=False)
        reply.release_conn()
        return Answer(reply.status, kept, body)

    def close(self) -> None:
        """Drop the kept connections."""
        self._pool.close()


def _parts(reply: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from reply.stream(65536, decode_content=False)
    finally:
        reply.close()


class Door(ABC):
    """One listener's way with a call."""

    def __init__(self, clock: Time, faults: list[Fault], record: Record) -> None:
        self.interrupt: Callable[[str, str], object] = _nobody_to_end
        """Told which caller is to end in the middle of its call, and how."""
        self._clock = clock
        self._faults = faults
        self._record = record

    @abstractmethod
    def name(self, request: Request) -> Named:
        """Who calls what."""

    @abstractmethod
    def error(self, request: Request, what: Problem) -> Answer:
        """The problem as this side would put it."""

    @abstractmethod
    def pass_on(self, request: Request, named: Named) -> tuple[Answer, bool, Named]:
        """Judge and forward: the answer, whether the call was allowed, and the call with its resource known."""

    def handle(self, request: Request) -> Answer | None:
        """The whole way of one call."""
        began = time.monotonic()
        named = self.name(request)
        call = request.header("amz-sdk-invocation-id") or ""
        fault = struck_by(self._faults, named.caller, named.service, named.action, call)
        answer, allowed, named = self._answer(request, named, fault)
        if fault:
            fault.last = self._clock.now()
        if fault and fault.kind == "reset_after":
            answer = None
        if fault and fault.kind in ENDS:
            self.interrupt(named.caller, fault.kind)
            answer = None
        self._write(named, answer, fault, allowed=allowed, wall_ms=(time.monotonic() - began) * 1000)
        return answer

    def _answer(self, request: Request, named: Named, fault: Fault | None) -> tuple[Answer | None, bool, Named]:
        match fault.kind if fault else None:
            case "throttle":
                return self.error(request, problem("throttle")), True, named
            case "error_5xx":
                return self.error(request, problem("broken")), True, named
            case "access_denied":
                return self.error(request, Problem("denied", f"fault: {named.action} is denied")), False, named
            case "reset_before":
                return None, True, named
            case "slow" if fault:
                time.sleep(fault.seconds)
        try:
            return self.pass_on(request, named)
        except urllib3.exceptions.HTTPError as failure:
            what = Problem("broken", f"nobody answers behind the wire: {type(failure).__name__}")
            return self.error(request, what), True, named

    def _write(
        self, named: Named, answer: Answer | None, fault: Fault | None, *, allowed: bool, wall_ms: float
    ) -> None:
        self._record.write(
            Line(
                at=round(self._clock.now(), 3), caller=named.caller, role=named.role, service=named.service,
                action=named.action, resource=named.resource, status=answer.status if answer else 0,
                allowed=allowed, wall_ms=round(wall_ms, 1), fault=fault.kind if fault else None,
                keys=named.keys,
            )
        )  # fmt: skip


def _nobody_to_end(caller: str, how: str) -> None:
    """Without functions behind the wire. Raises: LookupError."""
    raise LookupError(f"{caller} cannot be {how}: it is no function")
