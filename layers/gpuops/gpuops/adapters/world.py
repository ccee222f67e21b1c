"""Everything that functions touch, each made when it is first asked for.

A function takes this as one argument, so that a test can hand it a small world of its own, and so that a function
that needs no Kubernetes does not pay for importing it (0.28 s, measured).
"""

from functools import cached_property

from gpuops.adapters.alarms import Alarms
from gpuops.adapters.attempts import Attempts
from gpuops.adapters.budgets import Budgets
from gpuops.adapters.bus import Bus
from gpuops.adapters.claims import Claims
from gpuops.adapters.executions import Executions
from gpuops.adapters.groups import Groups
from gpuops.adapters.image_notes import ImageNotes
from gpuops.adapters.images import Images
from gpuops.adapters.incidents import Incidents
from gpuops.adapters.inside import Inside
from gpuops.adapters.instance_types import InstanceTypes
from gpuops.adapters.instances import Instances
from gpuops.adapters.memory import Memory
from gpuops.adapters.nodegroups import Nodegroups
from gpuops.adapters.notices import Notices
from gpuops.adapters.people import People
from gpuops.adapters.pipelines import Pipelines
from gpuops.adapters.places import Places
from gpuops.adapters.policies import Policies
from gpuops.adapters.pools import Pools
from gpuops.adapters.quarantine import Quarantine
from gpuops.adapters.registry import Registry
from gpuops.adapters.releases import Releases
from gpuops.adapters.reports import Reports
from gpuops.adapters.rooms import Rooms
from gpuops.adapters.roots import Roots
from gpuops.adapters.seen import Seen
from gpuops.adapters.store import Store
from gpuops.adapters.templates import Templates
from gpuops.adapters.turns import Turns
from gpuops.adapters.wishes import Wishes


class World(Inside):
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
    def attempts(self) -> Attempts:
        """What the table remembers of repairs."""
        return Attempts.from_env()

    @cached_property
    def incidents(self) -> Incidents:
        """Which execution answers for which instance."""
        return Incidents.from_env()

    @cached_property
    def places(self) -> Places:
        """Where a signal's instance is."""
        return Places.from_env()

    @cached_property
    def notices(self) -> Notices:
        """Whoever is told what became of a repair."""
        return Notices.from_env()

    @cached_property
    def quarantine(self) -> Quarantine:
        """Signals that nobody can act on."""
        return Quarantine.from_env()

    @cached_property
    def pools(self) -> Pools:
        """What is remembered of pools and workloads."""
        return Pools.from_env()

    @cached_property
    def seen(self) -> Seen:
        """What the detector saw last."""
        return Seen.from_env()

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
    def roots(self) -> Roots:
        """Root volumes of running instances."""
        return Roots.from_env()

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
