"""The instance adapter against a fleet with launch hooks: what it sees, and what its answers lead to."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gpuops.adapters.instances import Instances
from gpuops.adapters.kube import Kube
from gpuops.domain.admission.event import Hook, Launch, read_event
from gpuops.domain.errors import Invalid
from tests.contract.fleet_world import FleetWorld, fleet_world

NO_SUCH = "i-0123456789abcdef0"


@dataclass
class Waiting:
    """One instance that waits in the launch hook, beside one that was there before."""

    world: FleetWorld
    instances: Instances
    id: str
    old: str
    hook: Hook


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """The hook as the event names it, token included."""
    with fleet_world() as world:
        world.stage(size=1, hook_heartbeat_seconds=300)
        (old,) = world.states()
        world.client("autoscaling").set_desired_capacity(AutoScalingGroupName="gpu", DesiredCapacity=2)
        world.clock.advance(60)
        kind = "EC2 Instance-launch Lifecycle Action"
        launch = read_event({"detail-type": kind, "detail": world.near.heard(kind)[-1]})
        assert isinstance(launch, Launch)
        assert launch.hook is not None
        found = Instances(world.client("ec2"), world.client("autoscaling"))
        yield Waiting(world, found, launch.instance, old, launch.hook)


def test_an_instance_is_described(waiting: Waiting) -> None:
    """Its life, its GPUs, the name that its node will have, and the hook that an event may not name."""
    seen = waiting.instances

    assert (seen.lifecycle(waiting.id), seen.lifecycle(waiting.old)) == ("Pending:Wait", "InService")
    assert seen.gpus(waiting.id) == 1
    assert seen.private_dns(waiting.id).endswith(".internal")
    assert seen.launch_hook("gpu") == Hook(name="gpuops-admit", group="gpu", heartbeat_seconds=300)
    assert seen.launch_hook("gpu", "gpuops-admit") == seen.launch_hook("gpu")
    assert seen.launch_hook("gpu", "gpuops") is None


def test_an_instance_that_does_not_exist_is_absent(waiting: Waiting) -> None:
    """Gone is an answer, but GPUs of nothing cannot be counted."""
    seen = waiting.instances

    assert (seen.lifecycle(NO_SUCH), seen.private_dns(NO_SUCH)) == (None, "")
    with pytest.raises(Invalid, match="does not exist"):
        seen.gpus(NO_SUCH)


def test_heartbeats_keep_an_instance_waiting(waiting: Waiting) -> None:
    """Twice the hook's timeout later it still waits."""
    for _ in range(4):
        assert waiting.instances.heartbeat(waiting.hook, waiting.id)
        waiting.world.clock.advance(150)

    assert waiting.instances.lifecycle(waiting.id) == "Pending:Wait"


def test_an_instance_is_stopped_once_and_replaced_by_its_group(waiting: Waiting) -> None:
    """Stopping takes its time; a health check of the group's then ends what is off."""
    seen, old, clock = waiting.instances, waiting.old, waiting.world.clock
    assert (seen.state_of(old), seen.state_of(NO_SUCH)) == ("running", "")

    seen.stop(old, force=False)
    seen.stop(old, force=True)
    states = [seen.state_of(old)]
    for _ in range(3):
        clock.advance(50)
        states.append(seen.state_of(old))

    assert states == ["stopping", "stopped", "shutting-down", "terminated"]
    assert seen.lifecycle(old) is None
    with pytest.raises(Invalid, match="stop"):
        seen.stop(NO_SUCH, force=False)


@pytest.mark.parametrize("token", [True, False])
def test_continue_is_said_once(waiting: Waiting, token: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """The second time there is nothing left to answer; with the event's token or without."""
    hook = waiting.hook if token else waiting.hook.model_copy(update={"token": None})

    answers = [waiting.instances.complete(hook, waiting.id, "CONTINUE")]
    waiting.world.clock.advance(30)
    answers += [waiting.instances.complete(hook, waiting.id, "CONTINUE"), waiting.instances.heartbeat(hook, waiting.id)]

    assert answers == [True, False, False]
    assert waiting.instances.lifecycle(waiting.id) == "InService"


def test_an_abandoned_instance_leaves_its_group(waiting: Waiting) -> None:
    """Auto Scaling launches another in its place; that is its business."""
    assert waiting.instances.complete(waiting.hook, waiting.id, "ABANDON")
    waiting.world.clock.advance(300)

    assert waiting.instances.lifecycle(waiting.id) is None


def test_a_hook_of_another_team_is_not_ours(waiting: Waiting) -> None:
    """Only names that begin with ours are answered."""
    client = waiting.world.client("autoscaling")
    client.delete_lifecycle_hook(AutoScalingGroupName="gpu", LifecycleHookName="gpuops-admit")
    client.put_lifecycle_hook(
        AutoScalingGroupName="gpu",
        LifecycleHookName="team-b",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
    )

    assert waiting.instances.launch_hook("gpu") is None


@pytest.mark.parametrize(("cluster", "says"), [("nobody", "describe cluster nobody"), ("train", "is no certificate")])
def test_a_cluster_that_cannot_be_reached_is_invalid(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, cluster: str, says: str
) -> None:
    """EKS does not know the one; what it says about the other is no certificate."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with pytest.raises(Invalid, match=says):
        Kube.connect(cluster, waiting.world.client("eks"))
