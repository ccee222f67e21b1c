"""Everything that functions touch, each made when it is first asked for.

A function takes this as one argument, so that a test can hand it a small world of its own, and so that a function
that needs no Kubernetes does not pay for importing it (0.28 s, measured).
"""

from functools import cached_property
from typing import TYPE_CHECKING

from gpuops.adapters.alarms import Alarms
from gpuops.adapters.budgets import Budgets
from gpuops.adapters.bus import Bus
from gpuops.adapters.claims import Claims
from gpuops.adapters.executions import Executions
from gpuops.adapters.groups import Groups
from gpuops.adapters.image_notes import ImageNotes
from gpuops.adapters.images import Images
from gpuops.adapters.instance_types import InstanceTypes
from gpuops.adapters.instances import Instances
from gpuops.adapters.memory import Memory
from gpuops.adapters.nodegroups import Nodegroups
from gpuops.adapters.people import People
from gpuops.adapters.pipelines import Pipelines
from gpuops.adapters.policies import Policies
from gpuops.adapters.registry import Registry
from gpuops.adapters.releases import Releases
from gpuops.adapters.reports import Reports
from gpuops.adapters.rooms import Rooms
from gpuops.adapters.store import Store
from gpuops.adapters.templates import Templates
from gpuops.adapters.turns import Turns
from gpuops.adapters.wishes import Wishes

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster
    from gpuops.adapters.disruptions import Disruptions
    from gpuops.adapters.jobs import Jobs
    from gpuops.adapters.metrics import Metrics
    from gpuops.adapters.objects import Objects
    from gpuops.adapters.workloads import Workloads


class World:
    """The adapters, built from the function's environment."""

    @cached_property
    def store(self) -> Store:
        """The table."""
        return Store.from_env()

    @cached_property
    def claims(self) -> Claims:
        """Which new node stands in for which old one."""
        return Claims.from_env()

    @cached_property
    def memory(self) -> Memory:
        """What the table remembers beyond a run."""
        return Memory.from_env()

    @cached_property
    def releases(self) -> Releases:
        """What the table remembers of AMI releases."""
        return Releases.from_env()

    @cached_property
    def turns(self) -> Turns:
        """Which run brings a cluster to its configurations."""
        return Turns.from_env()

    @cached_property
    def people(self) -> People:
        """Whoever is asked, and answers."""
        return People.from_env()

    @cached_property
    def budgets(self) -> Budgets:
        """Which nodes of the fleet are closed, and by whom."""
        return Budgets.from_env()

    @cached_property
    def wishes(self) -> Wishes:
        """What people wish of runs, and the global stop."""
        return Wishes.from_env()

    @cached_property
    def policies(self) -> Policies:
        """The policy file's versions."""
        return Policies.from_env()

    @cached_property
    def groups(self) -> Groups:
        """Auto Scaling groups."""
        return Groups.from_env()

    @cached_property
    def nodegroups(self) -> Nodegroups:
        """EKS managed node groups."""
        return Nodegroups.from_env()

    @cached_property
    def instances(self) -> Instances:
        """Single instances and their launch hooks."""
        return Instances.from_env()

    @cached_property
    def rooms(self) -> Rooms:
        """Whether more instances could be had."""
        return Rooms.from_env()

    @cached_property
    def registry(self) -> Registry:
        """Registries of container images."""
        return Registry.from_env()

    @cached_property
    def image_notes(self) -> ImageNotes:
        """What images were found to require."""
        return ImageNotes.from_env()

    @cached_property
    def types(self) -> InstanceTypes:
        """Instance types."""
        return InstanceTypes.from_env()

    @cached_property
    def templates(self) -> Templates:
        """Launch templates."""
        return Templates.from_env()

    @cached_property
    def images(self) -> Images:
        """AMIs and their announcements."""
        return Images.from_env()

    @cached_property
    def alarms(self) -> Alarms:
        """CloudWatch alarms."""
        return Alarms.from_env()

    @cached_property
    def pipelines(self) -> Pipelines:
        """EC2 Image Builder."""
        return Pipelines.from_env()

    @cached_property
    def executions(self) -> Executions:
        """Step Functions."""
        return Executions.from_env()

    @cached_property
    def bus(self) -> Bus:
        """Our own events."""
        return Bus.from_env()

    @cached_property
    def reports(self) -> Reports:
        """The bucket of reports."""
        return Reports.from_env()

    def cluster(self, name: str) -> "Cluster":
        """Connect to a cluster by its EKS name. Raises: Unavailable, Refused, Invalid."""
        from gpuops.adapters.cluster import Cluster  # noqa: PLC0415 - see the module's docstring

        return Cluster.connect(name)

    def jobs(self, cluster: "Cluster") -> "Jobs":
        """The smoke Jobs of a cluster, over the same connection."""
        from gpuops.adapters.jobs import Jobs  # noqa: PLC0415 - the same

        return Jobs(cluster.kube)

    def workloads(self, cluster: "Cluster") -> "Workloads":
        """What holds a cluster's GPUs, over the same connection."""
        from gpuops.adapters.workloads import Workloads  # noqa: PLC0415 - the same

        return Workloads(cluster.kube)

    def disruptions(self, cluster: "Cluster") -> "Disruptions":
        """The disruption budgets of a cluster, over the same connection."""
        from gpuops.adapters.disruptions import Disruptions  # noqa: PLC0415 - the same

        return Disruptions(cluster.kube)

    def objects(self, cluster: "Cluster") -> "Objects":
        """What gpuops installs in a cluster, over the same connection."""
        from gpuops.adapters.objects import Objects  # noqa: PLC0415 - the same

        return Objects(cluster.kube)

    def metrics(self, cluster: "Cluster") -> "Metrics":
        """The exporters of a cluster, over the same connection."""
        from gpuops.adapters.metrics import Metrics  # noqa: PLC0415 - the same

        return Metrics(cluster.kube)
