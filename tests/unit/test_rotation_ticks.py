"""What the schedule wakes, and the report: detect_release, list_leftovers, write_report.

Covered: news once, hold, known and current releases, releases that are taken back or go backwards, one bad group among
good ones; dead and living owners, lost
admissions, faults that hide nothing; a report whose every name is hostile, of a run that never had a plan.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import escape
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.store import Store
from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.rotation.image import Image
from gpuops.domain.rotation.lock import Execution
from gpuops.domain.rotation.opening import originals
from gpuops.domain.rotation.release import Condemned
from gpuops.domain.rotation.report import report_key
from gpuops.domain.rotation.target import Target
from rehearsal.region.inputs import input_of
from tests.fakes.apps import load_app
from tests.fakes.rotation import ARN, NEW, NOW, OLD, POLICY, TARGET, Cluster, Groups, group, image, instance, node, run
from tests.fakes.stack import template
from tests.fakes.world import World, table

DETECT, LEFT, REPORT = load_app("detect_release"), load_app("list_leftovers"), load_app("write_report")
LONG_AGO = NOW - timedelta(hours=2)


@pytest.fixture
def world() -> Iterator[World]:
    """Two old nodes that have been up for long."""
    old = [instance(number, launched=LONG_AGO) for number in range(2)]
    with mock_aws():
        yield World(groups=Groups(group(old)), store=Store(table()), connected=Cluster([node(i) for i in old]))


def test_a_release_is_told_once_a_day(world: World) -> None:
    """The second tick finds it told."""
    first, second = DETECT.detect(NOW, world), DETECT.detect(NOW + timedelta(hours=1), world)

    assert (len(first.detected), len(second.detected)) == (1, 0)
    assert world.told == [
        {
            "cluster": "train",
            "group": "gpu",
            "ami": NEW,
            "release": "1.36.3-20261101",
            "old_amis": [OLD],
        }
    ]


def told_at(world: World, *hours: float) -> list[bool]:
    """Which of these ticks tell the group something."""
    return [bool(DETECT.detect(NOW + timedelta(hours=hour), world).detected) for hour in hours]


def test_a_release_that_was_not_reached_is_told_again_a_day_later(world: World) -> None:
    """Its run was held by a gate, or failed: the world may be another by now, and nobody else would ask."""
    assert told_at(world, 0, 23, 24, 25, 48) == [True, False, True, False, True]


def test_a_group_that_another_run_holds_is_told_when_it_is_free(world: World) -> None:
    """That run may lead there; a second one would be refused."""
    world.store.take("rotation", run(), NOW)
    held = told_at(world, 0, 24)
    world.store.release("rotation", run())

    assert (held, told_at(world, 25)) == ([False, False], [True])


def test_a_release_that_proved_to_be_bad_is_told_no_more(world: World) -> None:
    """Rolled and rolled back each day it would cost a node a day; in another group it may still be news."""
    world.releases.condemn("gpu", Condemned(target=TARGET, at=NOW, run="run-1", why="alarm p99 rings"))
    silent = told_at(world, 0, 24)
    world.releases.condemn("other", Condemned(target=TARGET, at=NOW, run="run-1", why="alarm p99 rings"))

    assert (silent, world.releases.pardon("gpu", NEW), told_at(world, 25)) == ([False, False], True, [True])


def test_a_change_of_mode_is_told_at_the_next_tick(world: World) -> None:
    """The operator read the plan and now wants the roll."""
    observing = replace(world, policy=POLICY.replace("mode: apply", "mode: observe"))

    assert (told_at(observing, 0, 1), told_at(world, 2, 3)) == ([True, False], [True, False])


def test_a_release_that_aws_takes_back_is_followed_back(world: World) -> None:
    """The one before was told long ago; the group runs the one that was taken back."""
    assert told_at(world, 0, 1) == [True, False]
    world.images.recommended = Target(ami=OLD, release="older")
    world.groups.group = group([instance(0, NEW)])

    assert told_at(world, 2, 3) == [True, False]
    world.images.recommended = TARGET
    world.groups.group = group([instance(0)])

    assert told_at(world, 4, 5) == [True, False]
    assert [told["ami"] for told in world.told] == [NEW, OLD, NEW]


def dated(world: World, old: int, new: int) -> World:
    """The same world, where both images are EKS's releases of these days; AWS recommends the second one."""
    world.images.known = {OLD: image(OLD, old), NEW: image(NEW, new)}
    world.images.recommended = Target(ami=NEW, release=f"1.33.0-{new}")
    return world


def marks(world: World, hours: float = 0) -> list[tuple[str, str]]:
    """What one tick marks: image and status."""
    return [(one.ami, one.status) for one in DETECT.detect(NOW + timedelta(hours=hours), world).changed]


def test_a_release_that_is_taken_back_before_its_hold_is_over_is_never_told(world: World) -> None:
    """AWS recommends the one before again; when it comes back after all, its hold begins anew."""
    held = dated(replace(world, policy=POLICY.replace("mode: apply", "mode: apply, hold_days: 2")), 20260714, 20261120)
    new, old = held.images.recommended, Target(ami=OLD, release="1.33.0-20260714")
    assert marks(held) == []

    held.images.recommended = old
    assert marks(held, 24) == [(NEW, "withdrawn")]
    assert (marks(held, 25), told_at(held, 73)) == ([], [False])
    seen, _ = held.releases.of("gpu")
    assert [(r.target, r.why) for r in seen if r.status == "withdrawn"] == [
        (new, "1.33.0-20260714 is recommended again")
    ]

    held.images.recommended = new
    assert marks(held, 96) == [(NEW, "seen")]
    assert told_at(held, 97, 143, 144) == [False, False, True]


def test_a_group_is_not_taken_back_to_an_older_driver(world: World) -> None:
    """The newest release has 570.172.08, the group runs 575.57.08: marked, and told only to who allows it."""
    backwards = dated(world, 20250715, 20250807)

    assert marks(backwards) == [(NEW, "older")]
    assert told_at(backwards, 24) == [False]
    allowed = replace(backwards, policy=POLICY.replace("mode: apply", "mode: apply, allow_downgrade: true"))
    assert told_at(allowed, 25) == [True]


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({}, "its AMI is gone"),
        ({NEW: image(NEW, 20261120, state="disabled")}, "its AMI is disabled"),
        ({NEW: image(NEW, 20261120, deprecated=NOW)}, "its AMI is deprecated since 2026-11-23T10:00:00+00:00"),
    ],
)
def test_a_run_at_work_on_a_withdrawn_release_starts_no_further_node(
    world: World, now: dict[str, Image], why: str
) -> None:
    """Its originals say so, and the next claim reads them; the first reason stays."""
    dated(world, 20260714, 20261120)
    DETECT.detect(NOW, world)
    world.store.write_undo(originals(group([instance(0)]), run(), target=TARGET, surge=1, moved=(), now=NOW))
    world.images.known = {OLD: image(OLD, 20260714), **now}
    world.images.recommended = Target(ami=OLD, release="1.33.0-20260714")

    assert marks(world, 1) == [(NEW, "withdrawn")]
    assert marks(world, 2) == []

    undo = world.store.undo("gpu")
    assert undo is not None
    assert undo.stopped == f"1.36.3-20261101 was withdrawn meanwhile: {why}"


def test_a_pin_does_not_bring_a_withdrawn_release_back(world: World) -> None:
    """Only who publishes it does, by recommending it again."""
    dated(world, 20260714, 20261120)
    DETECT.detect(NOW, world)
    world.images.recommended = Target(ami=OLD, release="1.33.0-20260714")
    DETECT.detect(NOW + timedelta(hours=1), world)
    world.images.recommended = Target(ami=NEW, release="tested")
    pin = f"mode: apply, ami: {{channel: pinned, id: {NEW}, release: tested}}"

    pinned = replace(world, policy=POLICY.replace("mode: apply", pin))

    assert (marks(pinned, 2), told_at(pinned, 30)) == ([], [False])


BUILDER = "arn:aws:imagebuilder:us-east-1:123456789012"
FOLLOWS = f"mode: apply, ami: {{channel: image_pipeline, pipeline: '{BUILDER}:image-pipeline/golden'}}"


def test_a_pipelines_image_wakes_the_groups_that_follow_it_and_no_other(world: World) -> None:
    """A group of another channel has its own hour; an image that was built without a pipeline is nobody's."""
    image, other, stray = (f"{BUILDER}:image/{name}/1.0.1/1" for name in ("golden", "other", "stray"))
    world.builds = {image: f"{BUILDER}:image-pipeline/golden", other: f"{BUILDER}:image-pipeline/other"}
    both = POLICY.replace("mode: apply", FOLLOWS) + "- {cluster: train, group: gone}\n"
    following = replace(world, policy=both)

    assert [DETECT.detect(NOW, following, built).detected for built in (other, stray)] == [(), ()]
    assert [one.group for one in DETECT.detect(NOW, following, image).detected] == ["gpu"]


def test_a_held_release_is_told_when_its_hold_ends(world: World) -> None:
    """The first tick only remembers when it was seen."""
    held = replace(world, policy=POLICY.replace("mode: apply", "hold_days: 2"))

    ticks = [len(DETECT.detect(NOW + timedelta(days=days), held).detected) for days in (0, 1, 2, 2.5)]

    assert ticks == [0, 0, 1, 0]


def test_a_group_that_runs_the_release_hears_nothing(world: World) -> None:
    """Instances and launch template both."""
    world.groups.group = group([instance(0, NEW)])
    world.templates.versions[0]["ImageId"] = NEW

    assert DETECT.detect(NOW, world).detected == ()


def test_one_bad_group_keeps_no_other_from_its_news(world: World) -> None:
    """Every such group is named after the others were served."""
    more = "groups:\n- {cluster: train, group: gone}\n- {cluster: train, group: lost}\n"

    with pytest.raises(Invalid, match=r"'gone' does not exist.*; .*'lost' does not exist"):
        DETECT.detect(NOW, replace(world, policy=POLICY.replace("groups:\n", more)))

    assert [told["group"] for told in world.told] == ["gpu"]


def test_a_dead_run_is_closed_and_a_living_one_is_not(world: World) -> None:
    """Dead means: not running, and ended longer ago than any function can act."""
    world.store.take("rotation", run(), NOW)
    world.running.add(ARN + "run-1")
    assert LEFT.list_leftovers(NOW, world).changes == ()

    world.running.clear()

    assert [change.run for change in LEFT.list_leftovers(NOW, world).changes] == [run()]


def test_a_group_that_is_free_leaves_the_list(world: World) -> None:
    """Its entry was only the trace of a run that closed at the same moment."""
    world.store.take("rotation", run(), NOW)
    world.store.release("rotation", run())

    LEFT.list_leftovers(NOW, world)

    assert world.store.open_groups() == []


def test_a_node_that_nobody_admits_is_found(world: World) -> None:
    """Only once no admission can still be running: 30 minutes of the policy and 20 of margin."""
    waiting = instance(7, launched=NOW - timedelta(minutes=50))
    world.groups.group = group([waiting])
    world.connected.all_nodes = [node(waiting, admitted=False)]

    early, late = LEFT.list_leftovers(NOW, world), LEFT.list_leftovers(NOW + timedelta(seconds=1), world)

    assert early.admissions == ()
    found = {"cluster": "train", "group": "gpu", "instance": waiting.id, "name": f"leftover-{waiting.id}-1"}
    assert [a.model_dump() for a in late.admissions] == [found]


def test_ticks_of_one_attempt_name_the_same_execution(world: World) -> None:
    """An attempt takes up to 30 minutes and 20 of margin; the one after it has a name of its own."""
    waiting = instance(7, launched=NOW)
    world.groups.group = group([waiting])
    world.connected.all_nodes = [node(waiting, admitted=False)]

    ticks = [LEFT.list_leftovers(NOW + timedelta(minutes=late), world).admissions for late in (51, 66, 99, 101)]

    assert [found[0].name[-1] for found in ticks] == ["1", "1", "1", "2"]


def suspend(world: World, name: str, since: timedelta) -> None:
    """Our breaker suspended the group's Launch so long ago."""
    failed = world.memory.count_failure("launch", name, NOW, "no GPU", of="i-1")
    world.memory.open_breaker(failed, NOW - since, "run-1", suspended=True)


def test_launches_are_resumed_after_the_groups_own_pause(world: World) -> None:
    """A group that the policy has lost meanwhile has the usual one: nobody else would resume it."""
    world.policy = POLICY.replace("mode: apply", "mode: apply, admission: {retry_minutes: 90}")
    for name in ("gpu", "lost"):
        suspend(world, name, timedelta(minutes=60))

    found = LEFT.list_leftovers(NOW, world)
    later = LEFT.list_leftovers(NOW + timedelta(minutes=30), world)

    assert [resumption.group for resumption in found.resumptions] == ["lost"]
    assert sorted(resumption.group for resumption in later.resumptions) == ["gpu", "lost"]
    assert "1 groups to launch again" in found.reason


def test_launches_are_resumed_at_once_when_an_operator_says_so(world: World) -> None:
    """By the next tick."""
    suspend(world, "gpu", timedelta(0))
    world.memory.close_breaker("launch", "gpu")

    assert [resumption.group for resumption in LEFT.list_leftovers(NOW, world).resumptions] == ["gpu"]


def test_how_many_groups_are_suspended_is_measured_at_each_tick(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm lasts as long as they are, and ends with them."""
    LEFT.list_leftovers(NOW, world)
    suspend(world, "gpu", timedelta(0))
    LEFT.list_leftovers(NOW, world)

    measured = [line for line in capsys.readouterr().out.splitlines() if "LaunchSuspended" in line]
    assert [line.partition('"LaunchSuspended":')[2][:5] for line in measured] == ["[0.0]", "[1.0]"]


class _Deaf(World):
    """Step Functions cannot tell of one execution."""

    def find(self, arn: str) -> Execution:
        if arn.endswith("run-1"):
            raise Unavailable("describe execution run-1: throttled")
        return super().find(arn)


def test_a_group_that_cannot_be_looked_at_hides_no_other(world: World) -> None:
    """Neither one of the table nor one of the policy: what the others need is listed, and the faults are told."""
    waiting = instance(7, launched=LONG_AGO)
    world.groups.group = group([waiting])
    world.connected.all_nodes = [node(waiting, admitted=False)]
    stale = POLICY.replace("groups:\n", "groups:\n- {cluster: train, group: gone}\n")
    world.store.take("lock", run(), NOW - timedelta(days=1))
    world.store.take("lock", run("run-2", group="other"), NOW - timedelta(days=1))

    found = LEFT.list_leftovers(NOW, _Deaf(**vars(replace(world, policy=stale))))

    assert [change.run.id for change in found.changes] == ["run-2"]
    assert [admission.instance for admission in found.admissions] == [waiting.id]
    assert [fault.name for fault in found.faults] == ["Unavailable", "Invalid"]
    assert all(fault.reason in found.reason for fault in found.faults)


def test_where_nothing_could_be_listed_every_fault_is_raised(world: World) -> None:
    """Safe to retry, if one of them is."""
    world.store.take("lock", run(), NOW - timedelta(days=1))
    gone = POLICY.replace("group: gpu", "group: gone")

    with pytest.raises(Unavailable, match=r"throttled; .*'gone' does not exist"):
        LEFT.list_leftovers(NOW, _Deaf(**vars(replace(world, policy=gone))))


def test_a_broken_policy_hides_no_open_change(world: World) -> None:
    """Originals are put back by the table alone; without any, the fault itself is raised."""
    broken = replace(world, policy="groups: 5\n")
    with pytest.raises(Invalid, match="`groups` must be a list"):
        LEFT.list_leftovers(NOW, broken)
    world.store.take("lock", run(), NOW)

    found = LEFT.list_leftovers(NOW, broken)

    assert len(found.changes) == 1
    assert "not looked at: fleet.yaml: line 1" in found.reason


HOSTILE = "<script>alert('&')</script>"


def _line(at: int, function_name: str, status: str, subject: str | None = None) -> dict[str, Any]:
    """A journal line as `entry` writes it."""
    when = (NOW + timedelta(seconds=at)).isoformat()
    return {"at": when, "function": function_name, "status": status, "subject": subject, "reason": HOSTILE}


def test_a_report_tells_the_steps_and_escapes_every_name(world: World) -> None:
    """Plan, steps with seconds, what was put back; nothing of what came from outside is markup."""
    for line in (_line(0, "drain_node", "draining", HOSTILE), _line(40, "drain_node", "drained", HOSTILE)):
        world.store.write_journal("run-1", line)
    nodes = [{"instance": HOSTILE, "decrement": True, "reason": HOSTILE}]
    plan = {"status": "roll", "reason": HOSTILE, "nodes": nodes, "changes": [HOSTILE], "target": {"ami": HOSTILE}}
    plan["sees"] = {"control_plane": "1.36", "driver": "580.1", "source": "observed", "needs": [HOSTILE]}
    request = REPORT.WriteReport(
        run=run(),
        plan=plan,
        approval={"status": "approved", "by": HOSTILE, "at": NOW.isoformat(), "reason": HOSTILE},
        nodes=[{"slot": HOSTILE, "instance": HOSTILE, "status": HOSTILE}],
        close={"restored": [HOSTILE], "left": []},
    )

    written = REPORT.write(request, NOW, world)

    page, data = world.written[written.html], json.loads(world.written[written.json_])
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 10
    assert f"needs: <b>{escape(HOSTILE)}</b>" in page
    assert "ami: <b>Kubernetes unknown under 1.36, driver 580.1, CUDA unknown (observed)</b>" in page
    assert f"approved by: <b>{escape(HOSTILE)} {NOW.isoformat()}" in page
    assert "<td>drain_node</td><td>2026-11-23 10:00:00</td><td>40</td><td>2</td><td>drained</td>" in page
    assert [line["status"] for line in data["lines"]] == ["draining", "drained"]
    assert written.model_dump(mode="json")["json"] == "reports/run-1.json"


def test_a_report_tells_which_instance_a_slot_replaced(world: World) -> None:
    """The slot of i-1 took i-2: waiting for it, its steps and the surge it gave back belong to i-2."""
    told = [
        _line(0, "claim_node", "waiting", "i-1"),
        {**_line(30, "claim_node", "claimed", "i-2"), "slot": "i-1"},
        _line(60, "drain_node", "drained", "i-2"),
        _line(90, "claim_node", "waiting", "i-2"),
    ]
    for line in told:
        world.store.write_journal("run-1", line)
    plan = {
        "status": "roll",
        "nodes": [{"instance": "i-2", "decrement": False}, {"instance": "i-1", "decrement": True}],
    }
    ended = [{"slot": "i-2", "status": "failed"}, {"slot": "i-1", "instance": "i-2", "status": "replaced"}]

    written = REPORT.write(REPORT.WriteReport(run=run(), plan=plan, nodes=ended), NOW, world)

    page, data = world.written[written.html], json.loads(world.written[written.json_])
    assert data["replaced"] == {"i-1": "i-2"}
    assert "<td>i-2</td><td></td><td>gives back the surge</td><td>replaced</td>" in page
    assert "<td>i-1</td><td></td><td></td><td></td>" in page
    claim = "<td>claim_node</td><td>2026-11-23 10:00:00</td><td>30</td><td>2</td><td>claimed</td>"
    assert claim in page.split("<h2>i-2</h2>")[1].split("<h2>")[0]
    assert "<h2>slot i-2</h2>" in page


def test_a_run_without_a_plan_has_a_report(world: World) -> None:
    """It failed on bad input: its name comes from the execution, its reason from the error."""
    execution = {"id": ARN + "x", "name": "x", "machine": "rotate_ami"}
    request = REPORT.WriteReport(execution=execution, error={"name": "Invalid", "reason": "no such group"})

    page = world.written[REPORT.write(request, NOW, world).html]

    assert "failed: Invalid" in page
    assert "no such group" in page


def test_reconcile_writes_a_report_only_where_the_run_left_none(world: World) -> None:
    """It knows neither plan nor nodes: what the run wrote by itself says more."""
    own = REPORT.write(REPORT.WriteReport(run=run(), error={"name": "Refused", "reason": "no capacity"}), NOW, world)

    REPORT.write(REPORT.WriteReport(run=run(), error={"name": "Aborted", "reason": "put back"}, keep=True), NOW, world)

    assert "no capacity" in world.written[own.html]
    assert "put back" not in world.written[own.html]


def test_whoever_was_stopped_has_a_report_beside_that_of_reconcile(world: World) -> None:
    """It says what was done until then, and neither overwrites the other; the event is the template's."""
    world.store.write_journal("gpuops-rotate-ami-1", _line(0, "drain_node", "draining", "i-1"))
    rule = template()["Resources"]["WriteReportFunction"]["Properties"]["Events"]["Stopped"]
    transformer = rule["Properties"]["InputTransformer"]
    arn = "arn:aws:states:us-east-1:123456789012:execution:gpuops-rotate-ami:gpuops-rotate-ami-1"
    detail = {"executionArn": arn, "stateMachineArn": "m", "name": "gpuops-rotate-ami-1", "status": "ABORTED"}
    sent = input_of({"InputTransformer": transformer}, {"time": NOW.isoformat(), "detail": detail})
    request = REPORT.WriteReport.model_validate({k: v for k, v in json.loads(sent).items() if k != "now"})

    stopped = REPORT.write(request, NOW, world)
    close = REPORT.write(REPORT.WriteReport(execution=request.execution, close={"restored": ["max"]}), NOW, world)

    assert (stopped.json_, close.json_) == (
        "reports/stopped/gpuops-rotate-ami-1.json",
        "reports/gpuops-rotate-ami-1.json",
    )
    data = json.loads(world.written[stopped.json_])
    assert (data["error"]["name"], data["lines"][0]["status"]) == ("ABORTED", "draining")
    assert "CloudTrail" in data["error"]["reason"]


def test_a_name_from_outside_never_leaves_the_folder() -> None:
    """Execution names are AWS's to check; the key is ours."""
    assert report_key("../../etc/x y") == "reports/______etc_x_y"
