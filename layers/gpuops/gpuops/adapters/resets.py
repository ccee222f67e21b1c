"""Jobs that reset the GPUs of a node, in gpuops-system: named after run and node, so never twice.

Such a Job enters its host, which is why its command is one text, and an admission policy lets no other through.
"""

import json
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

import yaml

from gpuops.adapters.jobs import BACKGROUND, job_state
from gpuops.adapters.kube import Kube
from gpuops.domain.errors import Conflict
from gpuops.domain.keys import SYSTEM_NAMESPACE, label_of
from gpuops.domain.smoke.stages import MAX_LOG, JobState, clean

JOBS = f"/apis/batch/v1/namespaces/{SYSTEM_NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods"
FRAME = Path(__file__).parent.parent / "manifests" / "reset_job.yaml"


class Resets:
    """What gpuops does with these Jobs. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def start(self, run: str, node: str, image: str) -> None:
        """Create the Job; one of its name is this one, already started."""
        try:
            self._kube.post(JOBS, reset_job(run, node, image))
        except Conflict as error:
            if "already exists" not in str(error):
                raise

    def state(self, run: str, node: str) -> JobState | None:
        """Return how far the Job is, or None when there is none."""
        raw = self._kube.get(f"{JOBS}/{_name(run, node)}")
        return None if raw is None else job_state(raw)

    def words(self, run: str, node: str) -> str:
        """Return the end of what the Job printed; empty where it printed nothing, or its pod is gone."""
        found = self._kube.get_all(PODS, [("labelSelector", f"batch.kubernetes.io/job-name={_name(run, node)}")])
        texts = [self._kube.get_text(f"{PODS}/{pod['metadata']['name']}/log", LIMIT) for pod in found]
        return clean(" ".join(" ".join(texts).split()[-40:]))

    def delete(self, run: str, node: str) -> None:
        """Remove the Job and, in the background, its pod."""
        self._kube.delete(f"{JOBS}/{_name(run, node)}", BACKGROUND)


LIMIT = [("limitBytes", str(MAX_LOG))]


def reset_job(run: str, node: str, image: str) -> dict[str, Any]:
    """Return the Job with every placeholder filled, with JSON, so that no value can change its structure."""
    values = {
        "name": _name(run, node),
        "node": node,
        "node_label": label_of(node),
        "run_label": label_of(run),
        "image": image,
    }
    text = Template(FRAME.read_text(encoding="utf-8")).substitute({key: json.dumps(one) for key, one in values.items()})
    return dict(yaml.safe_load(text))


def _name(run: str, node: str) -> str:
    return f"gpuops-reset-{sha256(f'{run}/{node}'.encode()).hexdigest()[:20]}"
