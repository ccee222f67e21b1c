"""What the adapters send, without sending it: the token, the smoke Job, the roles for the cluster."""

import base64
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
import yaml
from pydantic import ValidationError

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.jobs import MANIFEST, SmokeJob, job_name, render
from gpuops.adapters.kube import Kube
from gpuops.adapters.token import PREFIX, mint_token
from gpuops.domain.admission.smoke import DEVICE, SAMPLE
from gpuops.domain.cluster import Pod
from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.domain.keys import label_of

JOB = SmokeJob(
    run="run-1",
    group="gpu",
    node="ip-10-0-1-7.ec2.internal",
    device_image="a/b:1",
    sample_image="c:2",
    timeout_seconds=9,
)
LONG_RUN = "6f6e2b52-1f1f-4b7a-9f5e-0d6c1b2a3f4e_9f5e0d6c-1b2a-3f4e-6f6e-2b521f1f4b7a"
RBAC = [part for part in yaml.safe_load_all((MANIFEST.parent / "rbac.yaml").read_text()) if part]


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


def test_a_smoke_job_is_bound_to_its_node_and_lets_nothing_through() -> None:
    """Through the scheduler, without an account, without privileges, once, and not for long."""
    job = render(JOB)
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (0, 9, 3600)
    term = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [JOB.node]}]}
    assert "nodeName" not in pod
    assert pod["automountServiceAccountToken"] is False
    assert [(c["name"], c["image"]) for c in containers] == [(DEVICE, "a/b:1"), (SAMPLE, "c:2")]
    for container in containers:
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_smoke_jobs_name_belongs_to_run_and_node() -> None:
    """The same twice; another for another node or run."""
    assert job_name("run-1", "a") == job_name("run-1", "a")
    assert len({job_name("run-1", "a"), job_name("run-1", "b"), job_name("run-2", "a")}) == 3


def test_a_run_that_eventbridge_named_still_fits_a_label() -> None:
    """73 characters are too many for a label value."""
    label = render(SmokeJob(**{**JOB.model_dump(), "run": LONG_RUN}))["metadata"]["labels"]["gpuops/run"]

    assert len(label) <= 63
    assert label == label_of(LONG_RUN) != label_of(LONG_RUN + "x")
    assert label_of("run-1") == "run-1"


@pytest.mark.parametrize("fault", [{"node": "n\nx: y"}, {"node": "N"}, {"device_image": "a b"}, {"timeout_seconds": 0}])
def test_a_value_that_could_change_the_manifest_is_refused(fault: dict[str, Any]) -> None:
    """Before it comes near the template."""
    with pytest.raises(ValidationError):
        SmokeJob.model_validate({**JOB.model_dump(), **fault})


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
    """A cluster-wide right to create pods is a right to everything."""
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
    assert created == {("gpuops", "jobs")}


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
