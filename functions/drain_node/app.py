"""Cordon a node once its turn has come, and evict one pass of its pods; the state machine does the waiting.

In:  {"run": {...}, "change"?: {"fence"}, "instance": "i-...", "drain"?: <previous answer>,
      "faulty"?: true, "only_gpus"?: true, "terminates"?: true, "leaves_at"?: "...", "now": "..."}
Out: {"status": "drained" | "draining" | "overdue", "reason", "node", "started", "deadline", "held"?,
      "evicted", "refused", "waiting_for", "wait_seconds"}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.halting import why_at_rest
from gpuops.adapters.world import World
from gpuops.closing import Closing
from gpuops.domain.cluster import Node
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.drain import Clock, decide_drain, drain_state, named
from gpuops.domain.rotation.evacuation import decide_evacuation
from gpuops.domain.rotation.halt import Halt, Rest
from gpuops.domain.rotation.hold import Held, Hold, decide_hold
from gpuops.domain.rotation.messages import Change
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.fencing import empty_dead
from gpuops.repair.mine import check_goes


class Drained(Rest):
    """Out. The counts run through the whole drain; the two times belong to it alone."""

    status: Literal["drained", "draining", "overdue"]
    reason: str
    node: str | None = None
    started: AwareDatetime
    deadline: AwareDatetime
    held: Held | None = None
    """What the node waits for before it is closed: nothing is done to it, and neither time counts."""
    silent: AwareDatetime | None = None
    """Since when its kubelet is known to be; None while it speaks."""
    evicted: int = 0
    refused: int = 0
    waiting_for: tuple[str, ...] = ()
    wait_seconds: int = 0
    """Before the next call, if it is still draining."""


class Request(BaseModel):
    """In."""

    run: Run
    change: Change | None = None
    """None where no change of the group is open: then somebody else closed the node, for a reason of its own."""
    instance: str
    drain: Drained | None = None
    faulty: bool = False
    """The node's GPU is: training is asked to save its work at once, and gets the time for that and no more."""
    only_gpus: bool = False
    """Only pods that hold GPUs have to go: the node itself runs on."""
    terminates: bool = False
    """The instance is terminated next: where its kubelet is dead, which lets nobody evict anything, it is fenced."""
    leaves_at: AwareDatetime | None = None
    """When AWS takes the instance, whatever is on it."""


def drain(request: Request, now: datetime, world: World) -> Drained:
    """One pass: cordon, sort the pods, evict those that may go; none of it while the global stop stands.

    An overdue drain stops the run: no further node. A repair has no other node, so a person's wish is heard here.

    Raises: Conflict when the run does not hold the group any more, nor the node that it repairs, or another run's
    cordon stands on it; Refused when a person cancelled the repair.
    """
    if request.change is not None:
        world.store.check_fence(request.run, request.change.fence)
    policy = world.policies.at(request.run.policy)
    group = policy.group(request.run.group)
    cluster = world.cluster(request.run.cluster)
    patience = timedelta(minutes=group.drain.deadline_minutes)
    before = request.drain or Drained(status="draining", reason="", started=now, deadline=now + patience)
    node = cluster.node_of(request.instance, hint=before.node or world.instances.private_dns(request.instance))
    if node is None:
        gone = f"{request.instance} has no node any more"
        return before.model_copy(update={"status": "drained", "reason": gone, "waiting_for": ()})
    if halt := why_at_rest(request.run, world, repairs=request.faulty):
        return _resting(before, halt, now)
    if request.faulty:
        check_goes(request.run, request.instance, node)
    before = _after_rest(before, now)
    if request.terminates and node.silent:
        return _of_the_dead(request, node, before, now, cluster=cluster, world=world)
    if request.change is not None:
        if hold := Closing(request.run, policy, cluster, world).close(node):
            return _held(request, before, hold, group, now=now, world=world)
        if before.held is not None:
            before = before.model_copy(update={"started": now, "deadline": now + patience, "held": None})
    answer = _evict(request, before, now, group, cluster=cluster, node=node.name)
    if answer.status == "overdue" and request.change is not None:
        world.store.stop(request.run, f"{node.name}: {answer.reason}")
    return answer


def _of_the_dead(
    request: Request, node: Node, before: Drained, now: datetime, *, cluster: Cluster, world: World
) -> Drained:
    """Wait whether the kubelet speaks again; then have its pods and volumes moved without it."""
    silent = before.silent or now
    fence = empty_dead(node, request.instance, silent, now, cluster=cluster, world=world)
    told = {"reason": fence.reason, "silent": silent, "node": node.name}
    if fence.act == "leave":
        return before.model_copy(update={"status": "drained", "waiting_for": (), **told})
    return before.model_copy(update={"status": "draining", "wait_seconds": fence.wait_seconds, **told})


def _resting(before: Drained, halt: Halt, now: datetime) -> Drained:
    """Let the pods that are left be, and the node as closed as it is; neither grace nor deadline runs meanwhile."""
    rest = {"resting": before.resting or now, "reason": halt.reason, "wait_seconds": halt.seconds(now)}
    return before.model_copy(update=rest)


def _after_rest(before: Drained, now: datetime) -> Drained:
    """Go on as if there had been no rest."""
    lost = before.lost(now)
    times = {"started": before.started + lost, "deadline": before.deadline + lost}
    held, silent = before.held and before.held.later(lost), before.silent and before.silent + lost
    return before.model_copy(update={**times, "held": held, "silent": silent, "resting": None})


def _evict(
    request: Request, before: Drained, now: datetime, group: GroupPolicy, *, cluster: Cluster, node: str
) -> Drained:
    """Sort the node's pods, tell those to go that may, and say what still holds the node."""
    saving = timedelta(minutes=group.drain.checkpoint_minutes)
    grace = saving if request.faulty else timedelta(hours=group.job_grace_hours)
    clock = Clock(before.started, before.deadline)
    pods = [pod for pod in cluster.pods_on(node) if pod.gpus or not request.only_gpus]
    if request.leaves_at is None:
        decision = decide_drain(pods, group.drain, grace, clock, now)
    else:
        decision = decide_evacuation(pods, group.drain, before.started, request.leaves_at, now)
    for pod in decision.ask:
        cluster.ask_checkpoint(pod, now)
    answers = cluster.evict_all(decision.evict)
    for pod in decision.delete:
        cluster.delete_pod(pod)
    refused = {pod: why for pod, why in answers.items() if why is not None}
    state = drain_state(decision, refused, () if decision.left or request.only_gpus else cluster.volumes_on(node))
    return Drained(
        status=state.status,
        reason=state.reason,
        node=node,
        started=before.started,
        deadline=decision.deadline,
        evicted=before.evicted + len(answers) - len(refused) + len(decision.delete),
        refused=before.refused + len(refused),
        waiting_for=tuple(named(decision, refused)),
        wait_seconds=decision.wait_seconds,
    )


def _held(request: Request, before: Drained, hold: Hold, group: GroupPolicy, *, now: datetime, world: World) -> Drained:
    """Leave the node as it is, and look again; a hold that outlasts the policy's patience stops the run."""
    wait = decide_hold(hold, before.held, group, now)
    if wait.overdue:
        world.store.stop(request.run, f"{request.instance}: {wait.reason}")
    return before.model_copy(
        update={
            "status": "overdue" if wait.overdue else "draining",
            "reason": wait.reason,
            "held": wait.held,
            "waiting_for": (hold.why,),
            "wait_seconds": wait.wait_seconds,
        }
    )


@entry(Request)
def handler(request: Request, now: datetime) -> Drained:
    """Drain by the policy that the run began with."""
    return drain(request, now, World())
