"""Auto Scaling on the clock: our own groups behind moto's response class.

moto 5.2.5 fills a group in the very call that asks for it: no launch takes time, no hook waits, nothing fails. Here
each group has a loop of its own, and everything between a request and its effect is a timer.
The parts: `_model` what there is, `_choice` decisions, `_loop` who does what next, `_launch`, `_lifecycle`, `_events`,
and the operations in `_groups`, `_hooks`, `_describe`. Operations that none of them has answer UnsupportedOperation.
"""

from collections.abc import Callable, Mapping
from typing import Any

from moto.autoscaling.responses import AutoScalingResponse

from rehearsal.region import autoscaling_describe, autoscaling_groups, autoscaling_hooks
from rehearsal.region.autoscaling_loop import Loop
from rehearsal.region.autoscaling_world import World
from rehearsal.region.fleet_actions import Handler, Params, install, withhold
from rehearsal.region.patches import Patches


class AutoScaling:
    """The service: its groups, its loop and its operations."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loop = Loop(world)
        self._groups = autoscaling_groups.GroupActions(world, self.loop)
        self._hooks = autoscaling_hooks.HookActions(world, self.loop)
        self._describe = autoscaling_describe.DescribeActions(world)

    def install(self, patches: Patches) -> None:
        """Answer for moto's Auto Scaling."""
        handlers = self.handlers()
        install(patches, AutoScalingResponse, handlers)
        withhold(patches, AutoScalingResponse, [*handlers, "call_action"])

    def handlers(self) -> dict[str, Handler]:
        """Every operation, by moto's name for it."""
        found: dict[str, Handler] = {}
        for actions, names in (
            (self._groups, autoscaling_groups.ACTIONS),
            (self._hooks, autoscaling_hooks.ACTIONS),
            (self._describe, autoscaling_describe.ACTIONS),
        ):
            found |= {name: self._locked(getattr(actions, name)) for name in names}
        found["create_auto_scaling_group"] = self._locked(self._create)
        return found

    def stage(self, params: Params) -> None:
        """Create a group that has been there for long: full at once, in service, its hooks put afterwards."""
        with self.world.lock:
            group = self._groups.make(params)
            self.loop.stage(group)
            self._put_hooks(params)

    def _create(self, params: Params) -> None:
        self._groups.create_auto_scaling_group(params)
        self._put_hooks(params)

    def _put_hooks(self, params: Params) -> None:
        for hook in params.get("LifecycleHookSpecificationList") or []:
            self._hooks.put_lifecycle_hook({**hook, "AutoScalingGroupName": params["AutoScalingGroupName"]})

    def _locked(self, act: Callable[[Params], Any]) -> Handler:
        def handle(params: Params) -> Mapping[str, Any] | None:
            with self.world.lock:
                answer: Mapping[str, Any] | None = act(params)
                return answer

        return handle
