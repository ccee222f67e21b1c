"""`gpuops amis`: the AMIs of each group, what is known of them, and what would become of each; reads only."""

import shlex
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.output import answer, give_up, say
from cli.plan import FAULTS
from cli.table import open_world
from gpuops import planning
from gpuops.adapters.world import World
from gpuops.domain.policy import GroupPolicy, ImagePipeline, Pinned, Policy
from gpuops.domain.rotation.image import name_pattern
from gpuops.domain.rotation.inventory import ListedAmi, list_amis
from gpuops.domain.rotation.messages import Order
from gpuops.domain.rotation.release import SeenRelease

Listed = dict[str, Any]


def command(
    group: Annotated[str | None, typer.Option(help="Name of one Auto Scaling group; not given: all.")] = None,
    stack: Annotated[str, typer.Option(help="The CloudFormation stack that gpuops was deployed as.")] = "gpuops",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """List current and candidate AMIs of each group, with release, driver, age and verdict."""
    now = datetime.now(UTC)  # noqa: TID251 - a person asks, no state machine
    try:
        world = open_world(stack)
        policy = world.policies.latest()
        groups = (policy.group(group),) if group else policy.groups
    except FAULTS as error:
        give_up(f"amis: {error}", as_json=as_json)
    listed = [list_group(one, policy, now, world) for one in groups]
    for one in listed:
        _tell(one, now)
    if as_json:
        answer({"now": now.isoformat(), "groups": listed})
    raise typer.Exit(2 if any("error" in one for one in listed) else 0)


def list_group(policy: GroupPolicy, fleet: Policy, now: datetime, world: World) -> Listed:
    """Return one group's AMIs; where they cannot be told, why, and the command for whoever looks by hand."""
    ami = policy.ami
    kind = {"channel": ami.channel, "family": ami.family, "architecture": ami.architecture}
    of_group = {"cluster": policy.cluster, "group": policy.group, **kind, "describe": describe_command(policy)}
    try:
        return {**of_group, "amis": [one.model_dump(mode="json") for one in _amis(policy, fleet, now, world)]}
    except FAULTS as error:
        return {**of_group, "amis": [], "error": f"{type(error).__name__}: {error}"}


def describe_command(policy: GroupPolicy) -> str:
    """Return the plain command that lists the group's kind of images, for people who know that one."""
    if isinstance(policy.ami, ImagePipeline):
        asked = ["list-image-pipeline-images", "--image-pipeline-arn", policy.ami.pipeline]
        return shlex.join(["aws", "imagebuilder", *asked])
    by_name = ["--owners", "amazon", "--filters", f"Name=name,Values={name_pattern(policy.ami)}"]
    by_id = ["--image-ids", policy.ami.id] if isinstance(policy.ami, Pinned) else by_name
    columns = "sort_by(Images,&CreationDate)[].[CreationDate,ImageId,Name]"
    return shlex.join(["aws", "ec2", "describe-images", *by_id, "--query", columns, "--output", "text"])


def _amis(policy: GroupPolicy, fleet: Policy, now: datetime, world: World) -> list[ListedAmi]:
    """The group's AMIs, by the same decision as a plan's."""
    order = Order(cluster=policy.cluster, group=policy.group)
    target = planning.target_of(order, policy, world)
    known, _ = world.releases.of(policy.group)
    release = next((r for r in known if r.target.ami == target.ami), SeenRelease(target=target, seen=now))
    decision = planning.decide(order, fleet, release, now, world)
    group = world.groups.describe(policy.group)
    running = {instance.ami for instance in group.staying if instance.ami}
    images = world.images.describe({target.ami, *running, *(r.target.ami for r in known)})
    return list_amis(group, target, decision, known, images)


def _tell(listed: Listed, now: datetime) -> None:
    """The list for a person."""
    say(f"{listed['cluster']}/{listed['group']}: {listed['family']} {listed['architecture']}, {listed['channel']}")
    if "error" in listed:
        say(f"  {listed['error']}")
    for one in listed["amis"]:
        driver = f"driver {one['driver'] or 'unknown'}"
        say(f"  {one['ami']}  {one['release']}  {driver}  {_age(one, now)}  {one['nodes']} nodes")
        say(f"    {one['verdict']}: {one['reason']}")
    say(f"  {listed['describe']}")


def _age(one: dict[str, Any], now: datetime) -> str:
    """How old the image is, and since when gpuops knows it."""
    made = f"{(now - datetime.fromisoformat(one['created'])).days} days old" if one["created"] else "of unknown age"
    return f"{made}, seen {one['first_seen'][:10]}" if one["first_seen"] else f"{made}, not seen yet"
