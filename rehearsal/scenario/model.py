"""The whole scenario, with every reference between its parts checked.

A misspelt name that silently matched nothing would make a rehearsal pass for the wrong reason.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Self

import yaml
from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rehearsal.scenario.expect import Expect
from rehearsal.scenario.parts import Name, Part
from rehearsal.scenario.story import Moment, Trigger
from rehearsal.scenario.world import Alarm, Group, Release, Workload, Zone

Place = tuple[str | int, ...]


class Scenario(Part):
    """The whole file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    """The file's name without its ending; also the folder of its results."""
    description: str = ""
    seed: Annotated[str, Field(coerce_numbers_to_str=True)] = "1"
    start: AwareDatetime = datetime.fromisoformat("2026-11-23T09:00:00Z")
    kubernetes: Annotated[str, StringConstraints(pattern=r"^1\.\d\d$")] = "1.36"
    cluster: Name
    zones: tuple[Zone, ...] = Field(min_length=1)
    releases: tuple[Release, ...] = Field(min_length=1)
    groups: tuple[Group, ...] = Field(min_length=1)
    workloads: tuple[Workload, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    timeline: tuple[Moment, ...] = ()
    policy: dict[str, Any] | str = Field(default_factory=dict)
    """fleet.yaml: inline, or the name of a file, whose text is kept as it is so that a broken one stays broken."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """The stack's own, by their names in the template; a topic that one names is made first."""
    trigger: Trigger = Trigger()
    until_seconds: Annotated[float, Field(gt=0)] = 86_400
    aftermath_seconds: Annotated[float, Field(ge=0)] = 300
    """How long the world is left alone after the last execution, before the end is judged."""
    expect: Expect = Expect()

    @property
    def epoch(self) -> float:
        """The start as the clock wants it."""
        return self.start.timestamp()

    def release_of(self, group: Group) -> Release:
        """The release whose AMI the group starts with."""
        return next(release for release in self.releases if group.release in (release.ami, release.release))

    @property
    def policy_text(self) -> str:
        """The policy as it is uploaded."""
        return self.policy if isinstance(self.policy, str) else yaml.safe_dump(self.policy, sort_keys=False)

    @model_validator(mode="after")
    def _references(self) -> Self:
        for path, message in _dangling(self):
            raise PydanticCustomError("reference", "{message}", {"message": message, "path": path})
        return self


def _dangling(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    """Names that point at nothing, and sizes that do not fit, each with the path of the offending value."""
    zones = {zone.name for zone in scenario.zones}
    releases = [name for release in scenario.releases for name in (release.ami, release.release)]
    for i, group in enumerate(scenario.groups):
        for j, zone in enumerate(group.zones):
            if zone not in zones:
                yield ("groups", i, "zones", j), f"no zone named {zone!r} (there are: {', '.join(sorted(zones))})"
        if releases.count(group.release) > 1:
            yield ("groups", i, "release"), f"{group.release} has several images: name one by its AMI id"
        if group.release not in releases:
            yield ("groups", i, "release"), f"no release {group.release!r} (there are: {', '.join(releases)})"
        if not group.min <= group.size <= group.max:
            yield ("groups", i, "size"), f"size {group.size} is not between min {group.min} and max {group.max}"
    for i, workload in enumerate(scenario.workloads):
        if workload.volume_zone not in {None, *zones}:
            yield ("workloads", i, "volume_zone"), f"no zone named {workload.volume_zone!r}"
        if workload.kind != "job" and workload.run_seconds is not None:
            yield ("workloads", i, "run_seconds"), f"only a job ends by itself, not a {workload.kind}"
    yield from _astray(scenario)
    yield from _repeated(scenario)


def _astray(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    """Moments and expectations of groups that there are not."""
    named = [group.name for group in scenario.groups]
    about: list[tuple[Place, str | None]] = []
    for i, moment in enumerate(scenario.timeline):
        key = next(iter(moment.model_fields_set - {"at"}))
        about += [(("timeline", i, key, name), name) for name in moment.desired or moment.limits or ()]
        about.append((("timeline", i, key) if key == "terminate" else ("timeline", i, key, "group"), moment.group))
    about += [(("expect", "nodes", i, "group"), nodes.group) for i, nodes in enumerate(scenario.expect.nodes)]
    for i, moment in enumerate(scenario.timeline):
        about += (
            [(("timeline", i, "alarm", "series", name), name) for name in moment.alarm.series or ()]
            if moment.alarm
            else []
        )
    about += [(("alarms", i, "watches", "group"), a.watches.group) for i, a in enumerate(scenario.alarms) if a.watches]
    for key in ("suspended", "groups"):
        about += [(("expect", key, name), name) for name in getattr(scenario.expect, key)]
    known = {alarm.name for alarm in scenario.alarms}
    for i, moment in enumerate(scenario.timeline):
        if moment.alarm and moment.alarm.name not in known:
            yield ("timeline", i, "alarm", "name"), f"no alarm named {moment.alarm.name!r}"
    amis = [release.ami for release in scenario.releases]
    for i, moment in enumerate(scenario.timeline):
        if moment.withdraw and moment.withdraw.ami not in amis:
            yield ("timeline", i, "withdraw", "ami"), f"no release with {moment.withdraw.ami!r}"
    for place, name in about:
        if name is not None and name not in named:
            yield place, f"no group named {name!r} (there are: {', '.join(named)})"


def _repeated(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    named: dict[str, list[str]] = {
        "zones": [zone.name for zone in scenario.zones],
        "releases": [release.ami for release in scenario.releases],
        "groups": [group.name for group in scenario.groups],
        "alarms": [alarm.name for alarm in scenario.alarms],
        "workloads": [f"{work.kind}/{work.namespace}/{work.name}" for work in scenario.workloads],
    }
    for key, names in named.items():
        for i, name in enumerate(names):
            if name in names[:i]:
                yield (key, i), f"{name} is there twice"
