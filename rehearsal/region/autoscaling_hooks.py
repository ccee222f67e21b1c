"""Operations on lifecycle hooks and on the actions that wait in them.

Leaves out: notifications to SNS and SQS targets; EventBridge hears of every action anyway.
"""

from dataclasses import replace
from typing import Any

from rehearsal.region.autoscaling_checks import group_of, invalid, wait_of
from rehearsal.region.autoscaling_loop import Loop
from rehearsal.region.autoscaling_model import LAUNCHING, TERMINATING, Group, Hook
from rehearsal.region.autoscaling_world import World
from rehearsal.region.fleet_actions import Params

ACTIONS = (
    "put_lifecycle_hook",
    "describe_lifecycle_hooks",
    "delete_lifecycle_hook",
    "complete_lifecycle_action",
    "record_lifecycle_action_heartbeat",
)
LONGEST_HEARTBEAT_SECONDS = 7200
_FIELDS = {
    "LifecycleTransition": "transition",
    "HeartbeatTimeout": "heartbeat",
    "DefaultResult": "default",
    "NotificationMetadata": "metadata",
    "RoleARN": "role",
    "NotificationTargetARN": "target",
}


class HookActions:
    """The handlers; each is called under the world's lock."""

    def __init__(self, world: World, loop: Loop) -> None:
        self._world, self._loop = world, loop

    def put_lifecycle_hook(self, params: Params) -> None:
        """Create, or change what was sent; actions that already wait keep what they were started with."""
        group, name = group_of(self._world, params), params["LifecycleHookName"]
        sent = {own: params[key] for key, own in _FIELDS.items() if params.get(key) is not None}
        if name not in group.hooks and "transition" not in sent:
            raise invalid("LifecycleTransition is a required parameter for this lifecycle hook")
        hook = replace(group.hooks.get(name, Hook(name, "")), **sent)
        _check(hook)
        group.hooks[name] = hook
        self._world.announcer.hook_put(group, hook)

    def describe_lifecycle_hooks(self, params: Params) -> dict[str, Any]:
        """All of the group's, or those named."""
        group = group_of(self._world, params)
        names = params.get("LifecycleHookNames") or list(group.hooks)
        return {"LifecycleHooks": [group.hooks[name].shown(group) for name in names if name in group.hooks]}

    def delete_lifecycle_hook(self, params: Params) -> None:
        """Whatever waits in the hook goes on as if it had been continued."""
        group, name = group_of(self._world, params), params["LifecycleHookName"]
        if name not in group.hooks:
            raise invalid(f"No Lifecycle Hook found with name {name}")
        del group.hooks[name]
        self._let_go(group, name)

    def complete_lifecycle_action(self, params: Params) -> None:
        """CONTINUE or ABANDON; a second answer finds no action, as on AWS."""
        result = params["LifecycleActionResult"]
        if result not in ("CONTINUE", "ABANDON"):
            raise invalid(f"Lifecycle action result {result} is not valid: it must be CONTINUE or ABANDON")
        group, member, wait = wait_of(self._world, params)
        why = f"Lifecycle Action Completed with {result} Result"
        self._loop.lifecycle.complete(group, member, wait, result, why)

    def record_lifecycle_action_heartbeat(self, params: Params) -> None:
        """The timeout starts anew."""
        _, member, wait = wait_of(self._world, params)
        self._loop.lifecycle.beat(member, wait)

    def _let_go(self, group: Group, name: str) -> None:
        for member in list(group.members.values()):
            for wait in [wait for wait in member.waits if wait.hook.name == name]:
                self._loop.lifecycle.complete(group, member, wait, "CONTINUE", "Lifecycle Hook Deleted")


def _check(hook: Hook) -> None:
    if hook.transition not in (LAUNCHING, TERMINATING):
        raise invalid(f"Lifecycle transition {hook.transition} is not valid")
    if not 30 <= hook.heartbeat <= LONGEST_HEARTBEAT_SECONDS:  # noqa: PLR2004 - AWS's lower bound
        raise invalid("Heartbeat timeout must be between 30 and 7200 seconds")
    if hook.default not in ("CONTINUE", "ABANDON"):
        raise invalid(f"Default result {hook.default} is not valid: it must be CONTINUE or ABANDON")
