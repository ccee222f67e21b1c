"""Judge a stage of a smoke by its pods' logs and the exporter's Xids, and remove its Job once it is judged.

In:  {"run": {...}, "node": "...", "smoke"?: <start_smoke's answer>, "verdict"?: <previous answer>, "abandon"?: true,
      "hook"?, "instance"?, "now": "..."}
Out: {"status": "running" | "next" | "passed" | "failed" | "gone" | "skipped", "reason", "stage", "driver", "cuda",
      "product", "uuids", "evidence", "proved", "faulty"}
"""

from datetime import datetime

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.jobs import Jobs
from gpuops.adapters.memory import Memory
from gpuops.adapters.metrics import Metrics
from gpuops.adapters.smoke_manifest import job_name
from gpuops.domain.admission.answers import Expected, Shot, Smoked, Started
from gpuops.domain.dcgm.readings import read_exporter
from gpuops.domain.errors import Refused
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.smoke.fold import fold, look_again
from gpuops.domain.smoke.health import add_xids
from gpuops.domain.smoke.judge import judge_smoke, may_judge
from gpuops.domain.smoke.order import SmokeOrder
from gpuops.domain.smoke.stages import STAGES, JobState, Verdict
from gpuops.domain.tenants import tenants_of
from gpuops.entry import entry

LONG_SECONDS = 600
"""Longer stages outlast the heartbeat of a usual hook."""


class Request(SmokeOrder):
    """In. `abandon` asks for the clean-up alone, after a failure."""

    smoke: Started | None = None
    verdict: Smoked | None = None
    abandon: bool = False


class Stage(Started):
    """A stage that runs: what may be missing in other answers is there."""

    shot: Shot
    expected: Expected


def read(request: Request, now: datetime, cluster: Cluster, jobs: Jobs, metrics: Metrics) -> Smoked:
    """A judgement whose answer was lost finds its Job gone: the machine then starts it again; we may create none."""
    if request.abandon or request.smoke is None:
        return abandon(request, jobs)
    if request.smoke.status == "skipped":
        return Smoked(status="skipped", reason=request.smoke.reason)
    stage = Stage.model_validate(request.smoke.model_dump())
    state, overdue = jobs.state(stage.job), now >= stage.deadline
    if state is None:
        why = f"{stage.shot.stage}: the smoke Job was removed before it was judged"
        return look_again(request.verdict, stage.shot.stage, "failed" if overdue else "gone", why)
    verdict = judge(stage, state, jobs, overdue=overdue)
    if state.status == "running" and verdict.status in {"running", "failed"}:
        give_way(stage, cluster, request.node, verdict)
    if verdict.status == "running":
        return look_again(request.verdict, stage.shot.stage, "running", verdict.reason)
    for job in (*jobs.forgotten(stage.job, request.node), stage.job):
        jobs.delete(job)
    if verdict.status == "withdrawn":
        raise Refused(verdict.reason)
    readings = read_exporter(lambda: metrics.scrape(request.node))
    return fold(request.verdict, stage.shot.stage, add_xids(verdict, readings, xid_table()), more=bool(stage.left))


def judge(stage: Stage, state: JobState, jobs: Jobs, *, overdue: bool) -> Verdict:
    """Logs are read only once there may be something in them to judge."""
    pods = jobs.pods(stage.job)
    if may_judge(stage.shot, stage.expected, state, pods, overdue=overdue):
        pods = jobs.read(pods)
    return judge_smoke(stage.shot, stage.expected, state, pods, overdue=overdue)


def give_way(stage: Stage, cluster: Cluster, node: str, verdict: Verdict) -> None:
    """A node that nobody keeps closed may get tenants in the middle: the smoke neither starves them nor blames it."""
    if stage.shot.stage == "slices" or verdict.faulty:
        return
    tenants = tenants_of(cluster.pods_on(node))
    if tenants:
        raise Refused(f"{stage.shot.stage}: {len(tenants)} tenants came to {node} meanwhile: the smoke gave way")


def abandon(request: Request, jobs: Jobs) -> Smoked:
    """Remove whatever may be there: an answer may have been lost at any stage."""
    for stage in STAGES:
        jobs.delete(job_name(request.smoke_id, request.node, stage))
    return look_again(request.verdict, None, "failed", "the smoke was given up; its Jobs are removed")


def beat(request: Request, instances: Instances) -> None:
    """A launch hook that waits for the node hears of each stage's start; of a long stage, also meanwhile."""
    stage = request.smoke
    if request.hook is None or request.instance is None or stage is None or stage.shot is None:
        return
    if stage.shot.timeout_seconds > LONG_SECONDS:
        instances.heartbeat(request.hook, request.instance)


def remember(answer: Smoked, request: Request, now: datetime, cluster: Cluster, memory: Memory) -> Smoked:
    """Boards that proved to be faulty come back with other instances."""
    boards = [gpu for gpu in answer.faulty if gpu.uuid.startswith("GPU-")] if answer.status == "failed" else []
    node = cluster.node(request.node) if boards else None
    for gpu in boards:
        memory.remember_gpu(gpu.uuid, gpu.fault, node.instance if node else "", request.node, now)
    return answer


@entry(Request)
def handler(request: Request, now: datetime) -> Smoked:
    """Judge the stage that start_smoke started."""
    cluster = Cluster.connect(request.where)
    metrics = Metrics(cluster.kube, request.smoke.namespaces if request.smoke else ())
    answer = read(request, now, cluster, Jobs(cluster.kube), metrics)
    if answer.status == "running":
        beat(request, Instances.from_env())
    return remember(answer, request, now, cluster, Memory.from_env())
