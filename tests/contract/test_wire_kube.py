"""The wire before an apiserver's stand-in over TLS: names, streams, faults, and EKS tokens told good from forged.

The stand-in is the wire's own server with a second authority; the real apiserver is met in the rehearsal tests.
"""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import urllib3
from botocore.credentials import Credentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from rehearsal.wire import Fault, Wire
from rehearsal.wire.kube_door import kube_action
from rehearsal.wire.messages import Answer, Request
from rehearsal.wire.server import LoopbackServer
from rehearsal.wire.tls import make_authority

ROLE = "arn:aws:iam::123456789012:role/gpuops-drain"


@dataclass
class Stopwatch:
    """A clock that counts how often the world was written to."""

    dirtied: int = 0

    def now(self) -> float:
        """Some instant."""
        return 1_795_435_200.0

    def dirty(self) -> None:
        """Count."""
        self.dirtied += 1


@dataclass
class Apiserver:
    """Answers by path and keeps what came in."""

    seen: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Answer:
        """A watch of two slow events, a refusal, or what was asked."""
        self.seen.append(request)
        if "watch=1" in request.target:
            return Answer(200, [("Content-Type", "application/json")], self.events())
        if request.target.endswith("/secrets"):
            return Answer(403, [("Content-Type", "application/json")], b'{"kind":"Status","code":403}')
        return Answer(200, [("Content-Type", "application/json")], request.body or b"{}")

    def events(self) -> Iterator[bytes]:
        """The second only well after the first."""
        yield b'{"type":"ADDED"}\n'
        time.sleep(0.5)
        yield b'{"type":"DELETED"}\n'


@pytest.fixture
def apiserver(tmp_path: Path) -> Iterator[tuple[Apiserver, str, Path]]:
    """The stand-in, its address and its CA."""
    authority, apiserver = make_authority(), Apiserver()
    (tmp_path / "kube-ca.pem").write_text(authority.ca_pem)
    server = LoopbackServer(apiserver.handle, authority.context)
    server.start()
    yield apiserver, f"https://127.0.0.1:{server.server_port}", tmp_path / "kube-ca.pem"
    server.stop()


@pytest.fixture
def clock() -> Stopwatch:
    """One per test."""
    return Stopwatch()


@pytest.fixture
def wire(apiserver: tuple[Apiserver, str, Path], clock: Stopwatch, tmp_path: Path) -> Iterator[Wire]:
    """A wire before it; no region."""
    wire = Wire(
        clock, "http://127.0.0.1:9", apiserver[1], apiserver[2],
        policies=lambda _role: [], record=tmp_path / "wire.jsonl", cluster="demo",
    )  # fmt: skip
    wire.start()
    yield wire
    wire.stop()


@pytest.fixture
def pool(wire: Wire, tmp_path: Path) -> urllib3.HTTPSConnectionPool:
    """A client that trusts the CA DescribeCluster hands out, and nothing else."""
    (tmp_path / "wire-ca.pem").write_text(wire.ca_pem)
    pool = urllib3.connection_from_url(wire.kube_url, ca_certs=str(tmp_path / "wire-ca.pem"), retries=False)
    assert isinstance(pool, urllib3.HTTPSConnectionPool)
    return pool


def token_of(wire: Wire, *, cluster: str = "demo", host: str = "sts.us-east-1.amazonaws.com", **change: Any) -> str:
    """A token as the product's functions make it."""
    keys = wire.credentials(change.get("role", ROLE), "drain")
    credentials = Credentials(keys.access_key, change.get("secret", keys.secret_key))
    events = botocore.session.Session().get_component("event_emitter")
    signer = RequestSigner(ServiceId("STS"), "us-east-1", "sts", "v4", credentials, events)
    action = change.get("action", "GetCallerIdentity")
    request = {
        "method": "GET", "url": f"https://{host}/?Action={action}&Version=2011-06-15", "body": {},
        "headers": {change.get("header", "x-k8s-aws-id"): cluster}, "context": {},
    }  # fmt: skip
    url = signer.generate_presigned_url(request, "", expires_in=change.get("expires", 60), region_name="us-east-1")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    """The record, read back."""
    return [json.loads(line) for line in (tmp_path / "wire.jsonl").read_text().splitlines()]


def test_a_call_passes_with_its_token_and_comes_back(
    wire: Wire, pool: urllib3.HTTPSConnectionPool, apiserver: tuple[Apiserver, str, Path], tmp_path: Path
) -> None:
    """The bearer goes on to the apiserver's own webhook; the record names the caller and never the token."""
    token = token_of(wire)

    reply = pool.request(
        "PATCH", "/api/v1/nodes/n1?fieldManager=gpuops", body=b'{"a":1}', headers={"Authorization": f"Bearer {token}"}
    )

    seen, line = apiserver[0].seen[0], lines(tmp_path)[0]
    assert (reply.status, reply.data) == (200, b'{"a":1}')
    assert (seen.method, seen.target) == ("PATCH", "/api/v1/nodes/n1?fieldManager=gpuops")
    assert seen.header("authorization") == f"Bearer {token}"
    assert (line["caller"], line["role"], line["action"]) == ("drain", ROLE, "patch nodes")
    assert token not in (tmp_path / "wire.jsonl").read_text()


def test_a_write_tells_the_clock_and_a_read_does_not(clock: Stopwatch, pool: urllib3.HTTPSConnectionPool) -> None:
    """Before the writer has its answer: the clock must not jump over what it set off."""
    pool.request("GET", "/api/v1/nodes")
    assert clock.dirtied == 0

    pool.request("POST", "/api/v1/namespaces/default/pods/p/eviction", body=b"{}")
    assert clock.dirtied == 1


def test_a_refusal_of_the_apiserver_is_recorded_as_one(pool: urllib3.HTTPSConnectionPool, tmp_path: Path) -> None:
    """RBAC decides, the wire only notes it."""
    assert pool.request("GET", "/api/v1/namespaces/default/secrets").status == 403
    assert lines(tmp_path)[-1]["allowed"] is False


def test_a_watch_comes_through_as_it_happens(pool: urllib3.HTTPSConnectionPool) -> None:
    """The first event long before the second, and the end of the stream is its end."""
    began = time.monotonic()
    reply = pool.request("GET", "/api/v1/pods?watch=1", preload_content=False)
    events = reply.stream()

    assert next(events) == b'{"type":"ADDED"}\n'
    assert time.monotonic() - began < 0.4
    assert list(events) == [b'{"type":"DELETED"}\n']


def test_a_client_that_does_not_know_our_ca_gets_nothing(wire: Wire) -> None:
    """So the product's CA handling is really exercised."""
    with pytest.raises(urllib3.exceptions.SSLError):
        urllib3.PoolManager(retries=False).request("GET", f"{wire.kube_url}/version")


def test_an_apiserver_with_another_ca_is_not_believed(apiserver: tuple[Apiserver, str, Path], tmp_path: Path) -> None:
    """The wire verifies what stands behind it."""
    (tmp_path / "other.pem").write_text(make_authority().ca_pem)
    wire = Wire(
        Stopwatch(), "http://127.0.0.1:9", apiserver[1], tmp_path / "other.pem",
        policies=lambda _role: [], record=tmp_path / "wire.jsonl", cluster="demo",
    )  # fmt: skip
    wire.start()
    (tmp_path / "ca.pem").write_text(wire.ca_pem)
    try:
        reply = urllib3.connection_from_url(wire.kube_url, ca_certs=str(tmp_path / "ca.pem")).request("GET", "/version")
    finally:
        wire.stop()

    assert reply.status == 500
    assert apiserver[0].seen == []


@pytest.mark.parametrize(("kind", "status"), [("throttle", 429), ("error_5xx", 500), ("access_denied", 403)])
def test_a_fault_is_a_status_object(
    kind: Any, status: int, wire: Wire, pool: urllib3.HTTPSConnectionPool, apiserver: tuple[Apiserver, str, Path]
) -> None:
    """Struck by verb and resource, and only the nth."""
    wire.faults.append(Fault(kind, service="kube", action="create pods/*", nth=2))
    path = "/api/v1/namespaces/default/pods/p/eviction"

    statuses = [pool.request("POST", path, body=b"{}").status for _ in range(3)]
    other = pool.request("GET", "/api/v1/pods").status

    assert (statuses, other) == ([200, status, 200], 200)
    assert len(apiserver[0].seen) == 3


@pytest.mark.parametrize(("kind", "arrived"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_cuts_before_or_after_the_deed(
    kind: Any, arrived: int, wire: Wire, pool: urllib3.HTTPSConnectionPool, apiserver: tuple[Apiserver, str, Path]
) -> None:
    """An eviction whose answer is lost has still happened."""
    wire.faults.append(Fault(kind, service="kube", caller="drain"))
    headers = {"Authorization": f"Bearer {token_of(wire)}"}

    with pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("POST", "/api/v1/namespaces/default/pods/p/eviction", body=b"{}", headers=headers)

    assert len(apiserver[0].seen) == arrived


@pytest.mark.parametrize(
    ("method", "target", "action"),
    [
        ("GET", "/api/v1/nodes?limit=500", "list nodes"),
        ("GET", "/api/v1/nodes/n1", "get nodes"),
        ("GET", "/api/v1/pods?watch=true", "watch pods"),
        ("POST", "/api/v1/namespaces/d/pods/p/eviction", "create pods/eviction"),
        ("GET", "/api/v1/namespaces/d/pods/p:9400/proxy/metrics", "get pods/proxy"),
        ("DELETE", "/apis/batch/v1/namespaces/gpuops/jobs/j", "delete jobs"),
        ("DELETE", "/apis/batch/v1/namespaces/gpuops/jobs", "deletecollection jobs"),
        ("GET", "/api/v1/namespaces/gpuops", "get namespaces"),
        ("PUT", "/api/v1/nodes/n1/status", "update nodes/status"),
        ("GET", "/readyz", "get /readyz"),
    ],
)
def test_a_call_is_named_as_rbac_names_it(method: str, target: str, action: str) -> None:
    """So that a fault rule and a ClusterRole read alike."""
    assert kube_action(method, target) == action


def test_a_good_token_is_its_role(wire: Wire) -> None:
    """What the authentication webhook asks."""
    assert wire.identify(token_of(wire)) == ROLE
    assert wire.identify(token_of(wire, host="sts.amazonaws.com")) == ROLE


@pytest.mark.parametrize(
    "change",
    [
        {"cluster": "other"},
        {"header": "x-other"},
        {"host": "sts.example.com"},
        {"secret": "forged"},
        {"action": "AssumeRole"},
        {"expires": 3600},
    ],
)
def test_a_token_that_eks_would_not_take_is_nobody(wire: Wire, change: dict[str, Any]) -> None:
    """For another cluster, without the signed header, to another host, with another secret, another call, too long."""
    assert wire.identify(token_of(wire, **change)) is None


def test_a_token_too_old_by_the_real_clock_is_nobody(wire: Wire) -> None:
    """Fifteen minutes after its date, whatever X-Amz-Expires says; an altered date breaks the signature besides."""
    raw = token_of(wire).removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).decode()
    day = url.partition("X-Amz-Date=")[2][:8]
    old = url.replace(f"X-Amz-Date={day}", "X-Amz-Date=20200101")

    assert wire.identify("k8s-aws-v1." + base64.urlsafe_b64encode(old.encode()).decode().rstrip("=")) is None


@pytest.mark.parametrize("token", ["", "k8s-aws-v1.", "k8s-aws-v1.%%%", "k8s-aws-v1.aGVsbG8", "eyJhbGciOi.x.y"])
def test_a_token_that_is_none_is_nobody(wire: Wire, token: str) -> None:
    """Service account tokens and noise are left to the apiserver."""
    assert wire.identify(token) is None


def test_credentials_are_the_same_for_the_same_role_and_caller(wire: Wire) -> None:
    """Two runs of one seed record the same; two callers of one role are told apart."""
    first, again, other = (wire.credentials(ROLE, caller) for caller in ("drain", "drain", "return"))

    assert first == again != other
    assert (wire.role_of(other.access_key), wire.caller_of(other.access_key)) == (ROLE, "return")
    assert wire.role_of("AKIAOUTSIDE") is None
