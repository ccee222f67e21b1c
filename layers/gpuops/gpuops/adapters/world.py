"""Everything that functions touch, each imported and made when it is first asked for.

A function takes this as one argument, so that a test can hand it a small world of its own, and so that a function
that needs no Kubernetes, or no reports, does not pay for importing them.
"""

from typing import TYPE_CHECKING

from gpuops.adapters.inside import Inside
from gpuops.adapters.late import Late

if TYPE_CHECKING:
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

    store: "Late[Store]" = Late("store.Store")
    """The table."""
    claims: "Late[Claims]" = Late("claims.Claims")
    """Which new node stands in for which old one."""
    memory: "Late[Memory]" = Late("memory.Memory")
    """What the table remembers beyond a run."""
    releases: "Late[Releases]" = Late("releases.Releases")
    """What the table remembers of AMI releases."""
    turns: "Late[Turns]" = Late("turns.Turns")
    """Which run brings a cluster to its configurations."""
    people: "Late[People]" = Late("people.People")
    """Whoever is asked, and answers."""
    budgets: "Late[Budgets]" = Late("budgets.Budgets")
    """Which nodes of the fleet are closed, and by whom."""
    attempts: "Late[Attempts]" = Late("attempts.Attempts")
    """What the table remembers of repairs."""
    incidents: "Late[Incidents]" = Late("incidents.Incidents")
    """Which execution answers for which instance."""
    places: "Late[Places]" = Late("places.Places")
    """Where a signal's instance is."""
    notices: "Late[Notices]" = Late("notices.Notices")
    """Whoever is told what became of a repair."""
    quarantine: "Late[Quarantine]" = Late("quarantine.Quarantine")
    """Signals that nobody can act on."""
    pools: "Late[Pools]" = Late("pools.Pools")
    """What is remembered of pools and workloads."""
    seen: "Late[Seen]" = Late("seen.Seen")
    """What the detector saw last."""
    wishes: "Late[Wishes]" = Late("wishes.Wishes")
    """What people wish of runs, and the global stop."""
    policies: "Late[Policies]" = Late("policies.Policies")
    """The policy file's versions."""
    groups: "Late[Groups]" = Late("groups.Groups")
    """Auto Scaling groups."""
    nodegroups: "Late[Nodegroups]" = Late("nodegroups.Nodegroups")
    """EKS managed node groups."""
    instances: "Late[Instances]" = Late("instances.Instances")
    """Single instances and their launch hooks."""
    roots: "Late[Roots]" = Late("roots.Roots")
    """Root volumes of running instances."""
    rooms: "Late[Rooms]" = Late("rooms.Rooms")
    """Whether more instances could be had."""
    registry: "Late[Registry]" = Late("registry.Registry")
    """Registries of container images."""
    image_notes: "Late[ImageNotes]" = Late("image_notes.ImageNotes")
    """What images were found to require."""
    types: "Late[InstanceTypes]" = Late("instance_types.InstanceTypes")
    """Instance types."""
    templates: "Late[Templates]" = Late("templates.Templates")
    """Launch templates."""
    images: "Late[Images]" = Late("images.Images")
    """AMIs and their announcements."""
    alarms: "Late[Alarms]" = Late("alarms.Alarms")
    """CloudWatch alarms."""
    pipelines: "Late[Pipelines]" = Late("pipelines.Pipelines")
    """EC2 Image Builder."""
    executions: "Late[Executions]" = Late("executions.Executions")
    """Step Functions."""
    bus: "Late[Bus]" = Late("bus.Bus")
    """Our own events."""
    reports: "Late[Reports]" = Late("reports.Reports")
    """The bucket of reports."""
