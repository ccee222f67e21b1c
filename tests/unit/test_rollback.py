"""Canaries and the way back over a small world: each step of the functions, and what is left of them.

Covered: canaries, bake, then the others; a canary that fails before anything moved; nodes that go back by a version of
the original; what stays, and why; a rollback that was begun twice, that cannot begin, that dies half-way; a release
that is not rolled again by itself; alarms and failed admissions between nodes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Conflict, Invalid, Refused
from gpuops.domain.rotation.bake import Alarm
from gpuops.domain.rotation.image import Image
from gpuops.domain.rotation.wish import Wish
from tests.fakes.apps import load_app
from tests.fakes.canaries import Kube, pod
from tests.fakes.rotation import CANARY, LT, NEW, NOW, OLD, POLICY, Images, instance, node, run
from tests.fakes.steps import CLOSE, EVENT, OPEN, WEB, claim, launch, leave, leftovers, old_world, opened, plan, retire
from tests.fakes.world import World

JUDGE, BACK = load_app("judge_canary"), load_app("open_rollback")


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, one canary by policy."""
    with mock_aws():
        yield replace(old_world(), policy=CANARY)


def judge(world: World, change: Any, minutes: float = 0, **more: Any) -> Any:
    """Look at the canaries so many minutes later."""
    request = JUDGE.JudgeCanary(run=run(), change=change, **more)
    names = {node.name: node.instance for node in world.connected.all_nodes}
    world.connected.kube = Kube(names, world.connected.raw_pods)
    return JUDGE.judge(request, NOW + timedelta(minutes=minutes), world)


def go_back(world: World, change: Any) -> Any:
    """Ask for the way back."""
    return BACK.open_rollback(BACK.OpenRollback(run=run(), change=change), NOW, world)


def replaced(world: World, change: Any, old: int, new: int, *, decrement: bool = True) -> None:
    """One slot from claim to retirement, with the newcomer that it waits for."""
    launch(world, new)
    claimed = claim(world, change, old, decrement=decrement)
    assert claimed.status == "claimed"
    number = int(claimed.instance.removeprefix("i-"), 16)
    retire(world, change, number, decrement=decrement)
    leave(world, number)


def returns(world: World, number: int) -> None:
    """A newcomer of the way back joins."""
    new = instance(number, OLD, version=str(len(world.templates.versions)))
    world.groups.group = replace(world.groups.group, instances=(*world.groups.group.instances, new))
    world.connected.all_nodes.append(node(new))


def widened(world: World, planned: Any) -> Any:
    """The change, opened for the others."""
    return OPEN.open_change(OPEN.OpenChange(run=planned.run, plan=planned, stage="forward"), NOW, world)


def test_a_canary_bakes_at_the_groups_own_size_and_then_the_others_follow(world: World) -> None:
    """What an autoscaler asks for during the bake is the group's, on top of which the surge comes."""
    planned = plan(world)
    change = opened(world)
    assert ([n.canary for n in planned.nodes], planned.candidates) == ([True, False, False], 2)
    replaced(world, change, 0, 10)
    assert (world.groups.group.desired, len(world.groups.group.staying)) == (3, 3)

    first, last = judge(world, change), judge(world, change, 10, judge=judge(world, change))
    assert (first.status, first.wait_seconds, last.status) == ("baking", 60, "good")
    world.groups.group = replace(world.groups.group, desired=5, max=9)
    wide = widened(world, planned)
    again = widened(world, planned)

    assert (world.groups.group.desired, wide, wide.surge) == (6, again, 1)
    replaced(world, wide, 2, 11, decrement=False)
    replaced(world, wide, 1, 12)
    CLOSE.close(run(), world)
    assert (world.groups.group.desired, leftovers(world)) == (5, [])
    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "2"


def test_an_alarm_that_rings_already_begins_nothing_and_one_that_is_not_there_fails_the_plan(world: World) -> None:
    """A name that is misspelt is found before a node is paid for; without alarms in the policy nobody is asked."""
    world.alarms.states["p99"] = Alarm("p99", "ALARM")
    assert plan(world).status == "roll"
    world.policy = CANARY.replace("nodes: 1", "nodes: 1, alarms: [p99]")
    assert plan(world).reason == "alarm p99 rings, before anything has begun"
    world.alarms.broken = Invalid("CloudWatch alarms do not exist: p99")
    with pytest.raises(Invalid, match="p99"):
        plan(world)


def test_a_canary_goes_where_its_newcomer_left_the_zones_uneven(world: World) -> None:
    """Among nodes as idle as the canary, so that the group bakes balanced; the training Job is none of them."""
    change = opened(world)
    launch(world, 10)

    assert claim(world, change, 0, decrement=True).instance in {instance(0).id, instance(2).id}
    assert claim(world, change, 2, decrement=True).status == "waiting", "its newcomer is taken"


def test_a_canary_that_fails_its_admission_ends_the_roll_before_anything_moved(world: World) -> None:
    """One extra node was paid for; it is taken out, and no schedule rolls the release again."""
    change = opened(world)
    launch(world, 10, admitted=False)
    world.store.tell_abandoned("gpu", "i-a was abandoned: no passed CUDA sample", "i-a")

    answer = claim(world, change, 0, decrement=True)
    back = go_back(world, change)
    CLOSE.close(run(), world)

    assert answer.status == "condemned"
    assert answer.reason == "a new node failed the admission: i-a was abandoned: no passed CUDA sample"
    assert (back.status, back.restored) == ("none", (f"terminated {instance(10).id}, which nobody needed",))
    assert (world.groups.group.desired, leftovers(world)) == (3, [])
    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "1"
    held = plan(world, EVENT, "run-2")
    assert held.status == "hold"
    assert f"proved to be bad in run run-1: {answer.reason}" in held.reason


def test_a_missing_newcomer_does_not_condemn_the_release(world: World) -> None:
    """A canary that found no capacity proves nothing: tomorrow it is tried again."""
    change = opened(world)
    waiting = claim(world, change, 0, decrement=True)
    late = claim(world, change, 0, waiting.deadline, claim=waiting.model_dump(), decrement=True)

    back = go_back(world, change)
    CLOSE.close(run(), world)

    assert (late.status, back.status, back.reason) == ("overdue", "none", "its canary failed: nothing had moved yet")
    assert plan(world, EVENT, "run-2").status == "roll"


def baked_bad(world: World) -> Any:
    """A canary was replaced, and proved to be bad."""
    change = opened(world)
    replaced(world, change, 0, 10)
    world.alarms.states["p99"] = Alarm("p99", "ALARM")
    world.policy = CANARY.replace("nodes: 1", "nodes: 1, alarms: [p99]")
    assert judge(world, change).status == "bad"
    return change


def test_a_bad_canary_is_replaced_back_by_a_version_of_the_original(world: World) -> None:
    """With its own image; the group ends with the version that it named, and the size that it had."""
    change = baked_bad(world)

    back = go_back(world, change)
    assert (back.status, [n.instance for n in back.nodes], back.nodes[0].decrement) == ("open", [instance(10).id], True)
    assert world.templates.versions[2]["ImageId"] == OLD
    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "3"
    assert world.groups.group.desired == 4
    returns(world, 20)
    slot = claim(world, back.change, 10, decrement=True)
    assert (slot.status, slot.instance, slot.node) == ("claimed", instance(10).id, f"node-{instance(20).id}")
    retire(world, back.change, 10, decrement=True)
    leave(world, 10)
    closed = CLOSE.close(run(), world)

    after = world.groups.group
    assert (after.desired, after.max, {i.ami for i in after.staying}) == (3, 3, {OLD})
    assert after.launch["LaunchTemplate"] == {"LaunchTemplateId": LT, "Version": "1"}
    assert (closed.left, leftovers(world)) == ((), [])


def test_latest_is_not_given_back_while_it_means_one_of_our_versions(world: World) -> None:
    """The way back made the newest one: `$Latest` would be right for the image, and wrong for whoever edits next."""
    launch_spec = {"LaunchTemplate": {"LaunchTemplateId": LT, "Version": "$Latest"}}
    world.groups.group = replace(world.groups.group, launch=launch_spec)
    change = baked_bad(world)
    go_back(world, change)

    closed = CLOSE.close(run(), world)

    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "1"
    assert f"launch template {LT}: version 1 stands in for $Latest" in closed.left


@pytest.mark.parametrize("blamed", [True, False])
def test_the_way_back_is_opened_once_however_often_it_is_asked_for(world: World, *, blamed: bool) -> None:
    """A lost answer finds the same stage, version and goals; also where only the judging failed, and blames nothing."""
    change = baked_bad(world) if blamed else opened(world)
    if not blamed:
        replaced(world, change, 0, 10)
    first = go_back(world, change)
    calls = list(world.groups.calls)

    assert go_back(world, change).model_copy(update={"restored": first.restored}) == first
    assert (world.groups.calls, len(world.templates.versions)) == (calls, 3)


def test_an_idle_node_of_the_surge_is_taken_out_before_the_others_go_back(world: World) -> None:
    """It stands in for nobody: replacing it back would cost a launch for nothing."""
    planned = plan(world)
    change = opened(world)
    replaced(world, change, 0, 10)
    wide = widened(world, planned)
    launch(world, 11)
    world.connected.pods[f"node-{instance(10).id}"] = [WEB]
    world.store.condemn(run(), "alarm p99 rings")

    back = go_back(world, wide)

    assert ("terminate", (instance(11).id, True)) in world.groups.calls
    assert [n.instance for n in back.nodes] == [instance(10).id]
    assert (world.groups.group.desired, back.change.fence) == (4, wide.fence)


def test_a_drain_that_failed_is_not_the_releases_fault(world: World) -> None:
    """What moved stays, and the next run goes on from there."""
    planned = plan(world)
    change = opened(world)
    replaced(world, change, 0, 10)
    wide = widened(world, planned)
    world.store.stop(run(), "node-1: 1 pods left")

    back = go_back(world, wide)

    assert (back.status, back.reason) == ("none", "the release is not to blame: nodes that run it stay")
    assert world.releases.condemned("gpu", NEW) is None


def test_a_policy_that_forbids_the_way_back_still_remembers(world: World) -> None:
    """The nodes stay; the schedule does not roll on."""
    change = baked_bad(world)
    world.policy = world.policy.replace("canary:", "roll_back: {on_failure: false}, canary:")

    back = go_back(world, change)
    CLOSE.close(run(), world)

    assert back.reason == "policy roll_back.on_failure is off: nodes that run the release stay"
    assert (instance(10).id in {i.id for i in world.groups.group.staying}, leftovers(world)) == (True, [])
    assert world.releases.condemned("gpu", NEW) is not None


@pytest.mark.parametrize(("roll_back", "status"), [(True, "open"), (False, "none")])
def test_whoever_cancels_decides_whether_the_canary_goes_back(world: World, *, roll_back: bool, status: str) -> None:
    """Whatever the policy says of failures: it is none, and the release is not blamed."""
    change = opened(world)
    replaced(world, change, 0, 10)
    world.policy = CANARY.replace("canary:", "roll_back: {on_failure: false}, canary:")
    world.wishes.write(Wish(run="run-1", wish="cancel", by="ann", at=NOW, roll_back=roll_back))

    seen, back = judge(world, change), go_back(world, change)

    assert (seen.status, seen.reason) == ("stopped", "cancelled by ann")
    assert (back.status, world.releases.condemned("gpu", NEW)) == (status, None)
    if roll_back:
        returns(world, 20)
        assert claim(world, back.change, 10, decrement=True).status == "claimed", (
            "the wish does not stop its own way back"
        )


def test_nodes_whose_image_is_gone_cannot_go_back(world: World) -> None:
    """Nothing is begun for it: the close puts back what can be."""
    change = baked_bad(world)

    class Gone(Images):
        def describe(self, amis: Iterable[str]) -> dict[str, Image]:
            return super().describe({*amis} - {OLD})

    with pytest.raises(Refused, match=f"nodes cannot go back: {OLD} cannot be launched any more"):
        go_back(replace(world, images=Gone()), change)

    undo = world.store.undo("gpu")
    assert undo is not None
    assert (undo.stage, len(world.templates.versions)) == ("canary", 2)


def test_a_run_that_dies_on_its_way_back_is_closed_with_the_originals(world: World) -> None:
    """Reconcile calls the same code; it names the nodes that still run the release."""
    change = baked_bad(world)
    go_back(world, change)

    closed = CLOSE.close(run(), world)

    assert world.groups.group.launch["LaunchTemplate"]["Version"] == "1"
    assert f"1 node still runs 1.36.3-20261101: {instance(10).id}" in closed.left
    assert (world.groups.group.desired, leftovers(world)) == (3, [])


def test_who_lost_the_group_neither_judges_nor_goes_back(world: World) -> None:
    """Another run may hold it by now."""
    change = opened(world)
    world.store.release("lock", run())

    for act in (judge, go_back):
        with pytest.raises(Conflict, match="is lost"):
            act(world, change)


def test_a_person_who_names_the_image_has_it_tried_again(world: World) -> None:
    """Our own event names it, too, and is no word of a person; with the try the verdict is forgotten."""
    change = baked_bad(world)
    go_back(world, change)
    CLOSE.close(run(), world)
    world.alarms.states.clear()
    told = {"detail-type": "GPU AMI Release Detected", "detail": EVENT | {"ami": NEW}}

    assert plan(world, told, "run-2").status == "hold"
    tried = plan(world, EVENT | {"ami": NEW}, "run-3")
    assert tried.status == "roll"
    OPEN.open_change(OPEN.OpenChange(run=tried.run, plan=tried), NOW, world)
    assert world.releases.condemned("gpu", NEW) is None


@pytest.mark.parametrize(("failed", "status"), [(3, "claimed"), (4, "condemned")])
def test_so_many_failed_admissions_condemn_a_release_in_mid_roll(world: World, failed: int, status: str) -> None:
    """One bad board is none of the release's doing; max_failed_admissions says how many are."""
    world.policy = POLICY
    change = opened(world)
    launch(world, 10)
    for number in range(failed):
        world.store.tell_abandoned("gpu", f"i-{number} was abandoned", f"i-{number}")
        world.store.tell_abandoned("gpu", f"i-{number} was abandoned", f"i-{number}")

    assert claim(world, change, 0).status == status
    assert claim(world, change, 2).status == ("waiting" if status == "claimed" else "condemned")


def test_an_alarm_stops_the_roll_between_two_nodes_and_at_its_end(world: World) -> None:
    """Without alarms in the policy nobody is asked; one that cannot be read is no permission."""
    world.policy = POLICY
    change = opened(world)
    launch(world, 10)
    world.alarms.broken = Invalid("CloudWatch alarms do not exist: p99")
    assert claim(world, change, 0).status == "claimed"
    world.policy = POLICY.replace("nodes: 0", "nodes: 0, alarm_tag: team=gpu")
    with pytest.raises(Invalid, match="p99"):
        claim(world, change, 2)
    world.alarms.broken = None
    assert judge(world, change, rolled=True).reason == "0 alarms are quiet"

    world.alarms.states["p99"] = Alarm("p99", "OK", rang=True)
    assert claim(world, change, 2).reason == "alarm p99 rang since the change began"
    assert judge(world, change, rolled=True).status == "bad"


def test_what_a_look_sees_comes_from_the_cluster_itself(world: World) -> None:
    """Instance, Node, pods and exporter of the canary; no other node's."""
    change = opened(world)
    replaced(world, change, 0, 10)
    canary = f"node-{instance(10).id}"
    here, sister = pod("web-1", canary, restarts=9), pod("web-2", "elsewhere", restarts=9)
    world.connected.raw_pods = [here, sister]

    alone = judge(world, change)
    sister["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    together = judge(world, change)

    assert (alone.status, alone.reason) == ("bad", f"{canary}: default/web-1 restarted 9 times")
    assert together.status == "baking", "it crashes on an old node, too"


def test_the_report_shows_verdict_canary_and_what_went_back(world: World) -> None:
    """And what did not, with its reason; every name in it comes from outside."""
    report = load_app("write_report")
    request = report.WriteReport(
        run=run(),
        plan={"nodes": [{"instance": "i-1", "decrement": True, "canary": True, "reason": "idle"}]},
        judge={"status": "bad", "reason": "alarm <p99> rings"},
        rollback={"status": "open", "reason": "2 nodes go back", "restored": ["terminated i-7, which nobody needed"]},
        back=[
            {"slot": "i-2", "instance": "i-2", "status": "replaced"},
            {"slot": "i-3", "status": "failed", "error": {"name": "Refused", "reason": "1 pods left"}},
        ],
        error={"name": "Unhealthy", "reason": "alarm <p99> rings; rolled back: 2 nodes go back"},
    )

    page = world.written[report.write(request, NOW, world).html]

    assert "<td>i-1</td><td>idle</td><td>canary</td>" in page
    assert "verdict: <b>bad</b><br>reason: <b>alarm &lt;p99&gt; rings</b>" in page
    assert "<h2>Rollback</h2><p>2 nodes go back</p><ul><li>terminated i-7, which nobody needed</li></ul>" in page
    assert "<td>i-2</td><td>replaced</td><td></td>" in page
    assert "<td>i-3</td><td>failed</td><td>1 pods left</td>" in page
