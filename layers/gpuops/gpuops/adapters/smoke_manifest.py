"""From a stage of a smoke to its Job: plain YAML, its placeholders filled with JSON."""

import json
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from gpuops.domain.admission.answers import Shot
from gpuops.domain.keys import label_of
from gpuops.domain.policy import Image, Smoke
from gpuops.domain.run import Run
from gpuops.domain.smoke.order import SmokeOrder
from gpuops.domain.smoke.stages import Stage

MANIFESTS = Path(__file__).parent.parent / "manifests"
FRAME, STAGES = MANIFESTS / "smoke_job.yaml", MANIFESTS / "smoke_stages.yaml"
HOLD = "nvidia-smi -L && {{ nvidia-smi -q -d ECC,ROW_REMAPPER || true; }} && exec sleep {seconds}"
DIAGNOSE = (
    "nvidia-smi -L && nv-hostengine --pid /tmp/nv-hostengine.pid --log-filename /tmp/nv-hostengine.log"
    " && exec dcgmi diag -r {level}"
)
"""The host engine listens on the pod's own loopback, and asks for no root."""


class SmokeJob(BaseModel):
    """Everything that the manifests leave open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    smoke: str
    """The execution that smokes: a run may smoke a node more than once, and a Job tells of one moment."""
    group: str
    node: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
    stage: Stage = "device"
    pods: Annotated[int, Field(ge=1)] = 1
    amount: Annotated[int, Field(ge=1)] = 1
    resource: Literal["nvidia.com/gpu", "nvidia.com/gpu.shared"] = "nvidia.com/gpu"
    device_image: Image
    sample_image: Image
    diagnostic_image: Image
    level: Annotated[int, Field(ge=1, le=4)] = 1
    timeout_seconds: Annotated[int, Field(gt=0)]

    @property
    def name(self) -> str:
        """Deterministic, so that a repeated start finds the first one's Job."""
        return job_name(self.smoke, self.node, self.stage)


def job_name(smoke: str, node: str, stage: Stage) -> str:
    """Return the name of the Job of one stage on one node in one execution."""
    return f"gpuops-smoke-{stage}-{sha256(f'{smoke}/{node}'.encode()).hexdigest()[:20]}"


def smoke_job(run: Run, order: SmokeOrder, shot: Shot, resource: str, policy: Smoke) -> SmokeJob:
    """Return the Job of a stage, with the images of the group's policy."""
    return SmokeJob.model_validate(
        {
            "run": run.id,
            "smoke": order.smoke_id,
            "group": run.group,
            "node": order.node,
            "stage": shot.stage,
            "pods": shot.pods,
            "amount": shot.amount,
            "resource": resource,
            "device_image": policy.nvidia_smi,
            "sample_image": policy.cuda_sample,
            "diagnostic_image": policy.diagnostic,
            "level": policy.diagnostic_level or 1,
            "timeout_seconds": shot.timeout_seconds,
        }
    )


def render(job: SmokeJob) -> dict[str, Any]:
    """Return the Job with every placeholder filled."""
    values = {
        **job.model_dump(exclude={"run", "smoke", "group", "level"}),
        "name": job.name,
        "node_label": label_of(job.node),
        "run_label": label_of(job.run),
        "group_label": label_of(job.group),
        "hold": HOLD.format(seconds=job.timeout_seconds),
        "diagnose": DIAGNOSE.format(level=job.level),
    }
    written = {key: json.dumps(value) for key, value in values.items()}
    frame = dict(yaml.safe_load(Template(FRAME.read_text()).substitute(written)))
    stages = yaml.safe_load(Template(STAGES.read_text()).substitute(written))
    frame["spec"]["template"]["spec"] |= stages[job.stage]
    return frame
