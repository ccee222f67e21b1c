"""The region behind the wire, where both are in one process: the call that came over a socket goes on without one.

A second HTTP exchange for each call, with its client, its server and four parsers of headers, showed nothing more.
"""

from typing import TYPE_CHECKING

from rehearsal.wire.messages import Answer, Request, end_to_end

if TYPE_CHECKING:
    from rehearsal.region.wsgi import Answering  # no import at run time: whoever only reads the wire needs no moto


class Inside:
    """Stands where an `Upstream` would."""

    def __init__(self, region: "Answering") -> None:
        self._region = region

    def send(self, request: Request, *, streams: bool) -> Answer:
        """Have it answered; the region streams nothing, and has an answer for everything."""
        del streams
        status, headers, body = self._region(request.method, request.target, end_to_end(request.headers), request.body)
        kept = end_to_end(headers)
        if request.method == "HEAD":
            kept += [(name, value) for name, value in headers if name.lower() == "content-length"]
        return Answer(int(status.partition(" ")[0]), kept, body)

    def close(self) -> None:
        """Nothing is kept open."""
