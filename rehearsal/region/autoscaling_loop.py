"""Each group's own loop: compare what is wanted with what is there, and do what the running processes allow.

It runs on timers that exist only while there is something to do, so a steady group costs the clock nothing.
"""

from rehearsal.region.autoscaling_choice import retry_seconds, select_relief, select_scale_in
from rehearsal.region.autoscaling_launch import Launcher
from rehearsal.region.autoscaling_lifecycle import Lifecycle
from rehearsal.region.autoscaling_model import Group
from rehearsal.region.autoscaling_world import World

REACT_SECONDS = 5
REBALANCE_SECONDS = 60
DOWN = ("stopping", "stopped", "shutting-down", "terminated")
"""States of EC2 that a health check takes for sick."""
ALL_PROTECTED = "Could not scale to desired capacity because all remaining instances are protected from scale-in."
DIFFERENCE = "a difference between desired and actual capacity"


class Loop:
    """Looks at a group when something may have changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.launcher = Launcher(world)
        self.lifecycle = Lifecycle(world, self.look_in)

    def look_in(self, group: Group, seconds: float = 0) -> None:
        """Look at the group then, unless it is looked at sooner anyway."""
        due = self._world.now + max(seconds, REACT_SECONDS)
        if group.next_look and group.next_look[0] <= due:
            return
        if group.next_look:
            self._world.timers.cancel(group.next_look[1])
        timer = self._world.after(due - self._world.now, f"{group.name}/look", lambda: self._look(group))
        group.next_look = (due, timer)

    def stage(self, group: Group) -> None:
        """Fill the group at once, as if it had been there for long: no hook, no event, no capacity used."""
        for _ in range(group.desired - len(group.present)):
            member = self.launcher.launch(
                group, f"an instance was started in response to {DIFFERENCE}.", ordinary=False
            )
            if member is None:
                raise ValueError(f"group {group.name} cannot be staged: {group.activities[-1].message}")
            self.lifecycle.serve(group, member, announce=False)

    def _look(self, group: Group) -> None:
        group.next_look = None
        self._replace_sick(group)
        self._close_rebalance(group)
        surplus = len(group.present) - group.desired - (1 if group.rebalancing else 0)
        if surplus < 0 and group.runs("Launch"):
            self._fill(group, -surplus)
        elif surplus > 0 and group.runs("Terminate"):
            self._shed(group, surplus)
        elif surplus == 0 and group.rebalancing is None:
            self._balance(group)

    def _replace_sick(self, group: Group) -> None:
        """Only marks and terminates: what is missing then is launched like anything else that is missing."""
        for member in group.present:
            instance = self._world.compute.instance(member.instance_id)
            down = instance is None or instance.state in DOWN
            if down and group.runs("HealthCheck"):
                member.healthy = False
            if not member.healthy and group.runs("ReplaceUnhealthy", "Terminate"):
                cause = "an instance was taken out of service in response to an EC2 health check."
                self.lifecycle.retire(group, member, cause)

    def _fill(self, group: Group, missing: int) -> None:
        for _ in range(missing):
            before = len(group.present)
            cause = f"an instance was started in response to {DIFFERENCE}, increasing the capacity"
            member = self.launcher.launch(group, f"{cause} from {before} to {before + 1}.")
            if member is None:
                self._try_later(group)
                return
            self.lifecycle.launched(group, member)

    def _shed(self, group: Group, surplus: int) -> None:
        for _ in range(surplus):
            before = len(group.present)
            member = select_scale_in(group.present)
            if member is None:
                self._all_protected(group)
                return
            cause = f"an instance was taken out of service in response to {DIFFERENCE}, shrinking the capacity"
            self.lifecycle.retire(group, member, f"{cause} from {before} to {before - 1}.")

    def _all_protected(self, group: Group) -> None:
        if group.activities and group.activities[-1].message == ALL_PROTECTED:
            return
        activity = self._world.log(group, "Terminating EC2 instance", f"{DIFFERENCE} was found.", "")
        activity.close("Failed", self._world.now, ALL_PROTECTED)

    def _close_rebalance(self, group: Group) -> None:
        """The extra instance serves or is gone: from now on it counts, and the fullest zone gives one up."""
        helper = group.members.get(group.rebalancing or "")
        if helper is None or helper.leaving or helper.serving:
            group.rebalancing = None

    def _balance(self, group: Group) -> None:
        """AZRebalance: launch in the lagging zone first, which is why a forgotten suspension shows."""
        zone = select_relief(group.zones, group.present)
        steady = all(member.serving for member in group.members.values())
        if zone is None or not steady or not group.runs("AZRebalance", "Launch", "Terminate"):
            group.lopsided_since = None
            return
        if group.lopsided_since is None:
            group.lopsided_since = self._world.now
        if self._world.now < group.lopsided_since + REBALANCE_SECONDS:
            self.look_in(group, group.lopsided_since + REBALANCE_SECONDS - self._world.now)
            return
        cause = f"instances were launched to balance instances in zones {zone} with other zones"
        member = self.launcher.launch(
            group, f"{cause} resulting in more than desired number of instances in the group.", zone=zone
        )
        if member is None:
            self._try_later(group)
            return
        group.rebalancing = member.instance_id
        self.lifecycle.launched(group, member)

    def _try_later(self, group: Group) -> None:
        group.failures += 1
        self.look_in(group, retry_seconds(group.failures))
