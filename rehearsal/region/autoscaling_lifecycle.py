"""The way of one instance through its group: Pending, hooks with their heartbeats, InService, Terminating, gone.

Hooks hold only what was told to wait for them: an instance whose hook was put later is not held up by it.
An instance that gets another root volume passes its launch hooks once more, and its machine reboots.
Leaves out: warm pools, standby, detach, and termination hooks for an instance that never came into service.
"""

from collections.abc import Callable

from rehearsal.region.autoscaling_model import LAUNCHING, TERMINATING, Group, Hook, Member, Wait
from rehearsal.region.autoscaling_world import World
from rehearsal.region.compute_instance import TERMINATED
from rehearsal.region.fleet_ports import uuid_of

PROCEED_SECONDS = 2
REPLACE_SECONDS = 60
"""From the last hook's end until an instance with a new root volume is in service again."""
HEALTH_CHECK_SECONDS = 60


class Lifecycle:
    """Moves members from state to state; `changed` is told whenever a group may have something to do."""

    def __init__(self, world: World, changed: Callable[[Group, float], None]) -> None:
        self._world, self._changed = world, changed
        world.compute.terminated.append(self._gone)
        world.compute.shutting_down.append(self._noticed)

    def launched(self, group: Group, member: Member) -> None:
        """EC2 has started the instance; a second after it runs, the group moves on."""
        delay = self._world.compute.pending_seconds(member.instance_id) + 1
        self._world.after(delay, f"{member.instance_id}/running", lambda: self._running(group, member))

    def serve(self, group: Group, member: Member, *, announce: bool = True) -> None:
        """In service; no hook holds it any more."""
        if member.leaving:
            return
        member.state = "InService"
        member.activity.close("Successful", self._world.now)
        if announce:
            self._world.announcer.ended(group, member.activity, member.instance_id, launch=True, well=True)
        self._changed(group, 0)

    def retire(self, group: Group, member: Member, cause: str) -> None:
        """Terminate an instance on the group's behalf, through its termination hooks if it was in service."""
        if member.leaving:
            return
        served = member.serving
        self._release(member)
        if member.activity.end is None:
            member.activity.close("Cancelled", self._world.now)
        description = f"Terminating EC2 instance: {member.instance_id}"
        member.activity = self._world.log(group, description, cause, member.zone)
        member.state = "Terminating"
        if served and self._is_up(member):
            self._hold(group, member, TERMINATING)
        else:
            self._end(group, member)

    def refresh(self, group: Group, member: Member) -> None:
        """Give an instance in service a new root volume with the newest version's image, once its hooks let it."""
        if not member.serving:
            return
        template, version = self._world.templates.resolve({**member.template, "Version": "$Latest"})
        member.template["Version"] = str(version.number)
        group.settings["LaunchTemplate"] = dict(member.template)
        member.image = version.image_id
        cause = f"an instance refresh replaced the root volume by version {version.number} of {template.id}."
        description = f"Replacing root volume of EC2 instance: {member.instance_id}"
        member.activity = self._world.log(group, description, cause, member.zone)
        member.refreshing, member.refreshes, member.state = True, member.refreshes + 1, "Pending"
        self._hold(group, member, LAUNCHING)

    def beat(self, member: Member, wait: Wait) -> None:
        """Somebody is still at it: the timeout starts anew, but never beyond the hook's patience."""
        self._world.timers.cancel(wait.timer)
        self._arm(member, wait)

    def complete(self, group: Group, member: Member, wait: Wait, result: str, why: str) -> None:
        """One lifecycle action is done; an abandoned one settles the matter, others have to wait for each other."""
        self._world.timers.cancel(wait.timer)
        member.waits.remove(wait)
        if member.state == "Pending:Wait" and result == "ABANDON":
            self._abandon(group, member, wait, why)
        elif result == "ABANDON" or not member.waits:
            self._release(member)
            self._proceed(group, member)

    def _running(self, group: Group, member: Member) -> None:
        if member.state == "Pending":
            self._hold(group, member, LAUNCHING)

    def _hold(self, group: Group, member: Member, transition: str) -> None:
        hooks = list(group.hooks_on(transition))
        if not hooks:
            self._proceed(group, member)
            return
        member.state = f"{member.state}:Wait"
        member.activity.status = "MidLifecycleAction"
        for hook in hooks:
            wait = self._wait(member, hook)
            self._world.announcer.lifecycle_action(group, member, wait)

    def _wait(self, member: Member, hook: Hook) -> Wait:
        again = [member.refreshes] if member.refreshes else []
        token = uuid_of(self._world.seed, member.instance_id, hook.name, *again)
        wait = Wait(hook=hook, token=token, until=self._world.now + hook.patience)
        member.waits.append(wait)
        self._arm(member, wait)
        return wait

    def _arm(self, member: Member, wait: Wait) -> None:
        delay = min(float(wait.hook.heartbeat), wait.until - self._world.now)
        wait.timer = self._world.after(
            delay, f"{member.instance_id}/{wait.hook.name}/heartbeat", lambda: self._expire(member, wait)
        )

    def _expire(self, member: Member, wait: Wait) -> None:
        found = self._world.find(member.instance_id)
        if found and wait in member.waits:
            self.complete(found[0], member, wait, wait.hook.default, "Heartbeat Timeout elapsed")

    def _abandon(self, group: Group, member: Member, wait: Wait, why: str) -> None:
        message = (
            "Instance failed to complete user's Lifecycle Action: "
            f"Lifecycle Action with token {wait.token} was abandoned: {why}"
        )
        member.activity.close("Cancelled", self._world.now, message)
        self._world.announcer.ended(group, member.activity, member.instance_id, launch=True, well=False)
        self.retire(group, member, "an instance was taken out of service in response to a launch being abandoned.")
        self._changed(group, 0)

    def _proceed(self, group: Group, member: Member) -> None:
        held = member.state.endswith(":Wait")
        member.state = f"{member.state.split(':')[0]}:Proceed" if held else member.state
        step = self._end if member.leaving else self._swap if member.refreshing else self.serve
        if held:
            self._world.after(PROCEED_SECONDS, f"{member.instance_id}/proceed", lambda: step(group, member))
        else:
            step(group, member)

    def _swap(self, group: Group, member: Member) -> None:
        data = self._world.templates.resolve(member.template)[1].data
        self._world.compute.replace_root(member.instance_id, member.image, str(data.get("UserData") or ""))

        def done() -> None:
            member.refreshing = False
            self.serve(group, member, announce=False)

        self._world.after(REPLACE_SECONDS, f"{member.instance_id}/refreshed", done)

    def _end(self, group: Group, member: Member) -> None:
        instance = self._world.compute.instance(member.instance_id)
        if instance is None or instance.state_code == TERMINATED:
            self._remove(group, member)
        else:
            instance.terminate()

    def _is_up(self, member: Member) -> bool:
        instance = self._world.compute.instance(member.instance_id)
        return instance is not None and instance.state == "running"

    def _noticed(self, instance_id: str) -> None:
        """EC2 shuts an instance down: a health check finds that out unless the group did it itself."""
        with self._world.lock:
            found = self._world.find(instance_id)
            if found and not found[1].leaving:
                self._changed(found[0], HEALTH_CHECK_SECONDS)

    def _gone(self, instance_id: str) -> None:
        with self._world.lock:
            found = self._world.find(instance_id)
            if found and found[1].leaving:
                self._remove(*found)

    def _remove(self, group: Group, member: Member) -> None:
        del group.members[member.instance_id]
        member.activity.close("Successful", self._world.now)
        self._world.announcer.ended(group, member.activity, member.instance_id, launch=False, well=True)
        self._changed(group, 0)

    def _release(self, member: Member) -> None:
        for wait in member.waits:
            self._world.timers.cancel(wait.timer)
        member.waits.clear()
