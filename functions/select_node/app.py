"""Select the node that changes its configuration of the device plugin next: one where no pod would notice.

Of several runs on one cluster the newest goes on, for it has the newest policy; the others are done. Only a rebalancing
that comes while one like it, with the same policy, is at work on a node leaves the rest to that: both read the table.
A rebalancing whose first node has kept the change gets several at a time, as many as the fleet's budget has room for.

In:  {"execution": {"id", "name", "machine"}, "apply": {"cluster", "policy"}, "slicing"?: <rebalance_slicing's plan>,
      "select"?: <previous answer>, "error"?: {...}, "now": "..."}
Out: {"status": "selected" | "waiting" | "overdue" | "held" | "done", "reason", "run": {...}, "node", "instance",
      "key", "beside": [{"node", "instance"}], "turn", "started", "wait_seconds"}
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gpuops.adapters.sights import Sights
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.policy import EXCLUSIVE, ClusterPolicy, GroupPolicy, Policy
from gpuops.domain.run import Execution, Run
from gpuops.domain.slicing.answers import Selected
from gpuops.domain.slicing.change import Change, decide_change, is_begun, turn_of, without_training
from gpuops.domain.slicing.pool import shares_of
from gpuops.domain.slicing.select import Look, decide_rest, most_at_once
from gpuops.domain.slicing.turn import Turn, waits_since
from gpuops.entry import entry
from gpuops.pool_turns import why_held
from gpuops.slots import room

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


class Applied(BaseModel):
    """What apply_config said."""

    cluster: str
    policy: str


class SelectNode(BaseModel):
    """In."""

    execution: Execution
    apply: Applied
    slicing: dict[str, Any] | None = None
    """Of a run that rebalances: it waits for nobody, since the next one soon looks again."""
    select: Selected | None = None
    error: dict[str, Any] | None = None
    """Why a run that rebalances takes its plan back."""

    @property
    def proved(self) -> Selected | None:
        """What went well last in a run that may change several nodes at once; it takes them back one by one."""
        return self.select if self.slicing is not None and self.error is None else None


@entry(SelectNode)
def handler(request: SelectNode, now: datetime) -> Selected:
    """Look; no node is touched."""
    return select(request, now, World())


def select(request: SelectNode, now: datetime, world: World) -> Selected:
    """Look while it is this run's turn, and note where it stands."""
    cluster, version = request.apply.cluster, request.apply.policy
    holder, last = request.execution.id, world.turns.read(cluster)
    if request.select is not None and last is not None and last.holder != holder:
        return _relieved(request.select, cluster)
    if request.slicing is not None and request.select is None and _at_work(last, request, world):
        return Selected(status="done", reason="an earlier run is at a node, and goes on with the others")
    before = request.select or Selected(status="done", reason="", started=waits_since(last, version, now))
    answer = _select(request, before, now, world)
    going = answer.status in {"selected", "waiting"}
    turn = Turn(holder=holder, policy=version, at=now, started=answer.started if going else None)
    kept = world.turns.write(cluster, turn, relieve=request.select is None)
    return answer if kept else _relieved(before, cluster)


def _at_work(last: Turn | None, request: SelectNode, world: World) -> bool:
    """Whether the run whose turn it is has the same policy, and a group's lock for one of its nodes."""
    if last is None or last.policy != request.apply.policy or last.holder == request.execution.id:
        return False
    groups = (g.group for g in world.policies.at(last.policy).groups if g.cluster == request.apply.cluster)
    locks = (world.store.lock("lock", group) for group in groups)
    return any(lock is not None and lock.owner == last.holder for lock in locks)


def _relieved(before: Selected, cluster: str) -> Selected:
    why = f"another run waits: a newer one goes on with the nodes of {cluster}"
    return before.model_copy(update={"status": "done", "reason": why})


def _select(request: SelectNode, before: Selected, now: datetime, world: World) -> Selected:
    """Answer with the first node that may be changed; only without one it matters what the others wait for."""
    policy = world.policies.at(request.apply.policy)
    ours, connection = policy.cluster(request.apply.cluster), world.cluster(request.apply.cluster)
    if why := _why_not(ours, connection, world):
        return before.model_copy(update={"status": "done", "reason": f"no node is changed: {why}"})
    looks: list[Look] = []
    for found in _look_at_groups(request, policy, Sights(world, connection, ours), now, world):
        if isinstance(found, Look):
            looks.append(found)
            continue
        return found.model_copy(update={"turn": before.turn + 1, "started": before.started})
    started = before.started or now
    rest = decide_rest(looks, started, now)
    return Selected(
        status=rest.status, reason=rest.reason, turn=before.turn, started=started, wait_seconds=rest.wait_seconds
    )


def _why_not(policy: ClusterPolicy, connection: "Cluster", world: World) -> str | None:
    """Why no label of ours is to change in the whole cluster, or would change anything, or None."""
    if stop := world.wishes.stop():
        return stop.said
    if policy.mode != "apply":
        return f"mode {policy.mode}"
    if policy.config_map is None:
        return "the policy names no configurations of a device plugin"
    if policy.device_plugin.manage and connection.config_text(policy.config_map, EXCLUSIVE) is None:
        return f"there is no {policy.config_map}: the device plugin is not ours"
    return None


def _look_at_groups(
    request: SelectNode, policy: Policy, sights: Sights, now: datetime, world: World
) -> Iterator[Selected | Look]:
    """Each group of the cluster that is ours to change: a node of it, or why there is none at the moment."""
    groups = [g for g in policy.groups if g.cluster == request.apply.cluster and g.mode == "apply"]
    nodes = {node.instance: node for node in sights.cluster.nodes() if node.instance}
    pods: Mapping[str, Sequence[Pod]] | None = None
    for group in groups:
        run = request.execution.run(group.cluster, group.group, policy.version, group.mode)
        try:
            ids = sorted(instance.id for instance in world.groups.describe(group.group).staying)
            key = world.pools.key(group)
            others = [nodes[i] for i in ids if i in nodes and nodes[i].config != key]
            others.sort(key=lambda node: turn_of(node, run.id))
            settles = request.error is not None or any(is_begun(node, run.id) for node in others)
            if others and (held := why_held(run, group, policy, world, settles=settles)):
                yield held
                continue
            if others and (hot := world.pools.frozen(group.group, now)):
                others = [n for n in others if is_begun(n, run.id) or not _grows(n, key, policy.cluster(group.cluster))]
                if not others:
                    yield Look(group, (Change("waiting", f"{group.group}: no GPU gets more shares: {hot}"),))
                    continue
            if others and pods is None:
                pods = sights.cluster.pods_by_node()
            most = most_at_once(request.proved, group.group, key, room(policy, world)) if others else 1
            follows = group.rebalance is not None and group.rebalance.mode == "apply"
            left = without_training(others, pods or {}) if follows else others
            yield _look(run, group, left, pods or {}, Aim(key, sights, most))
        except (Invalid, Refused) as fault:
            yield Look(group, held=f"{group.group}: {fault}")


def _grows(node: Node, key: str, cluster: ClusterPolicy) -> bool:
    """Whether the node's GPUs would be shared by more pods than now."""
    return shares_of(key, cluster) > shares_of(node.config or EXCLUSIVE, cluster)


@dataclass(frozen=True)
class Aim:
    """What nodes of a group are to become, and how many of them at once."""

    key: str
    sights: Sights
    most: int


def _look(
    run: Run, group: GroupPolicy, nodes: Sequence[Node], pods: Mapping[str, Sequence[Pod]], aim: Aim
) -> Selected | Look:
    """The first of these nodes that may be changed now, or what all of them wait for.

    One at which a change of this run was broken off is settled, whatever runs on it.
    """
    if not nodes:
        return Look(group)
    goal, changes, found = aim.sights.goal(aim.key), [], []
    for node in nodes:
        change = decide_change(aim.sights.of(node, pods.get(node.name, ()), goal.shape), goal, run.id)
        changes.append(change)
        found += [(node, change)] if change.status == "change" or is_begun(node, run.id) else []
        if len(found) == aim.most:
            break
    if not found:
        return Look(group, changes)
    beside = [{"node": node.name, "instance": node.instance} for node, _ in found[1:]]
    node, change = found[0]
    told = {"node": node.name, "instance": node.instance, "key": goal.key, "beside": beside}
    return Selected(status="selected", reason=change.reason, run=run, **told)
