"""What a function of a rotation gets instead of AWS and Kubernetes.

The table is the real adapter over moto's DynamoDB, because what a condition refuses is the point of most tests.
"""

# ruff: noqa: D102 - a fake's methods are described where the adapter stands

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, Self

from gpuops.adapters.attempts import Attempts
from gpuops.adapters.budgets import Budgets
from gpuops.adapters.claims import Claims
from gpuops.adapters.image_notes import ImageNotes
from gpuops.adapters.incidents import Incidents
from gpuops.adapters.memory import Memory
from gpuops.adapters.pools import Pools
from gpuops.adapters.releases import Releases
from gpuops.adapters.store import Store
from gpuops.adapters.table import Table
from gpuops.adapters.wishes import Wishes
from gpuops.domain.drivers.images import ImageRef
from gpuops.domain.drivers.kinds import GpuType
from gpuops.domain.drivers.workloads import Use
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Canary, Policy, parse_policy
from gpuops.domain.rotation.bake import Alarm
from gpuops.domain.rotation.lock import Execution
from gpuops.domain.rotation.root import RootTask
from tests.fakes.dynamodb import client
from tests.fakes.nodegroups import Disruptions, Nodegroups
from tests.fakes.rotation import ARN, NOW, POLICY, Cluster, Groups, Images, Templates


@dataclass
class Alarms:
    """Whichever alarms there are, the policy means all of them."""

    states: dict[str, Alarm] = field(default_factory=dict)
    broken: Exception | None = None

    def look(self, policy: Canary, since: datetime) -> list[Alarm]:
        if self.broken:
            raise self.broken
        return list(self.states.values())


@dataclass
class Roots:
    """EC2's replacements of root volumes; a test says when one is done."""

    tasks: dict[str, RootTask] = field(default_factory=dict)
    """By instance, the last one."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    refused: Exception | None = None

    def replace(self, instance: str, image: str, token: str) -> RootTask:
        if self.refused:
            raise self.refused
        known = self.task(token)
        if known is None:
            self.asked.append((instance, image))
        self.tasks[instance] = known or RootTask(id=token, state="pending", image=image)
        return self.tasks[instance]

    def task(self, task: str) -> RootTask | None:
        return next((one for one in self.tasks.values() if one.id == task), None)

    def busy(self, instance: str) -> bool:
        return instance in self.tasks and self.tasks[instance].runs


class Metrics:
    """No exporter runs."""

    def scrape(self, node: str) -> None:
        return None


@dataclass
class World:
    """What a function gets instead of AWS and Kubernetes."""

    groups: Groups
    store: Store
    templates: Templates = field(default_factory=Templates)
    images: Images = field(default_factory=Images)
    connected: Cluster = field(default_factory=Cluster)
    alarms: Alarms = field(default_factory=Alarms)
    roots: Roots = field(default_factory=Roots)
    nodegroups: Nodegroups = field(default_factory=Nodegroups)
    blocked: Disruptions = field(default_factory=Disruptions)
    policy: str = POLICY
    running: set[str] = field(default_factory=set)
    told: list[dict[str, Any]] = field(default_factory=list)
    escalated: list[dict[str, Any]] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    """What holds the GPUs of the group's old nodes."""
    images_say: dict[str, dict[str, str] | Exception] = field(default_factory=dict)
    """The variables of container images by host and repository, or why they cannot be read."""
    pulled: list[ImageRef] = field(default_factory=list)
    smokes: dict[str, str] = field(default_factory=dict)
    """Smoke Jobs of the group by name, with their nodes."""

    room: dict[str, Any] = field(default_factory=dict)
    """What `rooms` knows: reservation, addresses, quota, vcpus; the rest is unknown."""

    builds: dict[str, str] = field(default_factory=dict)
    """Images of Image Builder, each with its pipeline."""

    rebooted: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    """By instance, EC2's word for it; running, if nothing is said."""
    stopped: list[tuple[str, bool]] = field(default_factory=list)
    """Which instances were to stop, and whether by force."""
    unstoppable: str = ""
    """Why EC2 stops none."""

    repairs: Any = None
    """Jobs that reset GPUs, for who does."""

    policies = executions = bus = reports = instances = types = registry = pipelines = property(lambda self: self)

    def group_of(self, instance: str) -> str | None:
        return self.groups.group.name if self.groups.group.instance(instance) else None

    def reboot(self, instance: str) -> None:
        self.rebooted.append(instance)

    def state_of(self, instance: str) -> str:
        return self.states.get(instance, "running")

    def stop(self, instance: str, *, force: bool) -> None:
        if self.unstoppable:
            raise Invalid(self.unstoppable)
        self.stopped.append((instance, force))

    def resets(self, cluster: Cluster) -> Any:
        return self.repairs

    def private_dns(self, instance: str) -> str:
        return f"node-{instance}"

    @property
    def pools(self) -> Pools:
        return Pools(self.store._table)

    @property
    def wishes(self) -> Wishes:
        return Wishes(self.store._table)

    @property
    def claims(self) -> Claims:
        return Claims(self.store._table)

    @property
    def budgets(self) -> Budgets:
        return Budgets(self.store._table)

    @property
    def memory(self) -> Memory:
        return Memory(self.store._table)

    @property
    def incidents(self) -> Incidents:
        return Incidents(self.store._table)

    @property
    def attempts(self) -> Attempts:
        return Attempts(self.store._table)

    @property
    def releases(self) -> Releases:
        return Releases(self.store._table)

    def pipeline_of(self, image: str) -> str | None:
        return self.builds.get(image)

    @property
    def rooms(self) -> Any:
        known = ("reservation", "addresses", "quota", "vcpus")
        return SimpleNamespace(**{name: lambda _asked, name=name: self.room.get(name) for name in known})

    def cluster(self, name: str) -> Cluster:
        return self.connected

    def metrics(self, cluster: Cluster, namespaces: Collection[str]) -> Metrics:
        return Metrics()

    def describe(self, names: Iterable[str]) -> tuple[GpuType, ...]:
        return tuple(GpuType(name, "T4", 1, 16384, 4, 16384, ("x86_64",)) for name in sorted(names))

    def workloads(self, cluster: Cluster) -> Self:
        return self

    def on(self, nodes: Collection[str]) -> list[Use]:
        return self.uses

    @property
    def image_notes(self) -> ImageNotes:
        return ImageNotes(self.store._table)

    def environment(self, image: ImageRef, architecture: str) -> dict[str, str]:
        self.pulled.append(image)
        answer = self.images_say.get(f"{image.host}/{image.repository}", {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def disruptions(self, cluster: Cluster) -> Disruptions:
        return self.blocked

    def jobs(self, cluster: Cluster) -> Self:
        return self

    def of_group(self, group: str) -> dict[str, str]:
        return dict(self.smokes)

    def delete(self, job: str) -> None:
        del self.smokes[job]

    def latest(self) -> Policy:
        return parsed(self.policy, "v1")

    def at(self, version: str) -> Policy:
        return parsed(self.policy, version)

    def type_of(self, instance: str) -> tuple[str, int]:
        return "g4dn.xlarge", 1

    def of_machine(self, machine: str, name: str) -> Execution:
        return self.find(ARN + name)

    def find(self, arn: str) -> Execution:
        return Execution(running=arn in self.running, ended=None if arn in self.running else NOW - timedelta(days=1))

    def put_release(self, detail: dict[str, Any]) -> None:
        self.told.append(detail)

    def put_escalation(self, detail: dict[str, Any]) -> None:
        self.escalated.append(detail)

    def write(self, key: str, content: str, content_type: str, *, keep: bool = False) -> None:
        self.written[key] = self.written.get(key, content) if keep else content


@cache
def parsed(policy: str, version: str) -> Policy:
    """The policy, which nobody can change: a story asks for the same one again and again."""
    return parse_policy(policy, version)


def table() -> Table:
    """Return an empty table in moto's DynamoDB; call it inside `mock_aws`."""
    dynamodb = client()
    names = [("pk", "HASH"), ("sk", "RANGE")]
    dynamodb.create_table(
        TableName="gpuops",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
        BillingMode="PAY_PER_REQUEST",
    )
    return Table(dynamodb, "gpuops")
