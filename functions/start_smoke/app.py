"""Start the smoke Job on a node, through the scheduler and with the images of the group's policy.

In:  {"run": {...}, "node": "ip-10-0-1-7.ec2.internal", "smoke"?: <previous answer>, "now": "..."}
Out: {"status": "started", "reason", "job", "deadline"}
"""

from datetime import datetime, timedelta

from pydantic import BaseModel

from gpuops.adapters.jobs import Jobs, smoke_job
from gpuops.adapters.policies import Policies
from gpuops.domain.admission.answers import Started
from gpuops.domain.policy import Smoke
from gpuops.domain.run import Run
from gpuops.entry import entry


class Request(BaseModel):
    """In."""

    run: Run
    node: str
    smoke: Started | None = None
    """The first start's answer, where its Job was gone too early: its deadline stands."""


def start(request: Request, now: datetime, policy: Smoke, jobs: Jobs) -> Started:
    """A repeated call finds the Job of the first."""
    job = smoke_job(request.run, request.node, policy)
    jobs.start(job)
    deadline = request.smoke.deadline if request.smoke else now + timedelta(seconds=policy.timeout_seconds)
    return Started(reason=f"{job.name} on {request.node}", job=job.name, deadline=deadline)


@entry(Request)
def handler(request: Request, now: datetime) -> Started:
    """Start the Job that read_smoke judges."""
    policy = Policies.from_env().at(request.run.policy).group(request.run.group).smoke
    return start(request, now, policy, Jobs.connect(request.run.cluster))
