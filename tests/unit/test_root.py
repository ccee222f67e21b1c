"""Whether EC2 would replace a group's root volumes, what a task's state means, and which image an instance gets."""

from dataclasses import replace
from typing import Any

import pytest

from gpuops.domain.rotation.gates import gate_floor, gate_root_volume
from gpuops.domain.rotation.group import Template, TemplateVersion
from gpuops.domain.rotation.root import RootTask, decide_swap, look_at_swap
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.strategy import Swap
from tests.fakes.rotation import LT, NEW, NOW, OLD, image, instance
from tests.unit.test_plan import SITUATION

IMAGES = {ami: image(ami, root_device="/dev/xvda", root_gib=size) for ami, size in ((OLD, 20), (NEW, 25))}
ONE = instance(1)


def version(size: int | None = None, device: str = "/dev/xvda") -> TemplateVersion:
    """A launch template of the old image, perhaps with a root volume of its own size."""
    mapping: dict[str, Any] = {"DeviceName": device, "Ebs": {"VolumeSize": size, "VolumeType": "gp3"}}
    data = {"ImageId": OLD, **({"BlockDeviceMappings": [mapping]} if size else {})}
    return TemplateVersion(Template(id=LT, version="1"), data, 1)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (None, None),
        (25, None),
        (26, f"EC2 lets no root volume shrink: {LT} version 1 has 26 GiB, {NEW} 25 GiB"),
    ],
)
def test_a_root_volume_may_not_shrink(size: int | None, why: str | None) -> None:
    """Not by a GiB; where the template says nothing, the image's own size counts."""
    assert look_at_swap("al2023", ["g4dn.xlarge"], [version(size)], IMAGES, NEW) == Swap(why, known=True)


def test_the_image_it_runs_may_be_the_larger_one() -> None:
    """A newer image with a smaller root volume is refused as well."""
    images = {**IMAGES, OLD: replace(IMAGES[OLD], root_gib=30)}

    found = look_at_swap("al2023", [], [version()], images, NEW)

    assert (found.known, found.why_not and "has 30 GiB" in found.why_not) == (True, True)


@pytest.mark.parametrize("gone", [OLD, NEW])
def test_what_ec2_does_not_say_is_not_known(gone: str) -> None:
    """Nothing speaks against it, and nothing for it; the size of another volume is not the root's."""
    images = {**IMAGES, gone: replace(IMAGES[gone], root_gib=None)}

    assert look_at_swap("al2023", [], [version(99, "/dev/xvdb")], images, NEW) == Swap()
    assert look_at_swap("al2023", [], [version()], {}, NEW) == Swap()


@pytest.mark.parametrize(
    ("family", "kind", "why"),
    [
        ("bottlerocket", "g4dn.xlarge", "Bottlerocket keeps its settings on a second volume"),
        ("al2023", "g4dn.metal", "EC2 replaces no root volume of g4dn.metal"),
    ],
)
def test_machines_that_cannot_be_helped_so_are_named(family: str, kind: str, why: str) -> None:
    """Whatever their sizes."""
    found = look_at_swap(family, [kind], [version()], IMAGES, NEW)

    assert (found.known, str(found.why_not).startswith(why)) == (True, True)


def in_place(**more: Any) -> Situation:
    """A group whose policy wants its instances to stay."""
    given = {"strategy": "replace_root_volume", "floor": more.pop("floor", {})}
    policy = SITUATION.policy.model_validate(SITUATION.policy.model_dump() | given)
    return replace(SITUATION, policy=policy, **more)


def test_what_ec2_would_refuse_is_rejected_before_a_node_is_emptied() -> None:
    """And only where that is the way to go, and there is a node to help."""
    shrinks = Swap("it would shrink", known=True)

    closed = gate_root_volume(in_place(swap=shrinks), NOW)

    assert (closed and closed.never, closed and closed.reason) == (True, "it would shrink")
    assert gate_root_volume(in_place(), NOW) is None
    assert gate_root_volume(in_place(swap=shrinks, loads=()), NOW) is None
    assert gate_root_volume(replace(SITUATION, swap=shrinks), NOW) is None


def test_a_floor_at_the_groups_size_lets_nobody_restart() -> None:
    """Out of service is out of service, also for a few minutes."""
    closed = gate_floor(in_place(floor={"percent": 100}), NOW)

    assert closed is not None
    assert closed.never


@pytest.mark.parametrize(
    ("state", "ami", "status"),
    [
        ("pending", OLD, "replacing"),
        ("in-progress", OLD, "replacing"),
        ("failing", OLD, "replacing"),
        ("succeeded", OLD, "replacing"),
        ("succeeded", NEW, "replaced"),
        ("failed", OLD, "failed"),
        ("failed-detached", OLD, "failed"),
    ],
)
def test_a_tasks_state_is_believed_once_the_instance_shows_it(state: str, ami: str, status: str) -> None:
    """EC2's describing calls lag behind one another."""
    task = RootTask("replacevol-1", state, NEW)

    assert decide_swap(replace(ONE, ami=ami), NEW, task).status == status


def test_without_a_task_the_image_decides() -> None:
    """A first call begins; one whose answer was lost finds it done."""
    assert decide_swap(ONE, NEW, None).status == "begin"
    assert decide_swap(replace(ONE, ami=NEW), NEW, None).status == "replaced"
