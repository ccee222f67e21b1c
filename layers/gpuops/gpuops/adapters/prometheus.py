"""A Prometheus that has the exporters' series, or a workspace of Amazon Managed Service for Prometheus.

Asked by instant queries of its HTTP API: a form is posted to `/api/v1/query`, all at one moment so that the answers fit
one another, each one metric of a fixed list with the policy's labels; nothing that comes from the cluster stands in a
query. A workspace's questions are signed (SigV4, service `aps`, right `aps:QueryMetrics`: Amazon Managed Service for
Prometheus user guide, "Query using the Prometheus-compatible APIs").

Idempotent: it only reads. Raises, everywhere: Unavailable where asking again may help, and for a part of an answer;
Refused where it says no; Invalid for what is no Prometheus, or says too much.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Self
from urllib.parse import urlencode, urlsplit

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from gpuops.adapters.asking import OK, Headers, ask, error_of
from gpuops.adapters.aws import session, translated
from gpuops.domain.dcgm.lines import Line
from gpuops.domain.dcgm.queries import FAULTS, MEASURES, Query
from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.dcgm.vectors import read_vector, readings_of
from gpuops.domain.errors import Unavailable
from gpuops.domain.policy.prometheus import Prometheus as Place

MAX_BYTES = 32 << 20
"""One metric of 8,000 GPUs with two pods each has 9 MB."""
TIMEOUT = urllib3.Timeout(connect=3, read=20)
SERVER_SECONDS = 15
"""After which it shall give up itself."""
FORM = "application/x-www-form-urlencoded"


class Prometheus:
    """One place of series; `region` is that of a workspace, whose questions are signed."""

    def __init__(self, url: str, labels: Mapping[str, str] | None = None, region: str | None = None) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._labels, self._region = dict(labels or {}), region
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    @classmethod
    def of(cls, place: Place) -> Self:
        """Build it as the policy says; signed questions go where the SDK's own would (AWS_ENDPOINT_URL)."""
        ours = os.environ.get("AWS_ENDPOINT_URL", "") if place.region else ""
        url = f"{ours.rstrip('/')}{urlsplit(place.url).path}" if ours else place.url
        return cls(url, place.labels, place.region)

    def read_all(self, nodes: Collection[str], now: datetime) -> dict[str, Readings]:
        """Return what it knows of the nodes' GPUs, or why it knows nothing."""
        return self._read(MEASURES, nodes, now)

    def read_faults(self, nodes: Collection[str], now: datetime) -> dict[str, Readings]:
        """The same, as far as Xids and clocks go."""
        return self._read(FAULTS, nodes, now)

    def _read(self, queries: Iterable[Query], nodes: Collection[str], now: datetime) -> dict[str, Readings]:
        lines: list[Line] = []
        for query in queries:
            lines += read_vector(query.name, self._ask(query.text(self._labels), now))
        return readings_of(lines, nodes, now)

    def _ask(self, query: str, now: datetime) -> bytes:
        form = {"query": query, "time": f"{now.timestamp():.3f}", "timeout": f"{SERVER_SECONDS}s"}
        body = urlencode(form).encode()
        status, _, data = ask(
            self._http,
            "POST",
            self._url,
            self._headers(body),
            whom=f"Prometheus at {self._host}",
            most=MAX_BYTES,
            body=body,
            what=f" for {query}",
        )
        if status != OK:
            said = data[:200].decode(errors="replace")
            raise error_of(status)(f"Prometheus at {self._host}: HTTP {status} for {query}: {said!r}")
        return data

    @property
    def _host(self) -> str:
        return urlsplit(self._url).hostname or ""

    def _headers(self, body: bytes) -> Headers:
        plain = {"Content-Type": FORM, "User-Agent": "gpuops"}
        if self._region is None:
            return plain
        with translated("sign a question to Prometheus"):
            credentials = session().get_credentials()
            if credentials is None:
                raise Unavailable("no AWS credentials to sign a question to Prometheus")
            request = AWSRequest(method="POST", url=self._url, data=body, headers=plain)
            SigV4Auth(credentials.get_frozen_credentials(), "aps", self._region).add_auth(request)
        return dict(request.headers.items())
