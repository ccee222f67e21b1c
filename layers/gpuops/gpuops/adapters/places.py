"""Where a signal's instance is: its node and its group, as EC2's own description and tags say.

One call answers for a name of either kind, and asks no cluster: a node that is cut off from it is found all the same.
"""

from collections.abc import Iterator
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.faults.place import Place

GROUP_TAG = "aws:autoscaling:groupName"
STATES = ["pending", "running", "stopping", "stopped"]
"""An instance that is terminated has nothing to be repaired."""


class Places:
    """Looks instances up. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ec2"))

    def of_instance(self, instance: str) -> Place | None:
        """Return where the instance is, or None where there is none that lives."""
        return next(self._find("instance-id", instance), None)

    def of_node(self, node: str) -> Place | None:
        """Return where the node of that name runs: EKS names a Node after its instance's private DNS name."""
        return next(self._find("private-dns-name", node), None)

    def in_reservation(self, reservation: str) -> list[Place]:
        """Return every instance that runs in a capacity reservation."""
        return list(self._find("capacity-reservation-id", reservation))

    def _find(self, name: str, value: str) -> Iterator[Place]:
        filters = [{"Name": name, "Values": [value]}, {"Name": "instance-state-name", "Values": STATES}]
        with translated(f"find the instance with {name} {value}"):
            pages = list(self._ec2.get_paginator("describe_instances").paginate(Filters=filters))
        for found in (i for page in pages for reservation in page["Reservations"] for i in reservation["Instances"]):
            tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
            yield Place(found["InstanceId"], found.get("PrivateDnsName", ""), tags.get(GROUP_TAG, ""))
