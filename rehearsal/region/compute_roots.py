"""Root volume replacement tasks: EC2 gives a running instance another root volume and reboots it.

The instance keeps its id, place, addresses, user data and launch template; EC2 names the new image once the task has
succeeded, which is before the machine is up again. Sources: EC2 user guide, "Replace the root volume for an Amazon EC2
instance without stopping it"; EC2 API reference, CreateReplaceRootVolumeTask and ReplaceRootVolumeTask.
Leaves out: snapshots and volumes as sources, sizes and ids of volumes, tasks that fail, and what EC2 says of a second
task while one is under way: here that one waits for nothing, either.
"""

from dataclasses import dataclass
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, InvalidInstanceIdError
from moto.ec2.responses import EC2Response

from rehearsal.region.compute import Compute
from rehearsal.region.fleet_actions import Params, install, page
from rehearsal.region.fleet_ports import Timers, digest, stamp
from rehearsal.region.patches import Patches
from rehearsal.region.tokens import Tokens

CREATE_SECONDS = 10
"""Until the new volume is made of the image's snapshot: the task is pending."""
ATTACH_SECONDS = 10
"""Until it is attached in the old one's place. EC2's own example takes 20 seconds in all."""


@dataclass
class Task:
    """One replacement."""

    id: str
    instance: str
    image: str
    started: str
    state: str = "pending"
    completed: str | None = None

    def shown(self) -> dict[str, Any]:
        """As EC2 tells it."""
        done = {"CompleteTime": self.completed} if self.completed else {}
        return {
            "ReplaceRootVolumeTaskId": self.id,
            "InstanceId": self.instance,
            "TaskState": self.state,
            "StartTime": self.started,
            "ImageId": self.image,
            "DeleteReplacedRootVolume": True,
            **done,
        }


class RootVolumes:
    """The two operations, and the time they take."""

    def __init__(self, timers: Timers, compute: Compute) -> None:
        self._timers, self._compute = timers, compute
        self._tasks: dict[str, Task] = {}
        self._tokens = Tokens()

    def install(self, patches: Patches) -> None:
        """Answer for moto's EC2, which knows neither."""
        handlers = {
            "create_replace_root_volume_task": self.create,
            "describe_replace_root_volume_tasks": self.describe,
        }
        install(patches, EC2Response, handlers)

    def create(self, params: Params) -> dict[str, Any]:
        """CreateReplaceRootVolumeTask; the same token is the same task."""
        return self._tokens.once(params, self._create)

    def describe(self, params: Params) -> dict[str, Any]:
        """DescribeReplaceRootVolumeTasks, by task or by the filter `instance-id`."""
        wanted = params.get("ReplaceRootVolumeTaskIds")
        instances = [v for f in params.get("Filters") or () if f["Name"] == "instance-id" for v in f["Values"]]
        found = [
            task.shown()
            for task in self._tasks.values()
            if (not wanted or task.id in wanted) and (not instances or task.instance in instances)
        ]
        shown, token = page(found, params, "MaxResults", 1000)
        return {"ReplaceRootVolumeTasks": shown, **({"NextToken": token} if token else {})}

    def _create(self, params: Params) -> dict[str, Any]:
        name, image = str(params["InstanceId"]), str(params["ImageId"])
        instance = self._compute.instance(name)
        if instance is None:
            raise InvalidInstanceIdError(name)
        if instance.state != "running":
            raise EC2ClientError("IncorrectInstanceState", f"Instance {name} is not in a running state")
        if image not in self._compute.ec2.amis:
            raise InvalidAMIIdError(image)
        number = sum(task.instance == name for task in self._tasks.values())
        task = Task(f"replacevol-0{digest(name, 'root', number)[:16]}", name, image, stamp(self._timers))
        self._tasks[task.id] = task
        self._timers.call_later(CREATE_SECONDS, f"ec2/{task.id}/attach", lambda: self._attach(task))
        return {"ReplaceRootVolumeTask": task.shown()}

    def _attach(self, task: Task) -> None:
        task.state = "in-progress"
        self._timers.call_later(ATTACH_SECONDS, f"ec2/{task.id}/done", lambda: self._succeed(task))

    def _succeed(self, task: Task) -> None:
        """The machine starts from the new volume; one that was terminated meanwhile has none."""
        instance = self._compute.instance(task.instance)
        if instance is None or instance.state != "running":
            task.state = "failed"
            return
        task.state, task.completed = "succeeded", stamp(self._timers)
        self._compute.replace_root(task.instance, task.image, self._compute.machine(task.instance).user_data)
