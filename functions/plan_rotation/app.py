"""Decide whether and how a group rolls to an AMI; the state machine asks again after the roll, to verify it.

In:  {"event": {"cluster": "gpu", "group": "gpu-a", "ami"?: "ami-..."} or our own event's envelope,
      "execution": {"id", "name", "machine"}, "now": "...", "run"?: {...}, "plan"?: {...}, "begin"?: {...}}
Out: {"status": "roll" | "wait" | "current" | "planned" | "hold" | "reject", "reason", "until", "run",
      "target": {"ami", "release"}, "nodes": [{"instance", "decrement", "reason"}], "surge", "changes": ["..."],
      "settled", "sees": {"kubernetes", "driver", "cuda", "source", "types", "needs"}}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops import planning
from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.messages import Begun, Order, RotationPlan
from gpuops.domain.run import Execution, Run
from gpuops.entry import entry


class PlanRotation(BaseModel):
    """The event as it came; `run` and `plan` when the run plans again, after a rest or to verify."""

    event: Order
    execution: Execution
    run: Run | None = None
    plan: RotationPlan | None = None
    begin: Begun | None = None
    """There once the run has the group."""


@entry(PlanRotation)
def handler(request: PlanRotation, now: datetime) -> RotationPlan:
    """Plan; nothing is touched but the memory of when a release was first seen."""
    return plan(request, now, World())


def plan(request: PlanRotation, now: datetime, world: World) -> RotationPlan:
    """Look at everything, decide once.

    Raises: Invalid for an order that cannot be acted on; Conflict naming the run whose change of the group is open.
    """
    policy = world.policies.at(request.run.policy) if request.run else world.policies.latest()
    of_group = planning.policy_of(request.event, policy)
    run = request.run or request.execution.run(of_group.cluster, of_group.group, policy.version, of_group.mode)
    target = request.plan.target if request.plan else planning.target_of(request.event, of_group, world)
    release = world.releases.see(run.group, target, now)
    begun = request.begin is not None
    decision = planning.decide(request.event, policy, release, now, world, run=run.id, begun=begun)
    if decision.holder and run.mode == "apply":
        raise Conflict(decision.reason)
    return RotationPlan(run=run, target=target, **decision.model_dump())
