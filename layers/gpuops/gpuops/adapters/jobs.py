"""Smoke Jobs in the namespace gpuops: start, look, read, remove; each named after its run and node, so never twice."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field

from gpuops.adapters.kube import Kube
from gpuops.domain.admission.smoke import MAX_LOG, JobState, clean
from gpuops.domain.errors import Conflict
from gpuops.domain.keys import GROUP_LABEL, NAMESPACE, SMOKE_LABEL, label_of
from gpuops.domain.policy import Image, Smoke
from gpuops.domain.run import Run

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
MANIFEST = Path(__file__).parent.parent / "manifests" / "smoke_job.yaml"
BACKGROUND = [("propagationPolicy", "Background")]


class SmokeJob(BaseModel):
    """Everything that the manifest leaves open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    group: str
    node: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
    device_image: Image
    sample_image: Image
    timeout_seconds: Annotated[int, Field(gt=0)]

    @property
    def name(self) -> str:
        """Deterministic, so that a repeated start finds the first one's Job."""
        return job_name(self.run, self.node)


def job_name(run: str, node: str) -> str:
    """Return the name of the smoke Job of one node in one run."""
    return f"gpuops-smoke-{sha256(f'{run}/{node}'.encode()).hexdigest()[:20]}"


def smoke_job(run: Run, node: str, policy: Smoke) -> SmokeJob:
    """Return the Job that the group's policy asks for."""
    return SmokeJob(
        run=run.id,
        group=run.group,
        node=node,
        device_image=policy.nvidia_smi,
        sample_image=policy.cuda_sample,
        timeout_seconds=policy.timeout_seconds,
    )


def render(job: SmokeJob) -> dict[str, Any]:
    """Return the manifest with every placeholder filled."""
    values = {
        **job.model_dump(exclude={"run", "group"}),
        "name": job.name,
        "node_label": label_of(job.node),
        "run_label": label_of(job.run),
        "group_label": label_of(job.group),
    }
    text = Template(MANIFEST.read_text()).substitute({key: json.dumps(value) for key, value in values.items()})
    return dict(yaml.safe_load(text))


class Jobs:
    """What gpuops does with Jobs. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    @classmethod
    def connect(cls, cluster: str) -> Self:
        """Return the Jobs of the cluster that EKS knows by this name."""
        return cls(Kube.connect(cluster))

    def start(self, job: SmokeJob) -> None:
        """Create the Job; one of its name is this one, already started."""
        try:
            self._kube.post(JOBS, render(job))
        except Conflict as error:
            if "already exists" not in str(error):
                raise

    def state(self, name: str) -> JobState | None:
        """Return how far the Job is, or None when there is none."""
        raw = self._kube.get(f"{JOBS}/{name}")
        if raw is None:
            return None
        for condition in raw.get("status", {}).get("conditions", ()):
            if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
                reason = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
                return JobState("complete" if condition["type"] == "Complete" else "failed", clean(reason))
        return JobState("running")

    def logs(self, name: str) -> tuple[dict[str, str], str]:
        """Return the log of each container that started, cut, and what the pod itself says about not running."""
        pod = next(iter(self._kube.get_all(PODS, [("labelSelector", f"batch.kubernetes.io/job-name={name}")])), None)
        if pod is None:
            return {}, "its pod is not there"
        path = f"{PODS}/{pod['metadata']['name']}/log"
        status = pod.get("status", {})
        names = [c["name"] for c in _containers(status) if c.get("state", {}).keys() & {"running", "terminated"}]
        logs = {c: self._kube.get_text(path, [("container", c), ("limitBytes", str(MAX_LOG))]) for c in names}
        return logs, _why(status)

    def delete(self, name: str) -> None:
        """Remove the Job and, in the background, its pod."""
        self._kube.delete(f"{JOBS}/{name}", BACKGROUND)

    def of_group(self, group: str) -> dict[str, str]:
        """Return the name of each smoke Job of a group, with its node's name as a label value."""
        found = self._kube.get_all(JOBS, [("labelSelector", f"{GROUP_LABEL}={label_of(group)}")])
        return {str(raw["metadata"]["name"]): str(raw["metadata"]["labels"].get(SMOKE_LABEL)) for raw in found}


def _containers(status: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def _why(status: Mapping[str, Any]) -> str:
    """The pod's own words: not scheduled, image not pulled, evicted."""
    if status.get("reason") or status.get("message"):
        return clean(f"{status.get('reason', '')} {status.get('message', '')}")
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return clean(f"{container['name']}: {waiting['reason']} {waiting.get('message', '')}")
    unscheduled = (c for c in status.get("conditions", ()) if c["type"] == "PodScheduled" and c["status"] == "False")
    return clean(next((c.get("message", "") for c in unscheduled), ""))
