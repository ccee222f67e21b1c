"""What the adapters send, without sending it: the token, the roles for the cluster."""

import base64
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
import yaml

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.kube import Kube
from gpuops.adapters.token import PREFIX, mint_token
from gpuops.domain.cluster import Pod
from gpuops.domain.errors import Invalid, Refused, Unavailable

MANIFESTS = Path(__file__).parents[2] / "layers/gpuops/gpuops/manifests"
RBAC = [part for part in yaml.safe_load_all((MANIFESTS / "rbac.yaml").read_text()) if part]


def session(token: str | None = None) -> Any:
    """A session with invented keys."""
    made = botocore.session.Session()
    made.set_credentials("AKIAEXAMPLE", "secret", token)
    return made


def test_the_token_has_the_shape_that_eks_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regional STS whatever the endpoint is set to, the cluster's name signed, 60 seconds, no padding."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    token = mint_token(session("st"), "demo", "eu-west-1")

    encoded = token.removeprefix(PREFIX)
    assert "=" not in encoded
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert (url.scheme, url.netloc, url.path) == ("https", "sts.eu-west-1.amazonaws.com", "/")
    assert (query["Action"], query["Version"], query["X-Amz-Expires"]) == ("GetCallerIdentity", "2011-06-15", "60")
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert query["X-Amz-Credential"].endswith("/eu-west-1/sts/aws4_request")
    assert query["X-Amz-Security-Token"] == "st"


def test_without_credentials_there_is_no_token() -> None:
    """A retry may find them: the credentials endpoint was late."""

    class Empty:
        """A session that found none."""

        def get_credentials(self) -> None:
            """See botocore.session.Session."""

    with pytest.raises(Unavailable):
        mint_token(Empty(), "demo", "eu-west-1")


def rules(kind: str) -> list[dict[str, list[str]]]:
    """Every rule of every role of a kind."""
    return [rule for part in RBAC if part["kind"] == kind for rule in part["rules"]]


def test_the_roles_grant_no_wildcard_and_no_secret() -> None:
    """Least privilege: what they name is what they grant."""
    granted = [*rules("ClusterRole"), *rules("Role")]

    words = {word for rule in granted for list_ in rule.values() for word in list_}
    assert granted
    assert not words & {"*", "secrets", "impersonate", "escalate", "bind", "pods/exec", "nodes/proxy"}


def test_only_our_namespace_takes_our_jobs() -> None:
    """A cluster-wide right to create pods is one to everything; in gpuops-system, admission knows one Job's command."""
    creates = {resource for rule in rules("ClusterRole") if "create" in rule["verbs"] for resource in rule["resources"]}

    assert creates == {"pods/eviction"}
    created = {
        (part["metadata"]["namespace"], resource)
        for part in RBAC
        if part["kind"] == "Role"
        for rule in part["rules"]
        if "create" in rule["verbs"] and "resourceNames" not in rule
        for resource in rule["resources"]
    }
    assert created == {("gpuops", "jobs"), ("gpuops-system", "jobs")}
    pinned = {part["metadata"]["name"] for part in RBAC if part["kind"] == "ValidatingAdmissionPolicyBinding"}
    assert {"gpuops-smoke-jobs", "gpuops-reset-jobs"} <= pinned


def test_the_namespace_of_smoke_jobs_lets_no_pod_near_its_node() -> None:
    """Whoever may create Jobs in a privileged namespace is root on every node; DaemonSets, by name, need one."""
    enforced = {
        part["metadata"]["name"]: part["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for part in RBAC
        if part["kind"] == "Namespace"
    }

    assert enforced == {"gpuops": "restricted", "gpuops-system": "privileged"}


def test_one_function_alone_may_create_jobs() -> None:
    """Judging and cleaning up need no such right."""
    lines = (Path(__file__).parents[2] / "template.yaml").read_text().splitlines()
    held = [before for before, line in pairwise(lines) if "gpuops-smokers" in line]

    assert [line.strip() for line in held] == ["PrincipalArn: !GetAtt StartSmokeFunctionRole.Arn"]


def test_every_group_of_an_access_entry_is_bound() -> None:
    """template.yaml and rbac.yaml must name the same groups; EKS refuses names that begin with system:."""
    template = Path(__file__).parents[2] / "template.yaml"
    named = set()
    for line in template.read_text().splitlines():
        if "KubernetesGroups:" in line:
            named |= set(line.partition("[")[2].rstrip("] ").replace(" ", "").split(","))
    subjects = [s for part in RBAC if part["kind"] in ("RoleBinding", "ClusterRoleBinding") for s in part["subjects"]]

    bound = {subject["name"] for subject in subjects if subject["kind"] == "Group"}
    assert named == bound
    assert not any(name.startswith("system:") for name in bound)


class Answering(Kube):
    """An apiserver that answers every eviction the same."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        self.answer = status, answer

    def status_of(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """See Kube."""
        return self.answer


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (401, Unavailable), (500, Unavailable), (422, Invalid)])
def test_an_eviction_that_fails_says_whether_waiting_would_help(status: int, error: type[Exception]) -> None:
    """A missing right is a person's work: seven retries later it would still be missing."""
    message = 'User "x" cannot create resource "pods/eviction" in API group ""'
    cluster = Cluster(Answering(status, {"message": message}))

    with pytest.raises(error, match=f"evict default/p: HTTP {status}: .*pods/eviction"):
        cluster.evict(Pod("default", "p"))


def test_a_pod_of_a_dying_namespace_is_waited_for() -> None:
    """The apiserver forbids evictions there until the pod itself is being deleted."""
    terminating = {
        "message": "namespace is being terminated",
        "details": {"causes": [{"reason": "NamespaceTerminating"}]},
    }

    why = Cluster(Answering(403, terminating)).evict(Pod("default", "p"))

    assert why is not None
    assert "namespace is being deleted" in why
