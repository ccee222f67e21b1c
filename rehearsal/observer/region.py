"""What the observer reads of the region, through boto3 like anybody from outside."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import boto3

from rehearsal.observer.model import Expectations

IGNORED = "ignored"
"""What `find` says in the output of an execution whose event was none of the product's."""


@dataclass(frozen=True)
class AwsAccess:
    """Where the region answers."""

    endpoint: str
    region: str = "us-east-1"


@dataclass(frozen=True)
class Instance:
    """A member of a group."""

    instance_id: str
    state: str
    """Lifecycle state: InService, Pending:Wait, Terminating…"""
    protected: bool
    image: str = ""


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group as it stands."""

    name: str
    sizes: Mapping[str, int]
    """min, max, desired."""
    suspended: frozenset[str]
    protects_new: bool
    instances: tuple[Instance, ...]
    image: str = ""
    """What it would launch next; empty where no single launch template says so."""


@dataclass(frozen=True)
class Execution:
    """One execution of a state machine."""

    machine: str
    name: str
    status: str
    ignored: bool = False
    """Its first finding was that its event is none of the product's."""


@dataclass(frozen=True)
class Ending:
    """The region at the end."""

    groups: Mapping[str, Group]
    executions: Sequence[Execution]
    items: Sequence[str]
    """`pk` and `sk` of every item of the table, joined by a blank."""
    reports: Sequence[str]


class Region:
    """The region's own APIs; every method reads, none writes."""

    def __init__(self, access: AwsAccess) -> None:
        self._access = access
        self._clients: dict[str, Any] = {}

    def groups(self) -> dict[str, Group]:
        """Every Auto Scaling group by name."""
        pages = self._pages("autoscaling", "describe_auto_scaling_groups")
        found = [group for page in pages for group in page["AutoScalingGroups"]]
        images = self._images() if found else {}
        return {g["AutoScalingGroupName"]: _group(g, images, self._next_image(g)) for g in found}

    def _images(self) -> dict[str, str]:
        """The image of every instance."""
        reservations = [r for page in self._pages("ec2", "describe_instances") for r in page["Reservations"]]
        return {i["InstanceId"]: i["ImageId"] for r in reservations for i in r["Instances"]}

    def _next_image(self, group: Mapping[str, Any]) -> str:
        template = group.get("LaunchTemplate")
        if not template:
            return ""
        named = {"LaunchTemplateId": template["LaunchTemplateId"], "Versions": [template["Version"]]}
        (version,) = self._client("ec2").describe_launch_template_versions(**named)["LaunchTemplateVersions"]
        return str(version["LaunchTemplateData"].get("ImageId", ""))

    def ending(self, expected: Expectations) -> Ending:
        """All that the rules for the end look at."""
        items = self._items(expected.table) if expected.table else []
        reports = self._keys(expected.bucket) if expected.bucket else []
        return Ending(self.groups(), list(self._executions(expected.reported_machines)), items, reports)

    def _executions(self, reported: Sequence[str]) -> Iterator[Execution]:
        """All executions; what those ended with that must report tells whether they had anything to report."""
        for page in self._pages("stepfunctions", "list_state_machines"):
            for machine in page["stateMachines"]:
                arn = machine["stateMachineArn"]
                reports = any(fnmatchcase(machine["name"], pattern) for pattern in reported)
                for found in self._pages("stepfunctions", "list_executions", stateMachineArn=arn):
                    for e in found["executions"]:
                        ignored = e["status"] == "SUCCEEDED" and reports and self._ignored(e["executionArn"])
                        yield Execution(machine["name"], e["name"], e["status"], ignored=ignored)

    def _ignored(self, arn: str) -> bool:
        output = json.loads(self._client("stepfunctions").describe_execution(executionArn=arn).get("output") or "{}")
        found = output.get("find") if isinstance(output, dict) else None
        return isinstance(found, dict) and found.get("status") == IGNORED

    def _items(self, table: str) -> list[str]:
        pages = self._pages("dynamodb", "scan", TableName=table, ProjectionExpression="pk, sk")
        return [" ".join(v["S"] for _, v in sorted(i.items())) for page in pages for i in page["Items"]]

    def _keys(self, bucket: str) -> list[str]:
        pages = self._pages("s3", "list_objects_v2", Bucket=bucket)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def _pages(self, service: str, operation: str, **given: Any) -> Iterator[dict[str, Any]]:
        yield from self._client(service).get_paginator(operation).paginate(**given)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            make: Any = boto3.client  # its stubs know the service by literals only
            self._clients[service] = make(
                service, endpoint_url=self._access.endpoint, region_name=self._access.region,
                aws_access_key_id="observer", aws_secret_access_key="observer",
            )  # fmt: skip
        return self._clients[service]


def _group(found: Mapping[str, Any], images: Mapping[str, str], image: str) -> Group:
    return Group(
        name=found["AutoScalingGroupName"],
        sizes={"min": found["MinSize"], "max": found["MaxSize"], "desired": found["DesiredCapacity"]},
        suspended=frozenset(p["ProcessName"] for p in found.get("SuspendedProcesses", [])),
        protects_new=bool(found.get("NewInstancesProtectedFromScaleIn")),
        instances=tuple(
            Instance(
                i["InstanceId"],
                i["LifecycleState"],
                bool(i.get("ProtectedFromScaleIn")),
                images.get(i["InstanceId"], ""),
            )
            for i in found["Instances"]
        ),
        image=image,
    )
