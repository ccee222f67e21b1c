"""`gpuops plan slicing`: what would become of the shares of a group's GPUs, from exporters' texts alone.

Several texts of one node are looks at it, one after the other. Whatever the texts do not say is not guessed: without
their own times the looks are taken for an interval apart, the last one now, and a pod's name stands for who owns it.
`saved` is what the plan is worth in an hour, in GPU-hours and dollars.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.output import answer, give_up, say
from cli.policy import read_policy
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.rotation.cost import prices
from gpuops.domain.slicing.gather import looks_of, node_of
from gpuops.domain.slicing.planner import plan_pool
from gpuops.domain.slicing.pool import RUNG_OF, Demand, Pool, PoolPlan
from gpuops.domain.slicing.profile import Profile, learn
from gpuops.domain.slicing.saving import Saved, in_an_hour

INTERVAL = timedelta(seconds=30)
Nodes = dict[str, dict[str, GpuSample]]


def slicing(
    policy: Annotated[Path, typer.Option(help="The fleet.yaml to plan by.")],
    dcgm: Annotated[list[Path], typer.Option(help="What an exporter's /metrics answered; may be given again.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Further such files.")] = None,
    group: Annotated[str | None, typer.Option(help="Name of the group; not given: the first in the policy.")] = None,
    pending: Annotated[int, typer.Option(help="Pods that wait for a GPU.")] = 0,
    instance_type: Annotated[str, typer.Option(help="Of the group's nodes, for the price.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Print the plan for one group's GPUs and each of its nodes, with reasons; nothing is changed."""
    fleet = read_policy(policy, as_json=as_json)
    files = [*dcgm, *(more or ())]
    try:
        chosen = fleet.group(group) if group else fleet.groups[0]
        looks = [_samples(file) for file in files]
    except (OSError, UnicodeDecodeError, Invalid, Unavailable) as error:
        give_up(f"plan slicing: {error}", as_json=as_json)
    pool, plan = plan_offline(looks, chosen, fleet, pending)
    saved = in_an_hour(pool, plan, instance_type, prices())
    _tell(plan, saved)
    if as_json:
        answer(plan.model_dump(mode="json") | {"saved": saved.model_dump(mode="json")})


def plan_offline(looks: Sequence[Nodes], group: GroupPolicy, fleet: Policy, pending: int) -> tuple[Pool, PoolPlan]:
    """Return pool and plan after all looks; each adds to what is known of the workloads."""
    replicas = replicas_of(group, fleet)
    policy = group.rebalance or Rebalance()
    profiles: Mapping[str, Profile] = {}
    nodes: Nodes = {}
    now = _last(looks) or datetime.now(UTC)  # noqa: TID251 - a person asks, no state machine
    for place, look in enumerate(looks):
        at = _last([look]) or now - INTERVAL * (len(looks) - 1 - place)
        nodes |= look
        seen = Pool(group.group, [node_of(name, replicas, gpus, {}) for name, gpus in look.items()])
        profiles = learn(profiles, looks_of(seen), {}, at, policy.history_hours)
    pool = Pool(group.group, [node_of(name, replicas, gpus, {}) for name, gpus in sorted(nodes.items())])
    return pool, plan_pool(pool, profiles, Demand(pending), policy, now)


def replicas_of(group: GroupPolicy, fleet: Policy) -> int:
    """The shares that the group's `sharing` makes: a rung's, or a profile's."""
    profile = fleet.cluster(group.cluster).device_plugin.profiles.get(group.sharing)
    return profile.replicas if profile else RUNG_OF[group.sharing]


def _samples(file: Path) -> Nodes:
    """The text's samples by node; a text without a host's name is a node of its own, named after the file."""
    nodes: Nodes = {}
    for uuid, sample in read_samples(file.read_text(encoding="utf-8")).items():
        nodes.setdefault(sample.node or file.stem, {})[uuid] = sample
    if not nodes:
        raise Unavailable(f"{file}: no GPU in it")
    return nodes


def _last(looks: Iterable[Nodes]) -> datetime | None:
    times = [s.time for look in looks for gpus in look.values() for s in gpus.values() if s.time is not None]
    return max(times, default=None)


def _tell(plan: PoolPlan, saved: Saved) -> None:
    """The plan for a person."""
    say(f"{plan.pool}: {plan.status}, {plan.now} -> {plan.replicas} shares of each GPU: {plan.reason}")
    say(f"  {saved.reason}")
    for rung, why in plan.fits.items():
        say(f"  {rung:<4} {why or 'fits'}")
    for node in plan.nodes:
        say(f"  {node.node}: {node.action} {node.replicas}{', canary' if node.canary else ''}: {node.reason}")
