"""select_node, relabel_node and settle_node over a cluster in memory and a real table: what each one does, and twice.

Covered: which node comes first and what keeps it from its turn, the order of lock, cordon, second look and label, and
that a settled group is free, its node open, its failures counted or forgotten. A run that died is settled by
close_change, which reconcile calls.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.budgets import Budgets
from gpuops.adapters.memory import Memory
from gpuops.adapters.pools import Pools
from gpuops.adapters.store import Store
from gpuops.adapters.turns import Turns
from gpuops.adapters.wishes import Wishes
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Conflict, Refused, Unavailable
from gpuops.domain.keys import CONFIG_BEFORE, CORDONED_BY, PLUGIN_CONFIG_LABEL
from gpuops.domain.policy import Policy, parse_policy
from gpuops.domain.rotation.budget import Slot
from gpuops.domain.rotation.wish import GlobalStop
from gpuops.domain.slicing.pool import PoolState
from gpuops.domain.slicing.select import AT_ONCE, most_at_once
from tests.fakes.admission import FakeCluster, FakeInstances
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, Groups, group, instance, run
from tests.fakes.world import table

SELECT, RELABEL, SETTLE, CLOSE = (
    load_app(name) for name in ("select_node", "relabel_node", "settle_node", "close_change")
)
TITLE = "gpuops-system/gpuops-device-plugin"
TEXTS = {"exclusive": "version: v1\n"} | {
    f"r{n}": f"version: v1\nsharing: {{timeSlicing: {{resources: [{{name: nvidia.com/gpu, replicas: {n}}}]}}}}\n"
    for n in (2, 4)
}
MACHINES = (instance(1), instance(2))
WEB = Pod("default", "web", uid="u-web", gpus=1)
SEEN = 'DCGM_FI_DEV_FB_USED{{UUID="GPU-1",vgpu="{}",namespace="default",pod="web"}} 1\n'
US = run("run-1").model_copy(update={"machine": "apply_gpu_config"})


@dataclass
class World:
    """Two nodes of one group, labelled `was`, each with so many GPUs; the policy shares by `key`."""

    store: Store
    connected: FakeCluster
    key: str = "r4"
    more: str = ""
    mode: str = "apply"
    text: str | Exception | None = None
    smoked: bool | str = False
    cleared: list[tuple[str, str]] = field(default_factory=list)
    """Whether the pod of a smoke is still there."""
    groups: Groups = field(default_factory=lambda: Groups(group(MACHINES)))
    instances: FakeInstances = field(default_factory=FakeInstances)
    policies = property(lambda self: self)
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        """Keep turns in the same table."""
        self.turns = Turns(self.store._table)

    @property
    def wishes(self) -> Wishes:
        """The global stop in the same table."""
        return Wishes(self.store._table)

    @property
    def budgets(self) -> Budgets:
        """The fleet's slots in the same table."""
        return Budgets(self.store._table)

    @property
    def pools(self) -> Pools:
        """Pools in the same table."""
        return Pools(self.store._table)

    @property
    def memory(self) -> Memory:
        """Breakers in the same table."""
        return Memory(self.store._table)

    def at(self, version: str) -> Policy:
        """Return the policy."""
        ours = f"{{cluster: train, group: gpu, mode: apply, sharing: {self.key}{self.more}}}"
        return parse_policy(f"clusters: [{{cluster: train, mode: {self.mode}}}]\ngroups:\n- {ours}\n", version)

    def cluster(self, name: str) -> FakeCluster:
        """Return the cluster."""
        return self.connected

    def jobs(self, cluster: FakeCluster) -> Any:
        """Return its Jobs; there are none."""
        return self

    def of_group(self, group: str) -> dict[str, str]:
        """See Jobs."""
        return {}

    def clear(self, node: str, run: str) -> None:
        """See Jobs."""
        self.cleared.append((node, run))
        if self.smoked in {True, node}:
            raise Unavailable(f"{node}: the smoke of {run}")

    def metrics(self, cluster: FakeCluster, namespaces: object) -> Any:
        """Return the exporter: `scrape` answers with `text`."""
        return self

    def scrape(self, node: str) -> str | None:
        """See Metrics."""
        if isinstance(self.text, Exception):
            raise self.text
        return self.text


def machine_node(place: int, was: str | None) -> Node:
    """The node of the n-th instance."""
    labels = {PLUGIN_CONFIG_LABEL: was} if was else {}
    return Node(name=f"n{place}", uid=f"u{place}", instance=MACHINES[place - 1].id, labels=labels, gpus=1)


@pytest.fixture
def make() -> Iterator[Callable[..., World]]:
    """A world whose nodes have the configuration `was`, with these pods on n1 and n2."""
    with mock_aws():
        store = Store(table())

        def made(
            was: str | None = "exclusive", *, n1: tuple[Pod, ...] = (), n2: tuple[Pod, ...] = (), **more: Any
        ) -> World:
            placed = [("n1", pod) for pod in n1] + [("n2", pod) for pod in n2]
            cluster = FakeCluster(machine_node(1, was), machine_node(2, was), pods=placed)
            cluster.texts[TITLE] = TEXTS
            return World(store, cluster, **more)

        yield made


def select(world: World, before: Any = None, minutes: int = 0, name: str = US.id, **more: Any) -> Any:
    """One call of select_node, by the run of that name."""
    execution = {"id": run(name).execution, "name": name, "machine": US.machine}
    given = {"execution": execution, "apply": {"cluster": "train", "policy": "v1"}, "select": before, **more}
    return SELECT.select(SELECT.SelectNode.model_validate(given), NOW + timedelta(minutes=minutes), world)


def relabel(world: World, node: str = "n1", of: Any = US) -> Any:
    """One call of relabel_node."""
    place = {"n1": 0, "n2": 1}[node]
    request = {"run": of, "node": node, "instance": MACHINES[place].id, "key": world.key}
    return RELABEL.relabel(RELABEL.RelabelNode.model_validate(request), NOW, world)


def settle(world: World, relabelled: Any, **more: Any) -> Any:
    """One call of settle_node."""
    request = {"run": US, "node": "n1", "key": world.key, "turn": 1, "relabel": relabelled, **more}
    request.setdefault("instance", MACHINES[0].id)
    return SETTLE.settle(SETTLE.SettleNode.model_validate(request), NOW, world)


def test_the_first_node_without_gpu_pods_is_selected(make: Callable[..., World]) -> None:
    """Whoever has pods waits; the other one is canary."""
    world = make(n1=(WEB,))

    picked = select(world)

    assert (picked.status, picked.node, picked.instance, picked.key, picked.turn) == (
        *("selected", "n2", MACHINES[1].id, "r4"),
        1,
    )
    assert picked.run == US
    assert select(world, picked).turn == 2


def test_nodes_that_have_it_are_done(make: Callable[..., World]) -> None:
    """And nobody asks for their pods."""
    done = select(make("r4", n1=(WEB,)))

    assert (done.status, done.reason) == ("done", "no node is left to change")


def test_pods_are_waited_for_until_the_policys_patience_ends(make: Callable[..., World]) -> None:
    """The pause grows with what was waited."""
    world = make(n1=(WEB,), n2=(WEB,), more=", sharing_wait_minutes: 60")

    first = select(world)
    later = select(world, first, minutes=48)
    last = select(world, later, minutes=60)

    assert [answer.status for answer in (first, later, last)] == ["waiting", "waiting", "overdue"]
    assert "default/web run on it" in first.reason
    assert (first.wait_seconds, later.wait_seconds) == (60, 120)
    assert last.started == NOW


def test_another_run_on_the_group_holds_it(make: Callable[..., World]) -> None:
    """A roll for its whole length; another change while it lasts."""
    world = make()
    world.store.take("rotation", run("roll-1"), NOW)

    held = select(world)

    assert (held.status, held.reason) == ("held", "gpu is being changed by rotate_ami roll-1")


def test_a_roll_that_only_waits_holds_nothing_up(make: Callable[..., World]) -> None:
    """For a date or a person, for days; once it goes on, the group is its own again."""
    world = make()
    world.store.take("rotation", run("roll-1"), NOW)
    world.store.mark_waiting(run("roll-1"), waits=True)

    assert (select(world).status, relabel(world).status) == ("selected", "configured")

    world.store.mark_waiting(run("roll-1"), waits=False)
    assert select(world).status == "held"


def test_the_global_stop_keeps_every_node_as_it_is(make: Callable[..., World]) -> None:
    """No further node is begun; the one that is being changed is finished."""
    world = make()
    world.wishes.write_stop(GlobalStop(by="arn:bob", at=NOW))

    stopped = select(world)

    assert (stopped.status, stopped.node) == ("done", None)
    assert stopped.reason == f"no node is changed: global stop since {NOW.isoformat()} by arn:bob"


def test_a_change_that_was_broken_off_is_settled_under_its_own_smoke(make: Callable[..., World]) -> None:
    """Who relabels finds the smoke's pod and changes nothing; who settles removes it, and opens the node."""
    world = make(n2=(WEB,))
    relabel(world)
    world.connected.pods.append(("n1", Pod("gpuops", "smoke", gpus=1, smoke=True)))
    world.key = "exclusive"

    assert (select(world).node, select(world, name="run-2").node) == ("n1", None)
    looked = relabel(world)
    assert (looked.status, world.connected.known["n1"].config) == ("waiting", "r4")
    settled = settle(world, looked)
    node = world.connected.known["n1"]
    assert (settled.status, node.config, node.unschedulable) == ("returned", "exclusive", False)
    assert world.cleared == [("n1", US.id)]


def test_an_older_run_of_the_same_kind_ends_its_node_first(make: Callable[..., World]) -> None:
    """Every hour another one wakes while the first is at work: no second one fails for that; the rest is its own."""
    world = make()
    world.store.take("lock", run("apply-2").model_copy(update={"machine": US.machine}), NOW)

    left = select(world)

    assert (left.status, "is being changed by" in left.reason) == ("waiting", True)


def test_the_newest_run_relieves_the_one_that_waits_and_inherits_its_waiting(make: Callable[..., World]) -> None:
    """One run waits, never two; runs that come every hour do not begin to wait anew each time."""
    world = make(n1=(WEB,), n2=(WEB,), more=", sharing_wait_minutes: 60")

    first = select(world)
    newer = select(world, minutes=20, name="run-2")
    relieved = select(world, first, minutes=21)
    again = select(world, relieved, minutes=22)

    assert (newer.status, newer.started) == ("waiting", NOW)
    assert [(a.status, "another run waits" in a.reason) for a in (relieved, again)] == [("done", True)] * 2
    assert select(world, newer, minutes=60, name="run-2").status == "overdue"
    assert select(world, minutes=61, name="run-3").status == "waiting", "its predecessor has ended"


def test_a_rebalancing_leaves_the_nodes_to_the_one_that_is_at_work(make: Callable[..., World]) -> None:
    """It comes each minute: would it relieve the other, nobody went on until the next. Between nodes it does."""
    world = make()
    first = select(world, slicing={})
    world.store.take("lock", US, NOW)

    newer = select(world, minutes=1, name="run-2", slicing={})
    assert (newer.status, "goes on with the others" in newer.reason) == ("done", True)
    world.store.release("lock", US)
    assert select(world, first, minutes=2, slicing={}).status == "selected"
    assert select(world, minutes=3, name="run-3", slicing={}).status == "selected"
    assert select(world, first, minutes=4, slicing={}).status == "done", "it was relieved"


def test_once_a_node_has_proved_it_a_rebalancing_changes_several(make: Callable[..., World]) -> None:
    """As many as the fleet's budget has room for; back it goes one by one, as whoever follows the policy does."""
    world = make()
    first = select(world, slicing={})
    assert (first.node, first.beside) == ("n1", ()), "the canary goes alone"

    again = select(world, first, slicing={})
    assert [(each.node, each.instance) for each in again.beside] == [("n2", MACHINES[1].id)]
    assert select(world, first, slicing={}, error={"name": "Unhealthy"}).beside == ()
    assert select(world, first.model_copy(update={"key": "r2"}), slicing={}).beside == (), "r2 proves nothing of r4"
    assert [most_at_once(again, "gpu", "r4", room) for room in (0, 3, 50)] == [1, 3, AT_ONCE]
    world.budgets.take([Slot(f"i-{number}", "roll") for number in range(39)], 40)
    full = select(world, first, slicing={})
    assert (full.status, full.beside) == ("selected", ())
    assert select(world, select(world)).beside == (), "apply_gpu_config knows of one at a time"


def test_nodes_that_change_together_leave_the_group_to_one_another(make: Callable[..., World]) -> None:
    """Each gives back its own slot; the group is freed once none of them is closed any more."""
    world = make()
    both = [relabel(world, name) for name in ("n1", "n2")]
    assert len(world.budgets.slots()) == 2

    settle(world, both[0], check=checked("ready"), together=True)
    assert [slot.instance for slot in world.budgets.slots()] == [MACHINES[1].id]
    left = settle(world, None, node=None)
    assert (left.status, left.reason) == ("left", "n2 closed still: the way back or reconcile ends that")
    assert world.store.lock("lock", "gpu") is not None

    more = {"node": "n2", "instance": MACHINES[1].id, "together": True}
    settle(world, both[1], check=checked("overdue"), **more)
    assert [settle(world, None, node=None).status for _ in range(2)] == ["freed", "freed"]
    assert (world.store.lock("lock", "gpu"), world.budgets.slots(), world.store.open_groups()) == (None, (), [])
    assert [world.connected.known[name].config for name in ("n1", "n2")] == ["r4", "exclusive"]


def test_failures_of_one_batch_count_once_and_what_kept_its_shares_beside_them_forgets_none(
    make: Callable[..., World],
) -> None:
    """Two of ten that fail are one failure of a configuration, and the way back is not held by it."""
    world = make()
    both = [relabel(world, name) for name in ("n1", "n2")]
    for name, relabelled in zip(("n1", "n2"), both, strict=True):
        more = {"node": name, "instance": MACHINES[int(name[1]) - 1].id, "together": True}
        settle(world, relabelled, check=checked("overdue"), **more)
    settle(world, both[0], check=checked("ready"), together=True)

    breaker = world.memory.breaker("sharing", "gpu")
    assert breaker is not None
    assert breaker.failures == 1


def test_the_breaker_keeps_no_run_from_taking_its_change_back(make: Callable[..., World]) -> None:
    """Nor does a budget that is full from what was broken off; without either the group is held."""
    world = make()
    first = select(world, slicing={})
    for number in range(2):
        world.memory.count_failure("sharing", "gpu", NOW, "broken", of=str(number))
    assert select(world, first, slicing={}).status == "held"
    assert select(world, first, slicing={}, error={"name": "Unhealthy"}).status == "selected"

    relabel(world)
    world.budgets.take([Slot(f"i-{number}", "roll") for number in range(39)], 40)
    world.key = "r2"
    again = select(world, first, slicing={})
    assert (again.status, again.node) == ("selected", "n1")


def test_one_smoke_that_does_not_end_keeps_no_other_node_closed(make: Callable[..., World]) -> None:
    """The others are opened and give back their slots; on a node that is silent nobody waits for a pod."""
    world = make()
    for name in ("n1", "n2"):
        relabel(world, name)
    world.smoked = "n1"
    with pytest.raises(Unavailable, match="n1: the smoke of run-1"):
        CLOSE.close(US, world)
    nodes = world.connected.known
    assert (nodes["n1"].cordoned_by, nodes["n2"].cordoned_by, nodes["n2"].config) == (US.id, None, "exclusive")
    assert [slot.instance for slot in world.budgets.slots()] == [MACHINES[0].id]

    nodes["n1"] = replace(nodes["n1"], ready=False, readiness="NodeStatusUnknown")
    CLOSE.close(US, world)
    assert (nodes["n1"].cordoned_by, nodes["n1"].config, world.budgets.slots()) == (None, "exclusive", ())


def test_what_a_node_had_before_is_what_it_had_before_the_first_of_several_changes(make: Callable[..., World]) -> None:
    """A way back that fails leaves the configuration that was proved, not the one that is taken back."""
    world = make()
    relabel(world)
    world.key = "r2"
    back = relabel(world)
    settle(world, back, check=checked("overdue"))
    assert world.connected.known["n1"].config == "exclusive"


def test_a_dead_run_hands_its_waiting_to_nobody(make: Callable[..., World]) -> None:
    """It said nothing for longer than anybody waits between two looks."""
    world = make(n1=(WEB,), n2=(WEB,), more=", sharing_wait_minutes: 60")
    select(world)

    newer = select(world, minutes=59, name="run-2")

    assert (newer.status, newer.started) == ("waiting", NOW + timedelta(minutes=59))


def test_a_run_that_was_relieved_during_its_look_selects_nothing(make: Callable[..., World]) -> None:
    """Else both would change nodes of one group, by two policies."""
    world = make(n1=(WEB,), n2=(WEB,))
    first = select(world)
    world.connected.known.pop("n2")
    stale = world.turns.read("train")

    class Stale(Turns):
        def read(self, cluster: str) -> Any:
            return stale

    select(world, minutes=1, name="run-2")
    world.turns = Stale(world.store._table)

    assert select(world, first, minutes=1).status == "done"


def test_the_fleets_budget_is_shared_with_rolls(make: Callable[..., World]) -> None:
    """While others have closed as many nodes as the policy allows, none is closed; a settled node frees its slot."""
    world = make()
    others = [Slot(f"i-{number}", "roll") for number in range(40)]
    world.budgets.take(others, 40)

    full, late = select(world), relabel(world)
    assert (full.status, late.status) == ("waiting", "waiting")
    assert "the fleet's budget of 40 nodes is used by" in full.reason
    assert "the fleet's budget of 40 nodes is used by" in late.reason
    assert not world.connected.known["n1"].unschedulable

    world.budgets.give_back(others[:1])
    done = relabel(world)
    assert done.status == "configured"
    assert Slot(MACHINES[0].id, US.execution) in world.budgets.slots()
    settle(world, done)
    assert len(world.budgets.slots()) == 39


def test_two_failures_hold_the_group_until_an_operator_lets_it_go(make: Callable[..., World]) -> None:
    """Time alone mends no configuration."""
    world = make()
    world.memory.count_failure("sharing", "gpu", NOW, "n1: 0 of 4", of="a")
    assert select(world).status == "selected"
    world.memory.count_failure("sharing", "gpu", NOW, "n2: 0 of 4", of="b")

    held = select(world, minutes=10_000)

    assert held.status == "held"
    assert "2 failures in a row, the last one: n2: 0 of 4; `gpuops breaker close gpu`" in held.reason
    world.memory.close_breaker("sharing", "gpu")
    assert select(world).status == "selected"


def test_a_key_that_is_not_there_holds_the_group(make: Callable[..., World]) -> None:
    """A label that names it would crash the plugin on every node."""
    world = make()
    world.connected.texts[TITLE] = {"exclusive": TEXTS["exclusive"]}

    assert (select(world).status, select(world).reason) == ("held", f"gpu: no {TITLE} with r4")


@pytest.mark.parametrize("mode", ["observe", "recommend"])
def test_whoever_only_looks_changes_no_node(make: Callable[..., World], mode: str) -> None:
    """The cluster's mode, whatever the group's is."""
    assert select(make(mode=mode)).status == "done"


def test_where_the_device_plugin_is_not_ours_no_node_is_changed(make: Callable[..., World]) -> None:
    """apply_config has said who runs it; that nodes have no label of ours is no fault then."""
    world = make(None)
    world.connected.texts.clear()

    assert (select(world).status, f"no {TITLE}" in select(world).reason) == ("done", True)


@pytest.mark.parametrize(("gpus", "status"), [(1, "selected"), (4, "waiting")])
def test_a_node_without_a_label_has_what_it_offers(make: Callable[..., World], gpus: int, status: str) -> None:
    """Every GPU once is exclusive; else the plugin's own default is anybody's guess."""
    world = make(None, n1=(WEB,), n2=(WEB,), key="exclusive", instances=FakeInstances(gpus=gpus))

    assert select(world).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [(SEEN.format(1), "selected"), (SEEN.format(2), "waiting"), (None, "waiting"), (Unavailable("503"), "waiting")],
)
def test_fewer_shares_ask_the_exporter(make: Callable[..., World], text: Any, status: str) -> None:
    """One that is silent is as good as none."""
    world = make("r4", n1=(WEB,), n2=(WEB,), key="r2", text=text)

    assert select(world).status == status


def test_a_node_is_closed_before_it_is_labelled(make: Callable[..., World]) -> None:
    """With what it had before; twice is once."""
    world = make("r2", n1=(WEB,))

    answers = [relabel(world) for _ in range(2)]

    node = world.connected.known["n1"]
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].replicas, answers[0].held) == ("configured", 4, 1)
    assert answers[0].deadline == NOW + timedelta(seconds=120)
    assert (node.config, node.unschedulable) == ("r4", True)
    assert {CORDONED_BY: "run-1", CONFIG_BEFORE: "r2"}.items() <= node.annotations.items()
    lock = world.store.lock("lock", "gpu")
    assert lock is not None
    assert lock.owner == US.execution


class Crowded(FakeCluster):
    """A pod lands on a node in the moment before its cordon."""

    def cordon(self, node: Node, run_id: str) -> None:
        """See Cluster."""
        self.pods.append((node.name, WEB))
        super().cordon(node, run_id)


def test_who_comes_before_the_door_is_closed_keeps_his_gpu(make: Callable[..., World]) -> None:
    """The second look sees it; the node is given back, and nothing is counted."""
    world = make()
    world.connected.__class__ = Crowded

    relabelled = relabel(world)
    settled = settle(world, relabelled)

    assert (relabelled.status, "default/web run on it" in relabelled.reason) == ("waiting", True)
    assert settled.status == "returned"
    node = world.connected.known["n1"]
    assert (node.config, node.unschedulable, dict(node.annotations)) == ("exclusive", False, {})
    assert world.memory.breaker("sharing", "gpu") is None
    assert world.store.lock("lock", "gpu") is None


def test_a_foreign_cordon_is_not_touched(make: Callable[..., World]) -> None:
    """Neither now nor afterwards."""
    world = make()
    world.connected.known["n1"] = replace(machine_node(1, "exclusive"), unschedulable=True)

    settled = settle(world, relabel(world))

    assert (settled.status, world.connected.known["n1"].unschedulable) == ("returned", True)


def test_a_roll_that_began_meanwhile_goes_first(make: Callable[..., World]) -> None:
    """The lock that was taken for nothing is given back."""
    world = make()
    world.store.take("rotation", run("roll-1"), NOW)

    relabelled = relabel(world)

    assert (relabelled.status, relabelled.reason) == ("waiting", "gpu is being rolled by roll-1")
    assert settle(world, relabelled).status == "returned"
    assert world.store.lock("lock", "gpu") is None


def test_two_runs_do_not_change_one_group(make: Callable[..., World]) -> None:
    """The second one ends in Conflict, and its settlement leaves the first one's node alone."""
    world = make()
    relabel(world, of=run("run-2"))

    with pytest.raises(Conflict, match="run-2"):
        relabel(world)
    settled = settle(world, None, error={"name": "Conflict", "reason": "held"})

    assert settled.status == "restored"
    assert world.connected.known["n1"].cordoned_by == "run-2"
    assert world.memory.breaker("sharing", "gpu") is None


def test_a_key_that_went_away_since_is_refused_before_the_door_is_closed(make: Callable[..., World]) -> None:
    """Nothing was touched."""
    world = make()
    world.connected.texts[TITLE] = {}

    with pytest.raises(Refused, match="with r4"):
        relabel(world)
    assert not world.connected.known["n1"].unschedulable


def test_a_good_change_is_kept_and_forgets_what_failed_before(make: Callable[..., World]) -> None:
    """The node is open, the group is free; the second call says the same."""
    world = make()
    world.memory.count_failure("sharing", "gpu", NOW, "before", of="a")
    relabelled = relabel(world)

    answers = [settle(world, relabelled, check=checked("ready")) for _ in range(2)]

    node = world.connected.known["n1"]
    assert [answer.status for answer in answers] == ["kept", "kept"]
    assert (node.config, node.unschedulable, dict(node.annotations)) == ("r4", False, {})
    assert world.memory.breaker("sharing", "gpu") is None
    assert world.store.lock("lock", "gpu") is None
    assert world.store.open_groups() == []


def checked(status: str) -> dict[str, Any]:
    """An answer of check_node."""
    return {"status": status, "reason": "n1 offers 0 of 1 GPUs x 4", "gpus": 1, "allocatable": 0}


@pytest.mark.parametrize("was", ["exclusive", None])
@pytest.mark.parametrize(
    ("failure", "why"),
    [
        ({"check": checked("overdue")}, "n1 offers 0 of 1 GPUs x 4"),
        ({"check": checked("ready"), "error": {"name": "Unhealthy", "reason": "one UUID"}}, "Unhealthy: one UUID"),
    ],
)
def test_a_failure_puts_the_old_configuration_back_and_is_counted_once(
    make: Callable[..., World], was: str | None, failure: Any, why: str
) -> None:
    """Also where there was none; a repeated call counts nothing more."""
    world = make(was)
    relabelled = relabel(world)

    answers = [settle(world, relabelled, **failure) for _ in range(2)]

    node = world.connected.known["n1"]
    assert [(answer.status, why in answer.reason) for answer in answers] == [("restored", True)] * 2
    assert (node.config, node.unschedulable, dict(node.annotations)) == (was, False, {})
    breaker = world.memory.breaker("sharing", "gpu")
    assert breaker is not None
    assert (breaker.failures, breaker.why) == (1, why)
    assert world.store.lock("lock", "gpu") is None


@pytest.mark.parametrize("ends", ["settled", "closed"])
def test_what_the_stopped_smoke_of_a_run_holds_is_not_taken_from_it(make: Callable[..., World], ends: str) -> None:
    """Its node stays closed, and its group taken, until the pod is gone; a node that was not changed waits for none."""
    world = make()
    relabelled = relabel(world)
    world.smoked = True

    def end() -> Any:
        return settle(world, relabelled, check=checked("overdue")) if ends == "settled" else CLOSE.close(US, world)

    with pytest.raises(Unavailable, match="n1: the smoke of run-1"):
        end()
    node = world.connected.known["n1"]
    assert (node.config, node.cordoned_by, world.store.open_groups()) == ("r4", US.id, ["gpu"])

    world.smoked = False
    end()
    node = world.connected.known["n1"]
    assert (node.config, node.cordoned_by, world.store.open_groups()) == ("exclusive", None, [])

    world.smoked = True
    world.store.take("lock", US, NOW)
    world.connected.cordon(node, US.id)
    end()
    assert world.connected.known["n1"].cordoned_by is None


@pytest.mark.parametrize(("name", "counted"), [("Unhealthy", True), ("Unavailable", False), ("Conflict", False)])
def test_only_what_is_wrong_with_the_node_is_counted(make: Callable[..., World], name: str, *, counted: bool) -> None:
    """An API that was down twice says nothing about the configuration; the node gets its old one back all the same."""
    world = make()

    settled = settle(world, relabel(world), check=checked("waiting"), error={"name": name, "reason": "who knows"})

    assert (settled.status, world.connected.known["n1"].config) == ("restored", "exclusive")
    assert (world.memory.breaker("sharing", "gpu") is not None) == counted


def test_a_node_that_died_meanwhile_frees_its_group(make: Callable[..., World]) -> None:
    """Its change failed all the same."""
    world = make()
    relabelled = relabel(world)
    del world.connected.known["n1"]

    settled = settle(world, relabelled, check=checked("overdue"))

    assert (settled.status, "n1 is gone" in settled.reason) == ("restored", True)
    assert world.store.lock("lock", "gpu") is None


def test_whoever_lost_the_group_says_so_and_touches_nothing(make: Callable[..., World]) -> None:
    """Reconcile has put the node back: the change did not hold, though every step had gone well."""
    world = make()
    relabelled = relabel(world)
    world.store.release("lock", US)
    world.connected.restore_config(world.connected.known["n1"])

    settled = settle(world, relabelled, check=checked("ready"))

    assert (settled.status, "its group was lost meanwhile" in settled.reason) == ("restored", True)


@pytest.mark.parametrize("was", ["exclusive", None])
def test_a_run_that_died_in_mid_change_is_put_back(make: Callable[..., World], was: str | None) -> None:
    """Old configuration, our cordon off, group free; nothing is counted against the configuration."""
    world = make(was)
    relabel(world)

    closed = [CLOSE.close(US, world) for _ in range(2)]

    node = world.connected.known["n1"]
    assert (node.config, node.unschedulable, dict(node.annotations)) == (was, False, {})
    assert [answer.restored for answer in closed] == [("uncordoned n1",), ()]
    assert world.store.lock("lock", "gpu") is None
    assert world.store.open_groups() == []
    assert world.memory.breaker("sharing", "gpu") is None


FOLLOWS = ", rebalance: {mode: apply}"


def test_a_pool_whose_plans_are_applied_has_the_rung_of_its_plan(make: Callable[..., World]) -> None:
    """The group's own `sharing` is only where it began."""
    world = make(more=FOLLOWS)
    assert select(world).key == "r4"
    world.pools.keep_state("gpu", PoolState(rung=2), None)
    assert select(world, name="run-2").key == "r2"
    assert select(make(), name="run-3").key == "r4"


def test_no_node_gets_more_shares_while_one_of_its_pool_is_relieved(make: Callable[..., World]) -> None:
    """Nodes that are to have fewer are not held up by that."""
    world = make(more=FOLLOWS)
    freeze = {"why": "n9: power", "until": (NOW + timedelta(hours=1)).isoformat()}
    world.store._table.put("pool#gpu", "freeze#i-9", freeze)
    answer = select(world)
    assert (answer.status, answer.reason) == ("waiting", "gpu: no GPU gets more shares: n9: power")

    shared = world.connected.node("n2")
    assert shared is not None
    world.connected.label_config(shared, "r8")
    assert (select(world, name="run-2").node, select(world, name="run-2").key) == ("n2", "r4")
    world.pools.thaw("gpu", "i-9")
    assert select(world, name="run-3").node == "n1"


def test_training_keeps_its_node_exclusive_where_shares_follow_the_load(make: Callable[..., World]) -> None:
    """Nobody waits for it: the other node is selected, and then none is left."""
    world = make(n1=(replace(WEB, completes=True),), more=FOLLOWS)
    picked = select(world)
    assert (picked.node, picked.key) == ("n2", "r4")
    shared = world.connected.node("n2")
    assert shared is not None
    world.connected.label_config(shared, "r4")
    assert select(world, name="run-2").status == "done"
