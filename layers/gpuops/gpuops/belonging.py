"""To which group of the policy a launched instance belongs."""

from gpuops.adapters.instances import Instances
from gpuops.domain.admission.event import Launch
from gpuops.domain.policy import GroupPolicy, Policy


def group_of(launch: Launch, policy: Policy, instances: Instances) -> GroupPolicy | None:
    """Return it by the Auto Scaling group's name or, where a node group of EKS's may have moved, by that one's tag.

    Raises: Unavailable, Refused.
    """
    named = {group.group: group for group in policy.groups}
    if launch.group in named or not any(group.nodegroup for group in policy.groups):
        return named.get(launch.group)
    return named.get(instances.belongs_to(launch.group))
