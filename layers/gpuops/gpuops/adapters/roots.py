"""Root volumes of running instances: EC2's replacement tasks."""

from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.rotation.root import RootTask


class Roots:
    """Replaces root volumes, and looks at how that goes. Raises, everywhere: what `adapters.aws` translates to."""

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ec2"))

    def replace(self, instance: str, image: str, token: str) -> RootTask:
        """Have the instance reboot from a new volume of the image, and the old volume deleted after that.

        Idempotent: the same token is the same task. Raises: Refused, too, where EC2 will not do it to this instance.
        """
        with translated(f"replace the root volume of {instance}"):
            answer = self._ec2.create_replace_root_volume_task(
                InstanceId=instance, ImageId=image, ClientToken=token, DeleteReplacedRootVolume=True
            )
        return _task(answer["ReplaceRootVolumeTask"])

    def task(self, task: str) -> RootTask | None:
        """Return the task; None once EC2 has forgotten it."""
        with translated(f"describe root volume task {task}"):
            answer = self._ec2.describe_replace_root_volume_tasks(ReplaceRootVolumeTaskIds=[task])
        return next((_task(raw) for raw in answer["ReplaceRootVolumeTasks"]), None)

    def busy(self, instance: str) -> bool:
        """Whether a task of the instance is under way."""
        wanted = [{"Name": "instance-id", "Values": [instance]}]
        with translated(f"describe root volume tasks of {instance}"):
            pages = self._ec2.get_paginator("describe_replace_root_volume_tasks").paginate(Filters=wanted)
            return any(_task(raw).runs for page in pages for raw in page["ReplaceRootVolumeTasks"])


def _task(raw: dict[str, Any]) -> RootTask:
    return RootTask(id=raw["ReplaceRootVolumeTaskId"], state=raw["TaskState"], image=raw.get("ImageId", ""))
