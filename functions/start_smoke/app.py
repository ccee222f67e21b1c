"""Start the next stage of a node's smoke, through the scheduler and with the images of the group's policy.

The first call decides which stages there are, by who works on the node; the later ones take them one by one.

In:  {"run": {...}, "node": "ip-10-0-1-7.ec2.internal", "expected"?: {"gpus", "replicas", "resource"}, "hook"?,
      "instance"?, "smoke"?: <previous answer>, "verdict"?: <read_smoke's last answer>, "now": "..."};
     on demand {"cluster", "node", "group"?, "execution": {...}, "now"} instead of `run`
Out: {"status": "started" | "skipped", "reason", "run", "job", "deadline", "wait_seconds", "shot", "left", "expected",
      "namespaces"}
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.jobs import Jobs
from gpuops.adapters.metrics import Metrics
from gpuops.adapters.policies import Policies
from gpuops.adapters.smoke_manifest import smoke_job
from gpuops.domain.admission.answers import Expected, Shot, Smoked, Started
from gpuops.domain.cluster import Node
from gpuops.domain.dcgm.readings import Readings, read_exporter
from gpuops.domain.errors import Invalid, Refused, Unhealthy
from gpuops.domain.policy import Policy
from gpuops.domain.run import Run
from gpuops.domain.slicing.configured import shape_of
from gpuops.domain.smoke.order import SmokeOrder, ordered
from gpuops.domain.smoke.plan import plan_smoke
from gpuops.domain.tenants import tenants_of
from gpuops.entry import entry


class Request(SmokeOrder):
    """In."""

    expected: Expected | None = None
    smoke: Started | None = None
    verdict: Smoked | None = None


@dataclass(frozen=True)
class Here:
    """The policy, and everything that a start touches."""

    policy: Policy
    instances: Instances
    cluster: Cluster
    jobs: Jobs
    metrics: Metrics


def begin(request: Request, now: datetime, here: Here) -> Started:
    """Decide on the stages and start the first one; a repeated call finds the Job of the first."""
    node = here.cluster.node(request.node)
    if node is None:
        gone = Unhealthy if request.run else Invalid
        raise gone(f"there is no node {request.node} in cluster {request.where}")
    run = request.run or ordered(request, here.instances.group_of(node.instance), here.policy)
    expected = request.expected or declared(node, run, here)
    pods = here.cluster.pods_on(node.name)
    places = here.policy.cluster(run.cluster).dcgm_exporter.namespaces
    readings = read_exporter(lambda: here.metrics.scrape(node.name)) if tenants_of(pods) else Readings()
    plan = plan_smoke(node, pods, expected, here.policy.group(run.group).smoke, readings.headroom)
    if plan.status == "refused":
        raise Refused(plan.reason)
    if plan.status == "skipped":
        return Started(status="skipped", reason=plan.reason, run=run, deadline=now, wait_seconds=0)
    shot = plan.shots[0]
    stage = Started(
        reason="", run=run, deadline=now, shot=shot, left=plan.shots[1:], expected=expected, namespaces=places
    )
    return fire(request, stage, now + _time(shot), here)


def go_on(request: Request, now: datetime, last: Started, here: Here) -> Started:
    """The next stage after one that passed; else the same one again, because its Job was gone: its deadline stands."""
    if request.verdict is None or request.verdict.status != "next" or not last.left:
        return fire(request, last, last.deadline, here)
    stage = last.model_copy(update={"shot": last.left[0], "left": last.left[1:]})
    return fire(request, stage, now + _time(last.left[0]), here)


def fire(request: Request, stage: Started, deadline: datetime, here: Here) -> Started:
    """Start the stage; a launch hook that waits for the node hears of each."""
    shot, expected, run = stage.shot, stage.expected, stage.run
    if shot is None or expected is None:
        raise Invalid(f"{request.node}: the smoke has no stage")
    if request.hook is not None and request.instance is not None:
        here.instances.heartbeat(request.hook, request.instance)
    job = smoke_job(run, request, shot, expected.resource, here.policy.group(run.group).smoke)
    here.jobs.start(job)
    reason = f"{job.name} on {request.node}: {shot.stage}, pods: {shot.pods}"
    told = {"reason": reason, "job": job.name, "deadline": deadline, "wait_seconds": shot.wait_seconds}
    return stage.model_copy(update=told)


def declared(node: Node, run: Run, here: Here) -> Expected:
    """What the node's type has, and how its device plugin is told to share it; exclusive where nothing tells."""
    gpus = here.instances.gpus(node.instance) if node.instance else 0
    if gpus == 0:
        raise Invalid(f"{node.name} ({node.instance or 'no instance'}) is of a type without NVIDIA GPUs")
    title = here.policy.cluster(run.cluster).config_map
    if node.config is None or title is None:
        return Expected(gpus=gpus)
    shape = shape_of(here.cluster.config_text(title, node.config), node.config, title)
    return Expected.model_validate({"gpus": gpus, "replicas": shape.replicas, "resource": shape.resource})


def _time(shot: Shot) -> timedelta:
    return timedelta(seconds=shot.timeout_seconds)


@entry(Request)
def handler(request: Request, now: datetime) -> Started:
    """Start the Job that read_smoke judges."""
    policies, cluster = Policies.from_env(), Cluster.connect(request.where)
    policy = policies.at(request.run.policy) if request.run else policies.latest()
    metrics = Metrics(cluster.kube, policy.cluster(request.where).dcgm_exporter.namespaces)
    here = Here(policy, Instances.from_env(), cluster, Jobs(cluster.kube), metrics)
    return go_on(request, now, request.smoke, here) if request.smoke else begin(request, now, here)
