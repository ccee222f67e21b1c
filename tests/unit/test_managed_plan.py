"""The plan of a managed node group: what can never be, what waits, and what is said before EKS begins.

Covered: groups of EKS's without a name in the policy; the wrong Auto Scaling group, type, release; custom images; a
node group that is busy; what EKS is asked, with and without a custom image; the plan's words; the policy's own checks.
"""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from gpuops.domain.drivers.releases import Release
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.facts import NO_FACTS, Facts
from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.nodegroup import ManagedPlan, Nodegroup, update_request
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.plan import Decision, decide_rotation
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.target import Target
from tests.fakes.nodegroups import MANAGED, OWN
from tests.fakes.rotation import NEW, NOW, OLD, TARGET, group, instance

OLD_ONES = tuple(instance(number) for number in range(2))
TAGS = {"eks:nodegroup-name": "ng"}
CUSTOM = replace(MANAGED, ami_type="CUSTOM", release=OLD, template=OWN)


def policy(**more: Any) -> GroupPolicy:
    """The policy of the managed group."""
    given = {"cluster": "train", "group": "gpu", "mode": "apply", "nodegroup": "ng", "strategy": "managed", **more}
    return GroupPolicy.model_validate(given)


def decide(
    nodegroup: Nodegroup | None = MANAGED, target: Target = TARGET, *, facts: Facts = NO_FACTS, **more: Any
) -> Decision:
    """Plan for two old nodes."""
    situation = Situation(
        group=group(OLD_ONES, tags=TAGS),
        policy=policy(**more) if nodegroup else GroupPolicy(cluster="train", group="gpu", mode="apply"),
        target=target,
        template_amis=frozenset({OLD}),
        loads=[NodeLoad(instance=old.id, zone=old.zone) for old in OLD_ONES],
        adds_startup_taint=False,
        seen=NOW,
        nodegroup=nodegroup,
        facts=facts,
    )
    return decide_rotation(situation, NOW)


def test_the_plan_says_beforehand_what_nobody_can_take_back() -> None:
    """Where it leads, that it cannot be stopped, and how one would go back."""
    decision = decide()

    assert (decision.status, decision.surge, decision.managed) == ("roll", 0, ManagedPlan(nodegroup="ng"))
    assert {node.instance for node in decision.nodes} == {old.id for old in OLD_ONES}
    assert not any(node.decrement for node in decision.nodes)
    told = "\n".join(decision.changes)
    assert "cannot be paused, cancelled or undone" in told
    assert "a new node group pinned to release 1.36.2-20261001" in told
    assert "DEFAULT: EKS adds nodes first" in told
    assert "then gives the update up" in told


def test_a_strategy_of_the_policys_is_set_for_the_roll_alone() -> None:
    """Only where the node group says something else."""
    decision = decide(update_strategy="MINIMAL")

    assert decision.managed == ManagedPlan(nodegroup="ng", strategy="MINIMAL")
    assert "updateStrategy DEFAULT to MINIMAL, while it rolls" in decision.changes
    assert any(change.startswith("MINIMAL: EKS terminates") for change in decision.changes)
    assert decide(replace(MANAGED, strategy="MINIMAL"), update_strategy="MINIMAL").managed == ManagedPlan(
        nodegroup="ng"
    )


def test_force_and_a_missing_startup_taint_are_said() -> None:
    """Both cost somebody something."""
    told = "\n".join(decide(replace(MANAGED, startup_taint=False), drain={"on_deadline": "force"}).changes)

    assert "then deletes them" in told
    assert "registers no startup taint" in told


@pytest.mark.parametrize(
    ("nodegroup", "release", "reason"),
    [
        (None, TARGET.release, "gpu is EKS's, of node group ng: name it under `nodegroup`, with `strategy: managed`"),
        (replace(MANAGED, groups=("eks-ng-1",)), TARGET.release, "node group ng has the Auto Scaling group eks-ng-1"),
        (replace(MANAGED, ami_type="AL2023_ARM_64_NVIDIA"), TARGET.release, "is of type AL2023_ARM_64_NVIDIA"),
        (replace(MANAGED, ami_type="AL2023_x86_64_STANDARD"), TARGET.release, "is of type AL2023_x86_64_STANDARD"),
        (MANAGED, "my-image-7", "EKS updates to a release version, and 'my-image-7' is none"),
        (replace(CUSTOM, template=None), TARGET.release, "has a custom image and no launch template"),
    ],
)
def test_what_can_never_be_is_rejected(nodegroup: Nodegroup | None, release: str, reason: str) -> None:
    """EKS would refuse it too, but only after the locks were taken and Jobs were waited for."""
    decision = decide(nodegroup, Target(ami=NEW, release=release))

    assert decision.status == "reject"
    assert reason in decision.reason


def test_a_custom_image_needs_no_release() -> None:
    """Its launch template says everything."""
    decision = decide(CUSTOM, Target(ami=NEW, release="my-image-7"))

    assert decision.status == "roll"
    assert f"new version of launch template {OWN.id} with my-image-7 ({NEW})" in decision.changes


def test_a_busy_or_sick_node_group_holds() -> None:
    """EKS does one thing at a time; what it finds wrong is repeated."""
    updating = replace(MANAGED, status="UPDATING")
    sick = replace(MANAGED, status="DEGRADED", issues=("AsgInstanceLaunchFailures: none left",))

    assert (decide(updating).status, decide(updating).reason) == ("hold", "node group ng is UPDATING")
    assert decide(sick).reason == "node group ng is DEGRADED: AsgInstanceLaunchFailures: none left"


def test_version_and_release_go_together_and_a_custom_image_takes_neither() -> None:
    """One alone would let EKS choose the other."""
    template = Template(id=OWN.id, version="4")

    assert update_request(MANAGED, "1.37.0-20261101", template, "1.37", force=False) == {
        "Version": "1.37",
        "ReleaseVersion": "1.37.0-20261101",
        "Force": False,
    }
    assert update_request(CUSTOM, "my-image-7", template, None, force=True) == {
        "LaunchTemplate": {"Id": OWN.id, "Version": "4"},
        "Force": True,
    }


@pytest.mark.parametrize(("minor", "version"), [("1.37", "1.37"), (None, "1.36")])
def test_the_number_of_a_bottlerocket_release_is_no_kubernetes_version(minor: str | None, version: str) -> None:
    """Its image's name tells the minor; where it does not, the node group keeps its own."""
    bottlerocket = replace(MANAGED, ami_type="BOTTLEROCKET_x86_64_NVIDIA", version="1.36")
    facts = Facts(release=Release(minor))
    target, ami = Target(ami=NEW, release="1.50.0-8f2d3a1b"), {"family": "bottlerocket"}

    planned = decide(bottlerocket, target, facts=facts, ami=ami).managed

    assert planned == ManagedPlan(nodegroup="ng", version=minor)
    asked = update_request(bottlerocket, target.release, OWN, planned.version, force=False)
    assert asked == {"Version": version, "ReleaseVersion": "1.50.0-8f2d3a1b", "Force": False}


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodegroup": "ng", "strategy": "surge"},
        {"nodegroup": None, "strategy": "managed"},
        {"nodegroup": None, "strategy": "surge", "update_strategy": "MINIMAL"},
        {"nodegroup": None, "strategy": "managed_blue_green"},
        {"strategy": "managed_blue_green", "update_strategy": "MINIMAL"},
    ],
)
def test_the_policy_refuses_what_would_do_nothing(wrong: dict[str, Any]) -> None:
    """A key without the one that gives it a meaning."""
    with pytest.raises(ValidationError):
        policy(**wrong)
