"""What the parts of Auto Scaling share: the clock under one lock, instances, templates, and the activity log.

Requests come on server threads and timers on the clock's, so whatever changes a group does it under `lock`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.region.autoscaling_events import Announcer
from rehearsal.region.autoscaling_model import Activity, Group, Member
from rehearsal.region.compute import Compute
from rehearsal.region.compute_templates import Templates
from rehearsal.region.fleet_ports import Timers, stamp, uuid_of


@dataclass
class World:
    """One region's worth of groups."""

    timers: Timers
    compute: Compute
    templates: Templates
    announcer: Announcer
    seed: str = "1"
    groups: dict[str, Group] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def now(self) -> float:
        """Simulated epoch seconds."""
        return self.timers.now()

    @property
    def stamp(self) -> str:
        """Now, as AWS writes it into a cause."""
        return stamp(self.timers)

    def after(self, delay: float, key: str, act: Callable[[], None]) -> Any:
        """A timer whose work is done under the lock."""

        def fire() -> None:
            with self.lock:
                act()

        return self.timers.call_later(delay, f"asg/{key}", fire)

    def find(self, instance_id: str) -> tuple[Group, Member] | None:
        """The group that holds an instance."""
        for group in self.groups.values():
            if instance_id in group.members:
                return group, group.members[instance_id]
        return None

    def log(self, group: Group, description: str, cause: str, zone: str) -> Activity:
        """A new activity of the group."""
        activity = Activity(
            activity_id=uuid_of(self.seed, group.name, "activity", len(group.activities)),
            group=group,
            description=description,
            cause=f"At {self.stamp} {cause}",
            zone=zone,
            subnet=self.compute.subnets.get(zone, ""),
            start=self.now,
        )
        group.activities.append(activity)
        return activity
