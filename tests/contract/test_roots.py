"""The adapter of root volumes against EC2 as the rehearsal plays it: what a replacement changes, and what it keeps."""

from collections.abc import Iterator

import pytest

from gpuops.adapters.groups import Groups
from gpuops.adapters.roots import Roots
from gpuops.domain.errors import Conflict, Invalid
from tests.contract.fleet_world import NEW, OLD, FleetWorld, fleet_world


@pytest.fixture
def world() -> Iterator[FleetWorld]:
    """Two instances, and the image that they are to run."""
    with fleet_world() as world:
        world.stage()
        world.clock.advance(3600)
        yield world


def roots(world: FleetWorld) -> Roots:
    """The adapter over the region."""
    return Roots(world.client("ec2"))


def test_an_instance_keeps_all_but_its_image(world: FleetWorld) -> None:
    """Auto Scaling sees nothing of it, and the kubelet starts again with the user data of the launch."""
    groups, (one, other) = Groups(world.client("autoscaling"), world.client("ec2")), sorted(world.states())
    before = groups.describe("gpu").instance(one)

    task = roots(world).replace(one, NEW.ami, "token-1")
    assert (task.state, task.image, task.runs, roots(world).busy(one), roots(world).busy(other)) == (
        "pending",
        NEW.ami,
        True,
        True,
        False,
    )
    world.clock.advance(15)
    found = roots(world).task(task.id)
    assert (found and found.state, groups.describe("gpu").instance(one)) == ("in-progress", before)
    world.clock.advance(10)

    done, after = roots(world).task(task.id), groups.describe("gpu").instance(one)
    assert (done and done.state, roots(world).busy(one)) == ("succeeded", False)
    assert before is not None
    assert after is not None
    assert (after.ami, after.template, after.zone, after.lifecycle) == (
        NEW.ami,
        before.template,
        before.zone,
        "InService",
    )
    (up,) = world.near.rebooted
    booted = next(machine for machine in world.near.booted if machine.instance_id == one)
    assert (up.instance_id, up.ami, up.user_data, booted.ami) == (one, NEW.ami, booted.user_data, OLD.ami)


def test_the_same_token_is_the_same_task(world: FleetWorld) -> None:
    """An answer that was lost is asked for again; with another image it is somebody else's."""
    one = min(world.states())

    first, second = (roots(world).replace(one, NEW.ami, "token-1") for _ in range(2))
    assert first.id == second.id
    with pytest.raises(Conflict):
        roots(world).replace(one, OLD.ami, "token-1")
    world.clock.advance(60)
    assert len(world.near.rebooted) == 1


def test_what_is_not_there_is_named(world: FleetWorld) -> None:
    """An image that is gone, an instance that is, and a task that EC2 has forgotten."""
    one = min(world.states())

    with pytest.raises(Invalid, match="InvalidAMIID"):
        roots(world).replace(one, "ami-0cc0cc0cc0cc0cc03", "token-1")
    assert roots(world).task("replacevol-0123456789abcdef0") is None
    world.client("ec2").terminate_instances(InstanceIds=[one])
    with pytest.raises(Invalid, match="IncorrectInstanceState"):
        roots(world).replace(one, NEW.ami, "token-2")


def test_an_instance_that_is_terminated_meanwhile_does_not_start_again(world: FleetWorld) -> None:
    """Its task fails, and no kubelet comes up."""
    one = min(world.states())
    task = roots(world).replace(one, NEW.ami, "token-1")
    world.client("ec2").terminate_instances(InstanceIds=[one])
    world.clock.advance(60)

    found = roots(world).task(task.id)

    assert (found and found.state, world.near.rebooted) == ("failed", [])
