"""One launched instance: what EC2 and Auto Scaling say about it, and our answer to its launch hook."""

from typing import Any, Self

from botocore.exceptions import ClientError

from gpuops.adapters.aws import client, code_of, translated
from gpuops.adapters.group_reading import tags_of
from gpuops.domain.admission.event import LAUNCHING, Hook
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import HOOK_PREFIX
from gpuops.domain.rotation.group import GROUP_TAG, NODEGROUP_TAG

NVIDIA = "NVIDIA"


class Instances:
    """Looks at instances and answers hooks. Raises, everywhere: what `adapters.aws` translates to."""

    def __init__(self, ec2: Any, autoscaling: Any) -> None:
        self._ec2, self._autoscaling = ec2, autoscaling

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ec2"), client("autoscaling"))

    def private_dns(self, instance: str) -> str:
        """Return the instance's private DNS name, which is its node's name by default; empty when it is gone."""
        return str(self._describe(instance).get("PrivateDnsName", ""))

    def lifecycle(self, instance: str) -> str | None:
        """Return the instance's lifecycle state in its group, or None once Auto Scaling has forgotten it."""
        with translated(f"describe instance {instance}"):
            answer = self._autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])
        return next((str(found["LifecycleState"]) for found in answer["AutoScalingInstances"]), None)

    def group_of(self, instance: str) -> str | None:
        """Return the Auto Scaling group of the instance, or None where it is in none."""
        if not instance:
            return None
        with translated(f"describe instance {instance}"):
            answer = self._autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])
        return next((str(found["AutoScalingGroupName"]) for found in answer["AutoScalingInstances"]), None)

    def belongs_to(self, group: str) -> str:
        """Return the group of the policy to which an Auto Scaling group of EKS's belongs by tag; empty for none."""
        with translated(f"describe group {group}"):
            answer = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        tags = next((tags_of(found) for found in answer["AutoScalingGroups"]), {})
        return tags.get(GROUP_TAG, "") if NODEGROUP_TAG in tags else ""

    def gpus(self, instance: str) -> int:
        """Return how many NVIDIA GPUs the instance's type has."""
        return self.type_of(instance)[1]

    def type_of(self, instance: str) -> tuple[str, int]:
        """Return the instance's type, and how many NVIDIA GPUs that has. Raises: Invalid when the instance is gone."""
        kind = str(self._describe(instance).get("InstanceType", ""))
        if not kind:
            raise Invalid(f"instance {instance} does not exist")
        with translated(f"describe instance type {kind}"):
            types = self._ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
        gpus = [gpu for found in types for gpu in found.get("GpuInfo", {}).get("Gpus", ())]
        return kind, sum(int(gpu["Count"]) for gpu in gpus if gpu.get("Manufacturer", NVIDIA).upper() == NVIDIA)

    def reboot(self, instance: str) -> None:
        """Reboot it; asked for twice, EC2 still reboots it once as long as the first is under way."""
        with translated(f"reboot {instance}"):
            self._ec2.reboot_instances(InstanceIds=[instance])

    def state_of(self, instance: str) -> str:
        """Return EC2's word for what the instance does, such as running or stopped; empty once it has forgotten it."""
        return str(self._describe(instance).get("State", {}).get("Name", ""))

    def stop(self, instance: str, *, force: bool) -> None:
        """Stop it, with `force` without waiting for its system. Idempotent.

        Raises: Invalid for one that EC2 can only terminate.
        """
        with translated(f"stop {instance}"):
            self._ec2.stop_instances(InstanceIds=[instance], Force=force)

    def launch_hook(self, group: str, name: str = "") -> Hook | None:
        """Return our launch hook on the group, or the one of that name, with its timeout."""
        with translated(f"describe hooks of {group}"):
            hooks = self._autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
        launching = {h["LifecycleHookName"]: h for h in hooks if h.get("LifecycleTransition") == LAUNCHING}
        ours = next((one for one in launching if (one == name if name else one.startswith(HOOK_PREFIX))), None)
        if ours is None:
            return None
        return Hook(name=ours, group=group, heartbeat_seconds=launching[ours].get("HeartbeatTimeout"))

    def heartbeat(self, hook: Hook, instance: str) -> bool:
        """Ask Auto Scaling for more time; False when there is nothing left to wait for. Repeating does no harm."""
        with translated(f"heartbeat of {instance}"):
            return _while_waiting(self._autoscaling.record_lifecycle_action_heartbeat, **_action(hook, instance))

    def complete(self, hook: Hook, instance: str, result: str) -> bool:
        """Answer the hook with CONTINUE or ABANDON; False when it was answered already, by us or by its timeout."""
        with translated(f"{result} {instance}"):
            act = self._autoscaling.complete_lifecycle_action
            return _while_waiting(act, **_action(hook, instance), LifecycleActionResult=result)

    def _describe(self, instance: str) -> dict[str, Any]:
        try:
            with translated(f"describe instance {instance}"):
                reservations = self._ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        except Invalid as error:
            if "InvalidInstanceID" in str(error):
                return {}
            raise
        return next((dict(found) for reservation in reservations for found in reservation["Instances"]), {})


def _action(hook: Hook, instance: str) -> dict[str, str]:
    token = {"LifecycleActionToken": hook.token} if hook.token else {}
    return {"LifecycleHookName": hook.name, "AutoScalingGroupName": hook.group, "InstanceId": instance, **token}


def _while_waiting(call: Any, **arguments: str) -> bool:
    """Auto Scaling says ValidationError "No active Lifecycle Action found" where there is none: not an error to us."""
    try:
        call(**arguments)
    except ClientError as error:
        if code_of(error) == "ValidationError" and "No active Lifecycle Action" in str(error):
            return False
        raise
    return True
