"""Judge a smoke Job by its logs, and remove it once it is judged.

In:  {"run": {...}, "node": "...", "smoke"?: {"deadline"}, "abandon"?: true, "now": "..."}
Out: {"status": "running" | "passed" | "failed" | "gone", "reason", "driver", "cuda", "product", "uuids", "evidence"}
"""

from dataclasses import asdict, replace
from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.jobs import Jobs, job_name
from gpuops.domain.admission.answers import Smoked, Started
from gpuops.domain.admission.smoke import judge_smoke
from gpuops.domain.run import Run
from gpuops.entry import entry


class Request(BaseModel):
    """In. `abandon` asks for the clean-up alone, after a failure."""

    run: Run
    node: str
    smoke: Started | None = None
    abandon: bool = False


def read(request: Request, now: datetime, jobs: Jobs) -> Smoked:
    """A judgement whose answer was lost finds its Job gone: the machine then starts it again; we may create none."""
    name = job_name(request.run.id, request.node)
    if request.abandon or request.smoke is None:
        jobs.delete(name)
        return Smoked(status="failed", reason="the smoke was given up; its Job is removed")
    state, overdue = jobs.state(name), now >= request.smoke.deadline
    if state is None and overdue:
        return Smoked(status="failed", reason="the smoke Job was removed before it was judged")
    if state is None:
        return Smoked(status="gone", reason="the smoke Job is gone before it was judged: it is started again")
    if state.status == "running" and not overdue:
        return Smoked(status="running", reason=f"{name} runs")
    logs, why = jobs.logs(name)
    verdict = judge_smoke(replace(state, reason=why or state.reason), logs, overdue=overdue)
    jobs.delete(name)
    return Smoked.model_validate(asdict(verdict))


@entry(Request)
def handler(request: Request, now: datetime) -> Smoked:
    """Judge the Job that start_smoke started."""
    return read(request, now, Jobs.connect(request.run.cluster))
