"""A control plane on which an administrator has applied rbac.yaml, with one member of each of our groups."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
import yaml

from gpuops.adapters.kube import Kube
from rehearsal.control_plane import ControlPlane, Identity, find_or_build, scratch_directory

RBAC = Path(__file__).parents[2] / "layers/gpuops/gpuops/manifests/rbac.yaml"
GROUPS = ("readers", "claimers", "drainers", "admitters", "smokers", "judges", "configurers", "repairers")
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
Admin = Callable[..., tuple[int, Any]]


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Bring one up; a token is the name of a group."""
    members = {name: Identity(f"member-of-{name}", (f"gpuops-{name}",)) for name in GROUPS}
    members["people"] = Identity("somebody", ("people",))
    with ControlPlane(scratch_directory(), find_or_build(), members.get) as plane:
        yield plane


def administrator(plane: ControlPlane) -> Admin:
    """Return the administrator's requests."""
    return requests_with(plane, plane.admin_token)


def requests_with(plane: ControlPlane, token: str) -> Admin:
    """Return requests as anybody makes them with kubectl: none of our adapter's own refusals in the way."""
    pool = urllib3.PoolManager(ca_certs=str(plane.ca_file))

    def request(method: str, path: str, body: object = None, content: str = "application/json") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
        answer = pool.request(method, plane.server + path, body=json.dumps(body), headers=headers)
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(answer.data) if is_json else answer.data

    return request


def apply_rights(admin: Admin, *images: str) -> None:
    """Apply rbac.yaml as it is, and allow further images beside its own; every admission policy type-checks."""
    parts = list(yaml.safe_load_all(RBAC.read_text()))
    for part in parts:
        if part["kind"] == "ConfigMap" and part["metadata"]["name"] == "gpuops-images":
            part["data"]["images"] += "".join(f"\n{image}" for image in images)
        status, answer = admin("PATCH", f"{path_of(part)}?fieldManager=admin", part, APPLY)
        assert status == 201, answer
    for part in parts:
        if part["kind"] == "ValidatingAdmissionPolicy":
            wait_for(lambda part=part: "typeChecking" in admin("GET", path_of(part))[1].get("status", {}))  # type: ignore[misc]


def bound_groups() -> set[str]:
    """Every group of ours that rbac.yaml binds, without the prefix."""
    subjects = [s for part in yaml.safe_load_all(RBAC.read_text()) for s in part.get("subjects", ())]
    return {s["name"].removeprefix("gpuops-") for s in subjects if s["kind"] == "Group"}


def may(admin: Admin, group: str, act: str) -> bool:
    """Whether the apiserver lets a member of one of our groups act: `verb resource[/sub] [namespace[/name]]`."""
    verb, kind, *where = act.split()
    space, _, name = (where or [""])[0].partition("/")
    plural, _, sub = kind.partition("/")
    plural, _, api = plural.partition(".")
    asked = {"verb": verb, "group": api, "resource": plural, "subresource": sub, "namespace": space, "name": name}
    spec = {"user": "u", "groups": [f"gpuops-{group}", "system:authenticated"], "resourceAttributes": asked}
    status, answer = admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    assert status == 201, answer
    return bool(answer["status"]["allowed"])


def path_of(part: dict[str, Any]) -> str:
    """Where an object lives."""
    name, namespace = part["metadata"]["name"], part["metadata"].get("namespace")
    base = "/api/v1" if part["apiVersion"] == "v1" else f"/apis/{part['apiVersion']}"
    within = f"/namespaces/{namespace}" if namespace else ""
    kind = part["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return f"{base}{within}/{plural}/{name}"


def member(plane: ControlPlane, group: str, **more: Any) -> Kube:
    """Return a connection of one of our groups."""
    return Kube(plane.server, plane.ca_file.read_text(), group, **more)


def wait_for(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a controller of the real plane."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the control plane did not come so far"
        time.sleep(0.05)
