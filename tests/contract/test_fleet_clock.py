"""The fleet on the real clock: time jumps to each of its timers by itself, and two runs are the same."""

import threading
from typing import Any

from moto.moto_api._internal.models import moto_api_backend

from rehearsal.clock import Clock
from rehearsal.region.fleet import Fleet
from rehearsal.scenario import Group
from tests.contract.fleet_world import CLUSTER, EPOCH, OLD, ZONES, Neighbours, NodesByName

PATIENCE_SECONDS = 30


class Story(Neighbours):
    """Asks for one more instance, continues its launch, then terminates another; keeps the time of every event."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[float, str]] = []
        self.done = threading.Event()
        moto_api_backend.reset()
        self.clock = Clock(EPOCH, settle_seconds=0.001)
        forget, nodes = self.forget, NodesByName()
        self.fleet = Fleet(self.clock, self.emit, self, cluster=CLUSTER, zones=ZONES, delete_node=forget, nodes=nodes)
        self.fleet.images.schedule(OLD)
        self.ask = self.fleet.autoscaling.handlers()
        spec = {"instance_type": "g4dn.xlarge", "zones": list(ZONES), "size": 3, "max": 4, "release": OLD.release}
        self.fleet.create_group(Group.model_validate({"name": "gpu", **spec}), OLD)
        self.ask["set_desired_capacity"]({"AutoScalingGroupName": "gpu", "DesiredCapacity": 4})

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        """React to the events as the product would."""
        self.told.append((self.clock.now() - EPOCH, f"{detail_type} {detail.get('EC2InstanceId', '')}"))
        whom = {"InstanceId": detail.get("EC2InstanceId")}
        hook = {"AutoScalingGroupName": "gpu", "LifecycleHookName": "gpuops-admit"}
        if detail_type.endswith("launch Lifecycle Action") and "EC2InstanceId" in detail:
            self.ask["complete_lifecycle_action"]({**hook, **whom, "LifecycleActionResult": "CONTINUE"})
        if detail_type == "EC2 Instance Launch Successful":
            oldest = {"InstanceId": self.booted[0].instance_id, "ShouldDecrementDesiredCapacity": True}
            self.ask["terminate_instance_in_auto_scaling_group"](oldest)

    def forget(self, name: str) -> None:
        """The end of the story."""
        self.told.append((self.clock.now() - EPOCH, name))
        self.done.set()


def told() -> list[tuple[float, str]]:
    """One run of the story."""
    story = Story()
    story.clock.start()
    try:
        assert story.done.wait(PATIENCE_SECONDS)
    finally:
        story.clock.stop()
    return story.told


def test_a_surge_and_a_retirement_take_minutes_of_simulated_time_and_repeat_exactly() -> None:
    """Launch, hook, in service, terminate, gone, node deleted: the same instants and instances in both runs."""
    first = told()
    assert [what.rsplit(" ", 1)[0] for _, what in first[1:4]] == [
        "EC2 Instance-launch Lifecycle Action",
        "EC2 Instance Launch Successful",
        "EC2 Instance Terminate Successful",
    ]
    assert first[-1][1].startswith("ip-10-0-")
    assert 60 <= first[-1][0] <= 180
    assert told() == first
