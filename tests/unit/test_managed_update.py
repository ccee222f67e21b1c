"""A managed node group's roll over a small world: opened, its Jobs waited for, judged, and put back.

Covered: the originals; the strategy set once and put back; a custom image's launch template; Jobs, their grace and the
cordon; wishes; EKS at work; each of EKS's error codes; budgets by name; nodes that are never admitted; a change that is
closed while EKS is still at work.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.wishes import Wishes
from gpuops.domain.errors import Conflict, Invalid, Refused, Unhealthy
from gpuops.domain.rotation.budget import Slot
from gpuops.domain.rotation.update import MEANINGS, Update, failure
from gpuops.domain.rotation.wish import GlobalStop, Wish
from tests.fakes.apps import load_app
from tests.fakes.nodegroups import MANAGED, OWN
from tests.fakes.rotation import NEW, NOW, OLD, TARGET, group, instance, node, run
from tests.fakes.steps import CLOSE, OPEN, WEB, leftovers, old_world, plan
from tests.fakes.world import World

AWAIT, JUDGE = load_app("await_jobs"), load_app("judge_update")
GROUP = "groups:\n- {cluster: train, group: gpu, mode: apply, nodegroup: ng, strategy: managed, job_grace_hours: 6%s}\n"
HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes of a managed group, the middle one with a training Job."""
    with mock_aws():
        made = old_world()
        made.policy = GROUP % ""
        made.groups.group = replace(made.groups.group, tags={"eks:nodegroup-name": "ng"})
        yield made


def opened(world: World) -> Any:
    """Plan, then open the change; return the plan and the change."""
    planned = plan(world)
    return planned, OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)


def wait(world: World, change: Any, now: datetime = NOW, before: Any = None) -> Any:
    """Look for Jobs once."""
    jobs = before if before is None or isinstance(before, dict) else before.model_dump()
    given = {"run": run(), "change": change, "target": TARGET, "managed": {"nodegroup": "ng"}, "jobs": jobs}
    return AWAIT.await_jobs(AWAIT.AwaitJobs.model_validate(given), now, world)


def judge(world: World, now: datetime = NOW, before: Any = None, **update: Any) -> Any:
    """Judge an update that ended."""
    answer = before.model_dump() if before else None
    given = {"run": run(), "target": TARGET, "update": {"Status": "Successful", **update}, "judge": answer}
    return JUDGE.judge(JUDGE.JudgeUpdate.model_validate(given), now, world)


def updated(world: World, *, admitted: bool = True) -> None:
    """EKS has replaced every node."""
    new = [instance(10 + number, NEW) for number in range(3)]
    world.groups.group = group(new, tags={"eks:nodegroup-name": "ng"})
    world.connected.all_nodes = [node(one, admitted=admitted) for one in new]


def cordoned(world: World) -> set[str]:
    """The instances whose nodes are closed."""
    return {node.instance for node in world.connected.all_nodes if node.unschedulable}


def fault(code: str, *resources: str) -> dict[str, Any]:
    """A failed update as DescribeUpdate shows it."""
    return {"Status": "Failed", "Errors": [{"ErrorCode": code, "ErrorMessage": "why", "ResourceIds": [*resources]}]}


def test_opening_touches_nothing_of_the_auto_scaling_group(world: World) -> None:
    """It is EKS's; written down is what the node group was."""
    _, change = opened(world)

    undo = world.store.undo("gpu")
    assert world.groups.calls == []
    assert undo is not None
    assert undo.managed is not None
    assert (undo.managed.strategy, undo.managed.release, undo.moved) == ("DEFAULT", MANAGED.release, ())
    assert change.reason == f"EKS updates node group ng to {TARGET.release}"
    assert world.nodegroups.asked == []


def test_the_strategy_is_set_once_and_put_back(world: World) -> None:
    """By the same token, however often it is asked for."""
    world.policy = GROUP % ", update_strategy: MINIMAL"
    planned, _ = opened(world)
    OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)
    assert [strategy for strategy, _ in world.nodegroups.asked] == ["MINIMAL"]

    updated(world)
    closed = CLOSE.close(run(), world)

    assert [strategy for strategy, _ in world.nodegroups.asked] == ["MINIMAL", "DEFAULT"]
    assert "updateStrategy DEFAULT" in closed.restored
    assert leftovers(world) == []


def test_a_custom_image_gets_a_new_version_of_its_users_launch_template(world: World) -> None:
    """With the startup taint, which nobody but that template registers; once, however often it is opened."""
    world.nodegroups.found = replace(MANAGED, ami_type="CUSTOM", release=OLD, template=replace_version())
    planned, change = opened(world)
    again = OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned), NOW, world)

    assert (change.template.version, again.template.version) == ("2", "2")
    assert world.templates.versions[1]["ImageId"] == NEW
    assert wait(world, change, NOW + 6 * HOUR, {"since": NOW}).ask == {
        "LaunchTemplate": {"Id": change.template.id, "Version": "2"},
        "Force": False,
    }


def replace_version() -> Any:
    """The user's template at the version that the fake has."""
    return OWN.model_copy(update={"version": "1"})


def test_jobs_are_waited_for_behind_a_closed_door(world: World) -> None:
    """Only the node with the Job is closed; after the grace EKS is asked, whatever still runs."""
    _, change = opened(world)
    first = wait(world, change)
    assert (first.status, cordoned(world)) == ("waiting", {instance(1).id})
    assert "default/train-0" in first.reason
    assert wait(world, change, NOW + 5 * HOUR, first).status == "waiting"

    last = wait(world, change, NOW + 6 * HOUR, first)

    assert (last.status, last.ask) == (
        "ready",
        {"Version": "1.36", "ReleaseVersion": TARGET.release, "Force": False},
    )
    assert "cannot be paused, cancelled or undone" in last.reason


def test_pods_that_can_move_are_not_waited_for(world: World) -> None:
    """EKS moves them."""
    world.connected.pods = {f"node-{instance(1).id}": [WEB]}
    _, change = opened(world)

    assert (wait(world, change).status, cordoned(world)) == ("ready", set())


def test_a_cancelled_run_ends_before_eks_begins_and_a_paused_one_waits(world: World) -> None:
    """It is the last moment at which anybody is heard."""
    world.connected.pods = {}
    _, change = opened(world)
    say = {"run": "run-1", "by": "arn:ann", "at": NOW}
    world.wishes.write(Wish.model_validate({**say, "wish": "pause"}))
    assert wait(world, change).reason == "paused by arn:ann"
    world.wishes.write(Wish.model_validate({**say, "wish": "resume"}))
    world.wishes.write_stop(GlobalStop(by="arn:bob", at=NOW))
    assert wait(world, change).reason.startswith("global stop since")
    world.wishes.lift_stop()
    assert wait(world, change).status == "ready"

    world.wishes.write(Wish.model_validate({**say, "wish": "cancel"}))
    with pytest.raises(Refused, match="EKS's update had not begun"):
        wait(world, change)


def test_whoever_wishes_once_eks_begins_is_told_the_truth(world: World) -> None:
    """The run says that it hears no more, and then looks for the last time."""
    world.connected.pods = {}
    _, change = opened(world)
    assert world.wishes.closed("run-1") is None

    assert wait(world, change).status == "ready"

    assert world.wishes.closed("run-1") == f"since {NOW.isoformat()} EKS updates ng, which nobody can stop"


def test_a_cancellation_at_the_last_moment_is_still_heard(world: World) -> None:
    """It was written before the run said that it hears no more."""
    world.connected.pods = {}
    _, change = opened(world)

    class Meanwhile(Wishes):
        def close(self, run_id: str, why: str, now: datetime) -> None:
            self.write(Wish(run=run_id, by="arn:ann", at=now, wish="cancel"))
            super().close(run_id, why, now)

    class Racing(World):
        wishes = property(lambda self: Meanwhile(self.store._table))

    with pytest.raises(Refused, match="EKS's update had not begun"):
        wait(Racing(**vars(world)), change)


def test_eks_begins_in_a_window_only(world: World) -> None:
    """Jobs may have ended after it closed."""
    world.connected.pods = {}
    _, change = opened(world)
    world.policy = GROUP % ", windows: [{days: [tue], from: '01:00', to: '02:00'}]"

    asked = wait(world, change)

    assert (asked.status, asked.reason) == ("waiting", "outside its windows until Tue 2026-11-24 01:00 UTC")


def test_eks_at_work_is_waited_for_and_a_sick_node_group_is_not(world: World) -> None:
    """Setting the strategy takes EKS a while; a degraded group would be refused."""
    world.connected.pods = {}
    _, change = opened(world)
    world.nodegroups.found = replace(MANAGED, status="UPDATING")
    assert (wait(world, change).status, wait(world, change).wait_seconds) == ("waiting", 20)
    world.nodegroups.found = replace(MANAGED, status="DEGRADED")
    with pytest.raises(Refused, match="node group ng is DEGRADED"):
        wait(world, change)


def test_a_run_that_lost_the_group_asks_eks_for_nothing(world: World) -> None:
    """Fenced off, at the last moment."""
    _, change = opened(world)
    with pytest.raises(Conflict):
        wait(world, change.model_copy(update={"fence": change.fence + 1}))


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_every_code_of_eks_has_a_meaning_and_a_next_step(code: str) -> None:
    """In EKS's words first."""
    error = failure(Update.model_validate(fault(code, "subnet-1")), [])

    assert type(error) in {Refused, Unhealthy, Invalid}
    assert str(error).startswith(f"EKS's update ended as Failed: {code}: why (subnet-1); next: ")


def test_a_code_that_is_new_to_us_and_no_code_at_all_are_refused() -> None:
    """EKS may learn new ones."""
    assert "QuotaOfMoons" in str(failure(Update.model_validate(fault("QuotaOfMoons")), []))
    assert isinstance(failure(Update.model_validate({"Status": "Cancelled"}), []), Refused)


def test_a_failed_eviction_names_the_budgets_in_its_way(world: World) -> None:
    """Found by looking at the nodes that EKS names."""
    world.blocked.titles = {"node-1": "disruption budget default/web (1 healthy, 1 needed)"}

    with pytest.raises(Refused, match="in the way: disruption budget default/web") as caught:
        judge(world, **fault("PodEvictionFailure", "node-1", "node-2"))
    assert "drain.on_deadline" in str(caught.value)


def test_an_updated_group_counts_once_every_node_is_admitted(world: World) -> None:
    """EKS is content with Ready; we wait, but not for ever."""
    updated(world, admitted=False)
    first = judge(world)
    assert (first.status, first.wait_seconds) == ("waiting", 20)
    with pytest.raises(Unhealthy, match="are not admitted"):
        judge(world, first.deadline, first)
    updated(world)
    assert judge(world, NOW + HOUR / 2, first).reason == f"all 3 nodes run {NEW} and are admitted"


def test_an_old_node_that_is_left_is_no_success(world: World) -> None:
    """Whatever EKS says."""
    first = judge(world)
    assert "run another image" in first.reason
    with pytest.raises(Unhealthy, match="after EKS's update had ended well"):
        judge(world, first.deadline, first)


def test_what_cannot_be_put_back_yet_stays_written_down(world: World) -> None:
    """EKS goes on when our run has died: the nodes are opened, the rest waits for reconcile."""
    _, change = opened(world)
    wait(world, change)
    world.nodegroups.found = replace(MANAGED, status="UPDATING")

    closed = CLOSE.close(run(), world)

    assert cordoned(world) == set()
    assert "which nothing can stop" in closed.left[0]
    assert world.store.undo("gpu") is not None
    world.nodegroups.found = MANAGED
    CLOSE.close(run(), world)
    assert leftovers(world) == []


def test_a_surge_that_eks_left_behind_is_told(world: World) -> None:
    """Its nodes may carry work: only a person can say."""
    opened(world)
    world.groups.group = replace(world.groups.group, desired=5, max=5)

    closed = CLOSE.close(run(), world)

    assert closed.left == ("sizes: desired 5, maximum 5 (before EKS's update: desired 3, maximum 3)",)
    assert world.groups.calls == []


def test_eks_takes_its_slots_of_the_fleets_budget(world: World) -> None:
    """As many as it takes nodes at a time; where there are none it is not asked, for a week, and then the run ends."""
    world.connected.pods = {}
    world.nodegroups.found = replace(MANAGED, unavailable_percent=70)
    world.policy = GROUP % "" + "budget: {nodes: 2}\n"
    planned, change = opened(world)
    world.budgets.take({Slot("i-other", "somebody")}, 2)

    waits = wait(world, change)
    assert (waits.status, waits.wait_seconds > 0) == ("waiting", True)
    assert [slot.owner for slot in world.budgets.slots()] == ["somebody"]
    with pytest.raises(Refused, match="EKS's update had not begun"):
        wait(world, change, NOW + 8 * 24 * HOUR, waits)

    world.budgets.give_all_back("somebody")
    assert wait(world, change).status == "ready"
    assert len(world.budgets.slots()) == 2
    updated(world)
    CLOSE.close(planned.run, world)
    assert world.budgets.slots() == ()


def test_a_node_without_a_slot_stays_open(world: World) -> None:
    """Its Job is waited for all the same."""
    world.policy = GROUP % "" + "budget: {nodes: 1}\n"
    _, change = opened(world)
    world.budgets.take({Slot("i-other", "somebody")}, 1)

    assert (wait(world, change).status, cordoned(world)) == ("waiting", set())
