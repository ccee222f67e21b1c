"""The product's own token through the wire to the real apiserver: webhook, RBAC, and a watch that streams."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.session
import pytest
import urllib3

from gpuops.adapters.token import mint_token
from rehearsal.control_plane import ControlPlane, Identity, find_or_build, scratch_directory
from rehearsal.wire import Wire

pytestmark = pytest.mark.cluster

ROLE = "arn:aws:iam::123456789012:role/gpuops-reader"
Get = Callable[..., urllib3.BaseHTTPResponse]


class Stopwatch:
    """A clock that stands."""

    def now(self) -> float:
        """Some instant."""
        return 0.0

    def dirty(self) -> None:
        """Nobody settles here."""


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """A GET of the apiserver through the wire, with a role's token as the product mints it."""
    folder: Path = tmp_path_factory.mktemp("wire")
    wires: list[Wire] = []

    def authenticate(token: str) -> Identity | None:
        role = wires[0].identify(token) if wires else None
        return Identity(role, ("gpuops-readers",)) if role else None

    with ControlPlane(scratch_directory(), find_or_build(), authenticate) as plane:
        wire = Wire(
            Stopwatch(), "http://127.0.0.1:9", plane.server, plane.ca_file,
            policies=lambda _role: [], record=folder / "wire.jsonl", cluster="demo",
        )  # fmt: skip
        wires.append(wire)
        wire.start()
        (folder / "ca.pem").write_text(wire.ca_pem)
        pool = urllib3.connection_from_url(wire.kube_url, ca_certs=str(folder / "ca.pem"), retries=False)

        def call(path: str, cluster: str = "demo", *, stream: bool = False) -> urllib3.BaseHTTPResponse:
            keys = wire.credentials(ROLE, "reader")
            session = botocore.session.Session()
            session.set_credentials(keys.access_key, keys.secret_key)
            headers = {"Authorization": f"Bearer {mint_token(session, cluster, 'us-east-1')}"}
            return pool.request("GET", path, headers=headers, preload_content=not stream)

        _grant_reading(plane)
        yield call
        wire.stop()


def _grant_reading(plane: ControlPlane) -> None:
    """Let the group list namespaces, and nothing else."""
    base = f"{plane.server}/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "readers"}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "gpuops-readers"}
    for path, body in (
        ("clusterroles", {"metadata": {"name": "readers"}, "rules": rules}),
        ("clusterrolebindings", {"metadata": {"name": "readers"}, "roleRef": role, "subjects": [group]}),
    ):
        headers = {"Authorization": f"Bearer {plane.admin_token}", "Content-Type": "application/json"}
        pool = urllib3.PoolManager(ca_certs=str(plane.ca_file))
        assert pool.request("POST", f"{base}/{path}", body=json.dumps(body), headers=headers).status == 201


def test_the_products_token_is_its_role_and_rbac_decides(get: Get) -> None:
    """Granted, not granted, and a token for another cluster."""
    assert get("/api/v1/namespaces").status == 200
    assert get("/api/v1/nodes").status == 403
    assert get("/api/v1/namespaces", cluster="other").status == 401


def test_a_real_watch_streams_through(get: Get) -> None:
    """Event by event, until its own timeout ends it."""
    reply = get("/api/v1/namespaces?watch=true&timeoutSeconds=1", stream=True)
    lines = b"".join(reply.stream()).splitlines()

    assert {json.loads(line)["type"] for line in lines} == {"ADDED"}
