"""`gpuops plan`: what gpuops would do now, and why, without doing it.

It decides in this process, by the code that the function runs, over what the caller may read of AWS and the cluster.
The plan is that of this moment: the run that rolls makes its own.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli import slicing
from cli.output import answer, give_up, say
from cli.policy import read_policy
from cli.table import open_world
from gpuops import planning
from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.rotation.facts import Sight
from gpuops.domain.rotation.messages import Order
from gpuops.domain.rotation.release import SeenRelease

FAULTS = (BotoCoreError, ClientError, Conflict, Invalid, Refused, Unavailable)
Plan = dict[str, Any]

app = typer.Typer(no_args_is_help=True, help="Print what gpuops would do now, and do nothing.")
app.command("slicing")(slicing.slicing)


@app.command()
def rotation(
    fleet: Annotated[Path | None, typer.Option(help="Plan by this file instead of the uploaded policy.")] = None,
    group: Annotated[str | None, typer.Option(help="Name of one Auto Scaling group; not given: all.")] = None,
    at: Annotated[datetime | None, typer.Option(help="Plan as if it were then (UTC): holds and windows.")] = None,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Print for each group whether it would roll, to what, in which order, and what would change meanwhile."""
    now = at.replace(tzinfo=UTC) if at else datetime.now(UTC)  # noqa: TID251 - a person asks, no state machine
    local = read_policy(fleet, as_json=as_json) if fleet else None
    try:
        world = open_world(stack)
        policy = local or world.policies.latest()
        groups = (policy.group(group),) if group else policy.groups
    except FAULTS as error:
        give_up(f"plan: {error}", as_json=as_json)
    plans = [plan_group(one, policy, now, world) for one in groups]
    for plan in plans:
        _tell(plan)
    if as_json:
        answer({"now": now.isoformat(), "policy": policy.version, "plans": plans})
    raise typer.Exit(2 if any(plan["status"] == "error" for plan in plans) else 0)


def plan_group(policy: GroupPolicy, fleet: Policy, now: datetime, world: World) -> Plan:
    """Return one group's plan; of a group that cannot be planned, why: the others are planned all the same."""
    of_group = {"cluster": policy.cluster, "group": policy.group, "mode": policy.mode}
    order = Order(cluster=policy.cluster, group=policy.group)
    try:
        target = planning.target_of(order, policy, world)
        release = world.releases.seen(policy.group, target.ami) or SeenRelease(target=target, seen=now)
        decision = planning.decide(order, fleet, release, now, world)
        surge = planning.surge_of(decision, world)
    except FAULTS as error:
        return {**of_group, "status": "error", "reason": f"{type(error).__name__}: {error}"}
    seen = {"first_seen": release.seen.isoformat()}
    cost = {"gpu_hours": surge.gpu_hours, "dollars": surge.dollars, "cost": surge.said}
    return {**of_group, "target": target.model_dump() | seen, **decision.model_dump(mode="json"), **cost}


def _tell(plan: Plan) -> None:
    """The plan for a person."""
    target = plan.get("target")
    say(f"{plan['cluster']}/{plan['group']}: {plan['status']}{_until(plan)}: {plan['reason']}")
    if target:
        say(f"  target   {target['release']} ({target['ami']})")
    for about, line in Sight.model_validate(plan.get("sees") or {}).lines:
        say(f"  {about:<8} {line}")
    for place, node in enumerate(plan.get("nodes", ()), start=1):
        role = ", canary" if node["canary"] else ", gives back the surge" if node["decrement"] else ""
        say(f"  node {place:<3} {node['instance']}: {node['reason']}{role}")
    if plan.get("nodes"):
        say(f"  surge    {plan['surge']}: {plan['cost']}")
    for change in plan.get("changes", ()):
        say(f"  change   {change}")


def _until(plan: Plan) -> str:
    return f" until {plan['until']}" if plan.get("until") else ""
