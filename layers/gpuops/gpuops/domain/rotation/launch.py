"""Which launch templates a group names, and the same specification pointed at others.

A mixed-instances policy may name a template, and an image, for each instance type: all of them must move, or the
group keeps launching the old image for some types.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.group import Template

Launch = dict[str, Any]


def templates_of(launch: Launch) -> tuple[Template, ...]:
    """Return every launch template that the group names, the main one first, each once.

    Raises: Invalid when the group has a launch configuration (AWS no longer lets new accounts create them).
    """
    found = dict.fromkeys(_template(spec) for spec in _specifications(launch))
    if not found:
        raise Invalid("the group uses a launch configuration; only launch templates can be rolled")
    return tuple(found)


def override_amis(launch: Launch) -> tuple[str, ...]:
    """Return the images that overrides name beside their templates."""
    return tuple(override["ImageId"] for override in _overrides(launch) if override.get("ImageId"))


def types_of(launch: Launch, data: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return every instance type that the group may launch by name; `data` is what its templates hold.

    A group that chooses by attributes names none.
    """
    named = [override.get("InstanceType") for override in _overrides(launch)]
    if not any(named):
        named = [template.get("InstanceType") for template in data]
    return frozenset(name for name in named if name)


def retarget(launch: Launch, versions: Mapping[Template, Template], ami: str) -> Launch:
    """Return the specification with each template replaced by its new version, and each override's image by `ami`."""
    moved = copy.deepcopy(launch)
    for spec in _specifications(moved):
        new = versions[_template(spec)]
        spec.clear()
        spec |= {"LaunchTemplateId": new.id, "Version": new.version}
    for override in _overrides(moved):
        if override.get("ImageId"):
            override["ImageId"] = ami
    return moved


def with_amis(launch: Launch, amis: Sequence[str]) -> Launch:
    """Return the specification with the images of its overrides, one after the other, replaced by these."""
    moved = copy.deepcopy(launch)
    named = (override for override in _overrides(moved) if override.get("ImageId"))
    for override, ami in zip(named, amis, strict=True):
        override["ImageId"] = ami
    return moved


def _template(spec: Mapping[str, str]) -> Template:
    """Return the reference; without a version, Auto Scaling means `$Default` (its API reference)."""
    return Template(
        id=spec.get("LaunchTemplateId") or spec["LaunchTemplateName"], version=spec.get("Version", "$Default")
    )


def _specifications(launch: Launch) -> Iterator[dict[str, Any]]:
    """Every place of the specification that names a launch template."""
    if "LaunchTemplate" in launch:
        yield launch["LaunchTemplate"]
    mixed = launch.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    if "LaunchTemplateSpecification" in mixed:
        yield mixed["LaunchTemplateSpecification"]
    for override in _overrides(launch):
        if "LaunchTemplateSpecification" in override:
            yield override["LaunchTemplateSpecification"]


def _overrides(launch: Launch) -> list[dict[str, Any]]:
    """The per-type parts of a mixed-instances policy."""
    overrides: list[dict[str, Any]] = (
        launch.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", [])
    )
    return overrides
