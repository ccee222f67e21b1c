"""Putting a group back, and the launch specification it names: the decisions that the stories do not reach.

Covered: mixed-instances policies with templates and images per type; what others changed meanwhile; a maximum that
cannot return yet; a half-made change; an autoscaler's nodes; who is dead.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.change import Moved, Undo
from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.launch import override_amis, retarget, templates_of
from gpuops.domain.rotation.lock import Execution, is_dead
from gpuops.domain.rotation.opening import open_goals, originals
from gpuops.domain.rotation.restore import arriving, plan_restore
from gpuops.domain.rotation.shrink import owed_nodes, plan_shrink
from gpuops.domain.rotation.stage import next_stage, unreturned
from tests.fakes.rotation import LT, NEW, NOW, OLD, TARGET, group, instance, run

ARM = "lt-0fedcba9876543210"
MIXED: dict[str, Any] = {
    "MixedInstancesPolicy": {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": LT, "Version": "$Default"},
            "Overrides": [
                {"InstanceType": "g4dn.xlarge", "ImageId": OLD},
                {
                    "InstanceType": "g5g.xlarge",
                    "LaunchTemplateSpecification": {"LaunchTemplateId": ARM, "Version": "3"},
                },
            ],
        },
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 50},
    }
}
X86 = Moved(
    source=Template(id=LT, version="$Default"), resolved=Template(id=LT, version="1"), new=Template(id=LT, version="2")
)
ARM64 = Moved(
    source=Template(id=ARM, version="3"), resolved=Template(id=ARM, version="3"), new=Template(id=ARM, version="4")
)
PLAIN = X86.model_copy(update={"source": Template(id=LT, version="1")})
OLD_ONES = [instance(number) for number in range(3)]


def undo_of(before: Any, *moved: Moved, surge: int = 1) -> Undo:
    """The originals of a group, with these templates moved."""
    return originals(before, run(), target=TARGET, surge=surge, moved=moved or (PLAIN,), now=NOW)


def opened(before: Any, undo: Undo) -> Any:
    """The group while its change is open."""
    size = undo.desired + undo.surge
    return replace(before, launch=undo.opened_launch, desired=size, max=max(size, before.max), protects_new=True)


def test_every_template_and_image_of_a_mixed_policy_moves() -> None:
    """Otherwise the group keeps launching the old image for some types; the rest stays as it was."""
    moved = retarget(MIXED, {m.source: m.new for m in (X86, ARM64) if m.new}, NEW)

    assert templates_of(moved) == (Template(id=LT, version="2"), Template(id=ARM, version="4"))
    assert override_amis(moved) == (NEW,)
    assert moved["MixedInstancesPolicy"]["InstancesDistribution"] == {"OnDemandPercentageAboveBaseCapacity": 50}
    assert override_amis(MIXED) == (OLD,), "the original is untouched"


def test_a_failed_mixed_change_gets_its_own_images_back() -> None:
    """To the letter, `$Default` included: our version never became the default."""
    before = group(OLD_ONES, launch=MIXED)
    undo = undo_of(before, X86, ARM64)

    restore = plan_restore(opened(before, undo), undo, {LT: 2, ARM: 4})

    assert restore.update.launch == MIXED


def test_a_rolled_default_says_which_version_to_commit() -> None:
    """`$Default` is others' too, so it is not moved; the report names what the owner must write down."""
    before = group(OLD_ONES, version="$Default")
    undo = undo_of(before, X86)
    done = replace(opened(before, undo), instances=(instance(9, NEW, version="2"),))

    restore = plan_restore(done, undo, {LT: 2})

    assert restore.left[0] == f"launch template {LT}: the group now names version 2 (was $Default)"


def test_a_launch_configuration_is_refused() -> None:
    """There is no version to make."""
    with pytest.raises(Invalid, match="launch configuration"):
        templates_of({})


def test_what_somebody_else_set_meanwhile_stays() -> None:
    """Neither their launch template nor their maximum is overwritten; both are told or left."""
    before = group(OLD_ONES)
    undo = undo_of(before)
    launch = {"LaunchTemplate": {"LaunchTemplateId": LT, "Version": "9"}}

    restore = plan_restore(replace(opened(before, undo), launch=launch, max=40), undo, {LT: 9})

    assert (restore.update.launch, restore.update.max) == (None, None)
    assert restore.left == ("launch template: somebody else changed it meanwhile, so it stays",)


def test_the_maximum_waits_until_the_size_fits() -> None:
    """An update below the desired capacity would be refused, and would cut nodes if it were not."""
    before = group(OLD_ONES)
    undo = undo_of(before)

    restore = plan_restore(opened(before, undo), undo, {LT: 2})

    assert restore.update.max is None
    assert "maximum size 4: the group has 4 nodes, above 3" in restore.left


def test_a_change_that_died_before_its_update_names_the_old_number() -> None:
    """The new version exists, so `$Latest` means it already: the group must not follow."""
    before = group(OLD_ONES, version="$Latest")
    undo = undo_of(before, PLAIN.model_copy(update={"source": Template(id=LT, version="$Latest")}))

    restore = plan_restore(before, undo, {LT: 2})

    assert restore.update.launch == {"LaunchTemplate": {"LaunchTemplateId": LT, "Version": "1"}}


def test_a_newcomer_on_its_way_in_keeps_its_protection_for_now() -> None:
    """SetInstanceProtection refuses instances that are not in service, and would fail the whole clean-up."""
    before = group(OLD_ONES)
    undo = undo_of(before)
    newcomers = (
        instance(8, NEW, version="2", protected=True),
        instance(9, NEW, version="2", protected=True, lifecycle="Pending:Wait"),
    )
    now = replace(opened(before, undo), instances=(*OLD_ONES, *newcomers))

    assert plan_restore(now, undo, {LT: 2}).unprotect == (instance(8).id,)
    assert arriving(now, undo) == (instance(9).id,)
    assert arriving(now, undo.model_copy(update={"protects_new": True})) == ()


def test_what_was_suspended_or_protected_before_stays_so() -> None:
    """Only our own suspensions are resumed."""
    before = group(OLD_ONES, suspended=frozenset({"AZRebalance"}), protects_new=True)
    undo = undo_of(before)
    now = replace(opened(before, undo), suspended=frozenset({"AZRebalance", "AlarmNotification", "ScheduledActions"}))

    restore = plan_restore(now, undo, {LT: 2})

    assert restore.resume == ("AlarmNotification", "ScheduledActions")
    assert (restore.update.protects_new, restore.unprotect) == (None, ())


def test_an_autoscalers_nodes_stay() -> None:
    """It grew the group by two in the middle; only our own node is owed."""
    before = group(OLD_ONES)
    undo = undo_of(before)
    grown = replace(opened(before, undo), desired=6, max=9)

    assert owed_nodes(grown, undo) == 1
    assert open_goals(grown, undo).desired is None


def test_nodes_that_were_never_admitted_go_before_idle_ones() -> None:
    """And busy ones do not go at all."""
    before = group(OLD_ONES)
    undo = undo_of(before, surge=3)
    new = [instance(number, NEW, version="2") for number in (10, 11, 12)]
    grown = replace(opened(before, undo), instances=(*OLD_ONES, *new))

    shrink = plan_shrink(grown, undo, {new[0].id: "idle", new[1].id: "starting", new[2].id: "busy"})

    assert (shrink.terminate, shrink.left, shrink.desired) == ((new[1].id, new[0].id), 1, None)


@pytest.mark.parametrize(
    ("running", "ended", "dead"), [(True, None, False), (False, 899, False), (False, 900, True), (False, None, True)]
)
def test_an_owner_is_dead_when_nothing_of_it_can_act(running: bool, ended: int | None, dead: bool) -> None:  # noqa: FBT001
    """Its last function may outlive it by as much as Lambda allows; an unknown one is counted from its lock."""
    end = NOW - timedelta(seconds=ended) if ended else None
    execution = Execution(running=running, ended=end)

    assert is_dead(NOW - timedelta(hours=1), execution, NOW) is dead


def test_a_node_that_was_noted_but_not_terminated_is_still_owed() -> None:
    """The note comes before the termination, which may fail: counted as given back, the surge would stay for ever."""
    before = group(OLD_ONES)
    undo = undo_of(before).model_copy(update={"decremented": frozenset({OLD_ONES[0].id})})
    leaving = (replace(OLD_ONES[0], lifecycle="Terminating"), *OLD_ONES[1:])

    assert owed_nodes(opened(before, undo), undo) == 1
    assert owed_nodes(replace(opened(before, undo), instances=leaving), undo) == 0
    assert owed_nodes(replace(opened(before, undo), instances=OLD_ONES[1:]), undo) == 0


def test_a_maximum_that_an_earlier_stage_raised_is_put_back() -> None:
    """Two canaries took the group to five; the stage after them asks for four, and leaves the maximum as it is."""
    before = group(OLD_ONES)
    undo = originals(
        before, run(), target=TARGET, surge=2, moved=(PLAIN,), now=NOW, candidates=tuple(i.id for i in OLD_ONES)
    )
    wide = next_stage(undo, before, "forward", surge=1, order=undo.order)

    assert (undo.size, wide.size) == (5, 4)
    assert plan_restore(replace(before, launch=wide.opened_launch, max=5), wide, {LT: 2}).update.max == 3


def test_nodes_that_could_not_go_back_do_not_make_the_release_the_groups_own() -> None:
    """All of them run the target, yet the group is to launch what it launched before."""
    before = group(OLD_ONES)
    undo = undo_of(before, PLAIN.model_copy(update={"back": Template(id=LT, version="3")}))
    moved = replace(before, instances=tuple(instance(n, NEW, version="2") for n in range(3)))
    back = next_stage(undo, moved, "back", surge=1, order=tuple(i.id for i in moved.instances))

    restore = plan_restore(replace(moved, launch=back.opened_launch), back, {LT: 3})

    assert restore.update.launch == before.launch
    assert unreturned(moved, back) == f"3 nodes still run {TARGET.release}: {', '.join(back.order)}"
    assert unreturned(moved, undo) is None
