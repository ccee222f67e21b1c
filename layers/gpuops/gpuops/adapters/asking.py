"""One question to a server that is no AWS API, held short: nobody is followed elsewhere, no answer is read for ever.

Raises: Unavailable where nobody answers; Invalid where an answer is longer than it may be.
"""

from collections.abc import Mapping

import urllib3
from urllib3.exceptions import HTTPError

from gpuops.domain.errors import Invalid, Refused, Unavailable

OK, UNAUTHORIZED, FORBIDDEN, TOO_MANY, SERVER_ERROR = 200, 401, 403, 429, 500
Headers = Mapping[str, str]
Answer = tuple[int, Headers, bytes]


def ask(
    http: urllib3.PoolManager,
    method: str,
    url: str,
    headers: Headers,
    *,
    whom: str,
    most: int,
    body: bytes | None = None,
    what: str = "",
) -> Answer:
    """Return status, headers and body, of `most` bytes; `whom` and `what` are words for who is asked and for what."""
    try:
        answer = http.request(method, url, body=body, headers=headers, redirect=False, preload_content=False)
        data = answer.read(most + 1)
        answer.drain_conn() if len(data) <= most else answer.close()
    except HTTPError as error:
        raise Unavailable(f"{whom} does not answer: {error}") from error
    if len(data) > most:
        raise Invalid(f"{whom}: an answer of more than {most} bytes{what}")
    return answer.status, answer.headers, data


def error_of(status: int) -> type[Exception]:
    """Return which of our errors a status is that is not OK."""
    if status == TOO_MANY or status >= SERVER_ERROR:
        return Unavailable
    return Refused if status in {UNAUTHORIZED, FORBIDDEN} else Invalid
