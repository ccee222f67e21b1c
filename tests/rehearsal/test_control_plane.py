"""The real control plane: up fast, asking us only who a token belongs to and what a pod answers.

Covers: start time, webhook-authenticated tokens and RBAC, pod proxy and kubelet logs through the pod network,
scheduling and controllers at work.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from rehearsal.control_plane import ControlPlane, Identity, PodNetwork, find_or_build, scratch_directory

pytestmark = pytest.mark.cluster

PEOPLE = {"token-of-a-reader": Identity("arn:aws:iam::123456789012:role/reader", ("gpuops:readers",))}
STRANGER, NEWCOMER, NOBODY = "k8s-aws-v1.nonsense", "newcomer", ""
Call = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One control plane for the module, with its pod network."""
    plane = ControlPlane(scratch_directory(), find_or_build(), PEOPLE.get)
    with plane:
        network = PodNetwork(plane.podnet_socket, lambda host, port, path: (200, f"{host} {port} {path}".encode()))
        network.start()
        yield plane
        network.stop()


@pytest.fixture(scope="module")
def call(plane: ControlPlane) -> Call:
    """A request to the apiserver, as its administrator unless another token is given."""
    pool = urllib3.PoolManager(ca_certs=str(plane.ca_file))

    def request(method: str, path: str, body: object = None, token: str = plane.admin_token) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/strategic-merge-patch+json"
        content = None if body is None else json.dumps(body)
        answer = pool.request(method, plane.server + path, body=content, headers=headers)
        text = answer.data.decode()
        return answer.status, json.loads(text) if text.startswith("{") else text

    return request


@pytest.fixture(scope="module")
def running_pod(call: Call) -> str:
    """The path of a pod that runs on a node, as a kubelet would have reported both."""
    node = {"metadata": {"name": "node-1"}}
    assert call("POST", "/api/v1/nodes", node)[0] == 201
    resources = {"cpu": "4", "memory": "16Gi", "pods": "58"}
    status = {
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "is ready"}],
    }
    assert call("PATCH", "/api/v1/nodes/node-1/status", {"status": status})[0] == 200
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert call("POST", "/api/v1/namespaces/default/pods", pod)[0] == 201
    eventually(lambda: call("GET", "/api/v1/namespaces/default/pods/p")[1]["spec"].get("nodeName") == "node-1")
    container = {"name": "c", "image": "i", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
    running = {"phase": "Running", "podIP": "10.42.0.7", "podIPs": [{"ip": "10.42.0.7"}]}
    running["containerStatuses"] = [container]
    assert call("PATCH", "/api/v1/namespaces/default/pods/p/status", {"status": running})[0] == 200
    return "/api/v1/namespaces/default/pods/p"


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait in real time: the control plane's own controllers know no other."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.05)


def test_it_is_up_within_ten_seconds_and_gone_with_its_directory() -> None:
    """A second one, beside the module's own, so that parallel rehearsals are proved as well."""
    directory = scratch_directory()
    begin = time.monotonic()
    with ControlPlane(directory, find_or_build(), PEOPLE.get) as plane:
        seconds = time.monotonic() - begin
        assert sorted(plane.pids) == ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    assert seconds < 10
    assert not directory.exists()


def test_it_is_the_pinned_kubernetes(call: Call) -> None:
    """Client libraries and add-ons look at this number."""
    version = call("GET", "/version")[1]
    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"] == "v1.36.3"


def test_a_token_gets_the_rights_of_its_groups_and_no_more(call: Call) -> None:
    """The webhook says who; the real RBAC says what."""
    rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    reader = "token-of-a-reader"
    assert call("GET", "/api/v1/nodes", token=reader)[0] == 403

    call("POST", f"{rbac}/clusterroles", {"metadata": {"name": "gpuops:reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "gpuops:readers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gpuops:reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "gpuops:readers"}],
    }
    call("POST", f"{rbac}/clusterrolebindings", binding)

    eventually(lambda: call("GET", "/api/v1/nodes", token=reader)[0] == 200)
    status, answer = call("GET", "/api/v1/pods", token=reader)
    assert status == 403
    assert 'User "arn:aws:iam::123456789012:role/reader" cannot list resource "pods"' in answer["message"]


def test_an_unknown_token_and_none_are_refused(call: Call) -> None:
    """401, not 403: nobody is anonymous here."""
    assert call("GET", "/api/v1/nodes", token=STRANGER)[0] == 401
    assert call("GET", "/api/v1/nodes", token=NOBODY)[0] == 401


def test_a_refused_token_is_asked_about_again(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal kept for two real minutes would outlive days of a rehearsal in which access is granted."""
    assert call("GET", "/api/v1/nodes", token=NEWCOMER)[0] == 401
    monkeypatch.setitem(PEOPLE, NEWCOMER, Identity("somebody"))
    assert call("GET", "/api/v1/nodes", token=NEWCOMER)[0] == 403


def test_the_pod_proxy_reaches_the_pod_network(call: Call, running_pod: str) -> None:
    """How metrics of dcgm-exporter are scraped."""
    assert call("GET", f"{running_pod}:9400/proxy/metrics?a=b") == (200, "10.42.0.7 9400 /metrics?a=b")


def test_logs_come_from_the_kubelet(call: Call, running_pod: str) -> None:
    """How the smoke test is read: by TLS, on the kubelet's port of the pod's node."""
    status, text = call("GET", f"{running_pod}/log?tailLines=3")
    assert (status, text) == (200, "10.0.0.5 10250 /containerLogs/default/p/c?tailLines=3")


def test_controllers_and_scheduler_work(call: Call, running_pod: str) -> None:
    """A Deployment becomes pods, and the pods get a node."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    body = {"metadata": {"name": "web"}, "spec": spec}
    assert call("POST", "/apis/apps/v1/namespaces/default/deployments", body)[0] == 201

    def placed() -> int:
        pods = call("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb")[1]["items"]
        return sum(pod["spec"].get("nodeName") == "node-1" for pod in pods)

    eventually(lambda: placed() == 3)


def test_a_node_that_never_beats_stays_ready(call: Call, running_pod: str) -> None:
    """Node health is played by the simulated kubelets: no real seconds may turn a node Unknown."""
    eventually(lambda: not call("GET", "/api/v1/nodes/node-1")[1]["spec"].get("taints"))
    node = call("GET", "/api/v1/nodes/node-1")[1]
    assert [c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"] == ["True"]
