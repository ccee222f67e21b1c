"""The steps of a rotation, as its state machine would take them, over a small world."""

from dataclasses import replace
from typing import Any

from gpuops.adapters.store import Store
from gpuops.domain.cluster import Pod
from tests.fakes.apps import load_app
from tests.fakes.rotation import ARN, NEW, NOW, Cluster, Groups, group, instance, job_pod, node, run
from tests.fakes.world import World, table

PLAN, OPEN, CLAIM = load_app("plan_rotation"), load_app("open_change"), load_app("claim_node")
RETIRE, CLOSE, RETURN = load_app("retire_node"), load_app("close_change"), load_app("return_node")
EVENT = {"cluster": "train", "group": "gpu"}
WEB = Pod(namespace="default", name="web-0", owner="ReplicaSet")


def old_world() -> World:
    """Three old nodes, the middle one with a training Job; call it inside `mock_aws`."""
    old = [instance(number) for number in range(3)]
    cluster = Cluster(all_nodes=[node(i) for i in old], pods={f"node-{old[1].id}": [job_pod()]})
    return World(groups=Groups(group(old)), store=Store(table()), connected=cluster)


def plan(world: World, event: dict[str, Any] = EVENT, name: str = "run-1", **more: Any) -> Any:
    """Ask for a plan."""
    execution = {"id": ARN + name, "name": name, "machine": "rotate_ami"}
    request = PLAN.PlanRotation.model_validate({"event": event, "execution": execution, **more})
    return PLAN.plan(request, NOW, world)


def opened(world: World, name: str = "run-1") -> Any:
    """Plan, then open the change."""
    planned = plan(world, name=name)
    return OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)


def launch(world: World, number: int, **more: Any) -> None:
    """A new instance joins on the new template, and registers its node."""
    new = instance(number, NEW, version=str(len(world.templates.versions)))
    world.groups.group = replace(world.groups.group, instances=(*world.groups.group.instances, new))
    world.connected.all_nodes.append(node(new, **more))


def claim(world: World, change: Any, number: int, now: Any = NOW, **more: Any) -> Any:
    """Claim for the slot that bears an old instance's name."""
    given = {"run": run(), "change": change, "instance": instance(number).id, "decrement": False, **more}
    return CLAIM.claim(CLAIM.ClaimNode(**given), now, world)


def retire(world: World, change: Any, number: int, *, decrement: bool = False) -> Any:
    """Retire one old instance."""
    request = RETIRE.RetireNode(run=run(), change=change, instance=instance(number).id, decrement=decrement)
    return RETIRE.retire(request, NOW, world)


def leave(world: World, number: int) -> None:
    """An instance and its node are gone."""
    gone = instance(number).id
    left = tuple(i for i in world.groups.group.instances if i.id != gone)
    world.groups.group = replace(world.groups.group, instances=left)
    world.connected.all_nodes = [n for n in world.connected.all_nodes if n.instance != gone]


def leftovers(world: World) -> list[Any]:
    """Everything that a closed change must not leave."""
    store = world.store
    return [x for x in (store.lock("lock", "gpu"), store.lock("rotation", "gpu"), store.undo("gpu")) if x] + [
        *world.claims.of("gpu"),
        *store.open_groups(),
    ]
