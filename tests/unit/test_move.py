"""A managed node group that moves into a new one, as a plan: its name, what it is made of, and what forbids it.

Covered: names, also where they are taken; a move that an earlier run has begun; custom images, unknown fields, capacity
blocks, load balancers, names that are too long or somebody else's; a third node group; the plan's words; what EKS is
asked for, and which tags follow.
"""

from dataclasses import replace
from typing import Any

import pytest

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.move import Move, MovePlan, home_tags, likeness_of, plan_move, request_of
from gpuops.domain.rotation.nodegroup import Nodegroup
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.plan import Decision, decide_rotation
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.stage import next_stage
from gpuops.domain.rotation.target import Target
from tests.fakes.moving import FIRST, LIKE, half_moved, home, there, two
from tests.fakes.nodegroups import OWN
from tests.fakes.rotation import NEW, NOW, OLD, TARGET, run

NG = "ng-20261101"


def policy(**more: Any) -> GroupPolicy:
    """The policy of the group."""
    given = {"cluster": "train", "group": "gpu", "mode": "apply", "nodegroup": "ng", "strategy": "managed_blue_green"}
    return GroupPolicy.model_validate({**given, **more})


def decide(old: Nodegroup = FIRST, group: Group | None = None, target: Target = TARGET, **more: Any) -> Decision:
    """Plan for the old nodes."""
    group = group or two().group
    begun = len(group.homes) > 1 and group.launch["LaunchTemplate"]["LaunchTemplateId"].endswith(NEW)
    loads = [NodeLoad(instance=i.id, zone=i.zone) for i in group.staying if i.ami == OLD]
    situation = Situation(
        group=group,
        policy=policy(),
        target=target,
        template_amis=frozenset({NEW if begun else OLD}),
        loads=loads,
        adds_startup_taint=False,
        seen=NOW,
        nodegroup=old,
        move=plan_move(group, "ng", target.release, begun=begun),
        **more,
    )
    return decide_rotation(situation, NOW)


def test_the_plan_says_what_is_made_what_is_deleted_and_when() -> None:
    """Before anything is changed; nodes go one by one, as with a surge."""
    decision = decide(replace(FIRST, startup_taint=False, tags={"terraform": "true"}))

    assert (decision.status, decision.strategy, decision.surge) == ("roll", "managed_blue_green", 1)
    assert decision.move == MovePlan(old="ng", nodegroup=NG)
    assert decision.managed is None
    assert [node.decrement for node in decision.nodes] == [True, False, True]
    told = "\n".join(decision.changes)
    assert f"new node group {NG}, with the labels, taints, subnets, types and settings of ng" in told
    assert "node group ng is deleted in the end, once every node has moved" in told
    assert "minimum size of ng to 0, while it rolls" in told
    assert "desired capacity 3 to 4, while it rolls" in told
    assert f"{NG} registers the startup taint" in told
    assert f"Terraform made ng: it has to be told of {NG}" in told
    assert "launch template" not in told


@pytest.mark.parametrize(
    ("release", "used", "name"),
    [
        ("1.36.3-20261101", ("ng",), "ng-20261101"),
        ("1.37.0-20261101", ("ng-20261101",), "ng-1-37-0-20261101"),
        ("1.36.0-8f2d3a1b", ("ng-20261101",), "ng-8f2d3a1b"),
    ],
)
def test_a_new_node_group_is_named_after_the_policys_and_the_release(
    release: str, used: tuple[str, ...], name: str
) -> None:
    """Another Kubernetes minor may have a release of the same day."""
    group = Group(name="gpu", max=1, desired=1, instances=(), homes=tuple(home(each, OLD, 1) for each in used))

    assert plan_move(group, "ng", release, begun=False) == MovePlan(old=used[-1], nodegroup=name)


def test_a_move_that_was_begun_goes_on_where_it_stands() -> None:
    """Same release, same node group; the empty shell of a move before it is no obstacle."""
    groups = half_moved()
    groups.homes.insert(0, home("ng-0", OLD, 0))

    decision = decide(group=groups.group)

    assert decision.move == MovePlan(old="ng", nodegroup=NG, exists=True)
    assert len(decision.nodes) == 2
    assert decision.changes[0].startswith(f"goes on with node group {NG}")


@pytest.mark.parametrize(
    ("old", "reason"),
    [
        (replace(FIRST, ami_type="CUSTOM", template=OWN), "has a custom image: only `strategy: managed`"),
        (replace(FIRST, uncopied=("warmPoolConfig",)), "of node group ng cannot be copied: warmPoolConfig"),
        (replace(FIRST, likeness={**LIKE, "capacityType": "CAPACITY_BLOCK"}), "fills a capacity block"),
        (replace(FIRST, ami_type="AL2023_ARM_64_NVIDIA"), "is of type AL2023_ARM_64_NVIDIA"),
        (replace(FIRST, groups=("eks-other-1",)), "has the Auto Scaling group eks-other-1, not gpu"),
    ],
)
def test_what_cannot_be_copied_is_rejected(old: Nodegroup, reason: str) -> None:
    """Whole, or not at all."""
    decision = decide(old)

    assert (decision.status, reason in decision.reason) == ("reject", True), decision.reason


def test_what_hangs_on_the_auto_scaling_group_is_rejected() -> None:
    """A load balancer would lose its nodes."""
    group = two().group
    attached = replace(group, homes=(home("ng", OLD, 3, attached=("TargetGroupARNs",)),))

    assert decide(group=attached).reason == "of node group ng cannot be copied: TargetGroupARNs"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tags": {}}, f"there is a node group {NG} already, and it is not ours"),
        ({"release": "1.36.9-20261101"}, f"node group {NG} runs 1.36.9-20261101, not {TARGET.release}"),
        ({}, None),
    ],
)
def test_a_node_group_of_that_name_must_be_ours_and_of_the_release(changes: dict[str, Any], reason: str | None) -> None:
    """An earlier run may have died between its making and its first node."""
    ours = {"name": NG, "release": TARGET.release, "tags": {"gpuops:group": "gpu"}}

    decision = decide(namesake=replace(FIRST, **{**ours, **changes}))

    assert decision.status == ("reject" if reason else "roll")
    assert (reason or "") in decision.reason


def test_nodes_in_a_third_node_group_have_to_be_moved_first() -> None:
    """A newer release came out while a move was half done."""
    groups = half_moved()
    newer = Target(ami="ami-0cc0cc0cc0cc0cc03", release="1.36.4-20261120")
    groups.homes[1] = groups.homes[1].model_copy(update={"launch": {"LaunchTemplate": {"LaunchTemplateId": "lt-x"}}})

    decision = decide(group=groups.group, target=newer)

    assert (decision.status, decision.reason) == (
        "reject",
        "it has nodes in ng, too: finish that move first, by an order that names its release",
    )


def test_a_name_that_is_too_long_is_rejected() -> None:
    """EKS would refuse it only once the locks are taken."""
    group = two().group
    situation = plan_move(group, "n" * 60, TARGET.release, begun=False)

    assert (
        "is too long"
        in decide_rotation(
            Situation(
                group=group,
                policy=policy(),
                target=TARGET,
                template_amis=frozenset({OLD}),
                loads=[NodeLoad(instance="i-1", zone="a")],
                adds_startup_taint=False,
                seen=NOW,
                nodegroup=FIRST,
                move=situation,
            ),
            NOW,
        ).reason
    )


def test_what_eks_describes_is_sorted_into_what_it_takes_and_what_nobody_knows() -> None:
    """A key that is newer than this code must not be lost."""
    raw = {
        **LIKE,
        "nodegroupName": "ng",
        "health": {"issues": []},
        "diskSize": None,
        "warmPoolConfig": {"enabled": False},
        "futureConfig": {"x": 1},
        "launchTemplate": {"id": "lt-1", "name": "mine", "version": "3"},
        "tags": {"cost": "ml", "aws:cloudformation:stack-name": "s"},
    }

    like, unknown = likeness_of(raw)

    assert unknown == ("futureConfig",)
    assert like == {**LIKE, "launchTemplate": {"id": "lt-1", "version": "3"}, "tags": {"cost": "ml"}}


def test_the_new_one_is_asked_for_empty_tagged_and_closed() -> None:
    """Nobody's instance may come before it may be changed, nor take work before it is admitted."""
    move = Move(old=home("ng", OLD, 3), nodegroup=NG, min=1, max=4)

    asked = request_of(replace(FIRST, startup_taint=False), move, "gpu", "train", TARGET.release)

    assert asked["scalingConfig"] == {"minSize": 0, "maxSize": 4, "desiredSize": 0}
    assert (asked["version"], asked["releaseVersion"]) == ("1.36", TARGET.release)
    newer = move.model_copy(update={"version": "1.37"})
    assert request_of(FIRST, newer, "gpu", "train", "1.50.0-8f2d3a1b")["version"] == "1.37"
    assert asked["tags"] == {"cost": "ml", "gpuops:cluster": "train", "gpuops:group": "gpu"}
    assert [taint["value"] for taint in asked["taints"]] == ["true", "pending"]
    assert asked["labels"] == LIKE["labels"]
    assert request_of(FIRST, move, "gpu", "train", TARGET.release)["taints"] == LIKE["taints"]
    assert home_tags(move, "gpu", "train") == {"owner": "ml", "gpuops:cluster": "train", "gpuops:group": "gpu"}


def test_newcomers_are_told_apart_by_where_they_stand_and_by_when_they_came() -> None:
    """Of an earlier run's nodes none is claimed; on the way back none that never went."""
    groups = half_moved()
    move = Move(
        old=groups.homes[0],
        nodegroup=NG,
        min=1,
        max=4,
        into="eks-ng-20261101-1",
        settled=frozenset({there(9, groups.homes[1], NEW).id}),
        base=1,
    )
    undo = Undo(
        run=run(), at=NOW, target=TARGET, surge=1, max=4, desired=3, launch={}, suspended=frozenset(),
        protects_new=False, moved=(), strategy="managed_blue_green", move=move, grown=frozenset({"i-x"}),
    )  # fmt: skip
    first, _, earlier = groups.instances
    fresh = there(10, groups.homes[1], NEW)
    assert [undo.is_new(i) for i in (first, earlier, fresh)] == [False, False, True]
    assert [undo.is_ours(i) for i in (first, earlier, fresh)] == [False, False, True]
    assert {i.id for i in undo.olds(groups.group)} == {first.id, groups.instances[1].id}
    assert (undo.receiver, undo.receiver_size) == ("eks-ng-20261101-1", 3)

    groups.instances.append(fresh)
    back = next_stage(undo, groups.group, "back", surge=1, order=(fresh.id,))
    returned = there(11, groups.homes[0], OLD)

    assert (back.receiver, back.receiver_size) == ("eks-ng-1", 3)
    assert [back.is_new(i) for i in (first, fresh, returned)] == [False, False, True]
    assert [back.is_ours(i) for i in (first, earlier, fresh, returned)] == [False, False, True, True]
    assert [i.id for i in back.olds(groups.group)] == [fresh.id]
