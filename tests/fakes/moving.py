"""Two Auto Scaling groups of EKS's that belong to one group, and the EKS that makes and deletes them."""

# ruff: noqa: D102 - a fake's methods are described where the adapter stands

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gpuops.domain.errors import Conflict, Invalid
from gpuops.domain.rotation.change import GroupUpdate
from gpuops.domain.rotation.group import GROUP_TAG, Group, Home, Instance, Template
from gpuops.domain.rotation.nodegroup import Nodegroup
from tests.fakes.nodegroups import MANAGED
from tests.fakes.rotation import NEW, OLD

LIKE = {
    "amiType": "AL2023_x86_64_NVIDIA",
    "instanceTypes": ["g4dn.xlarge"],
    "nodeRole": "arn:aws:iam::123456789012:role/nodes",
    "subnets": ["subnet-1"],
    "labels": {"team": "a"},
    "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}],
    "tags": {"cost": "ml"},
}
FIRST = replace(MANAGED, groups=("eks-ng-1",), likeness=LIKE)


def home(name: str, ami: str, size: int, **more: Any) -> Home:
    """An Auto Scaling group as EKS made it for a node group."""
    launch = {"LaunchTemplate": {"LaunchTemplateId": f"lt-{name}-{ami}", "Version": "1"}}
    given = {"min": 1, "max": 4, "launch": launch, "tags": {"eks:nodegroup-name": name, "owner": "ml"}, **more}
    return Home(name=f"eks-{name}-1", nodegroup=name, desired=size, **given)


def there(number: int, of: Home, ami: str) -> Instance:
    """An instance of that group; the zones take turns."""
    template = Template(id=of.launch["LaunchTemplate"]["LaunchTemplateId"], version="1")
    zone = f"us-east-1{'ab'[number % 2]}"
    return Instance(id=f"i-{number:08x}", zone=zone, lifecycle="InService", ami=ami, template=template, home=of.name)


@dataclass
class Groups:
    """The Auto Scaling groups of the one group `gpu`, the oldest first; an untagged one does not belong to it yet."""

    homes: list[Home]
    instances: list[Instance]
    untagged: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    refused: list[Exception] = field(default_factory=list)
    """What the next terminations fail with, before they did anything."""

    @property
    def group(self) -> Group:
        return self.describe("gpu")

    def describe(self, name: str, known: Callable[[Instance], bool] | None = None) -> Group:
        homes = [home for home in self.homes if home.name not in self.untagged]
        if name != "gpu" or not homes:
            raise Invalid(f"Auto Scaling group {name!r} does not exist, or is being deleted")
        shown = [i for i in self.instances if i.home not in self.untagged]
        return Group(
            name="gpu",
            max=sum(home.max for home in homes),
            desired=sum(home.desired for home in homes),
            instances=tuple(replace(i, ami="") if known is not None and known(i) else i for i in shown),
            launch=homes[-1].launch,
            suspended=homes[-1].suspended,
            tags=homes[-1].tags,
            homes=tuple(homes),
        )

    def describe_all(self, names: Iterable[str]) -> dict[str, Group]:
        return {name: self.group for name in names if name == "gpu"}

    def total(self, names: Sequence[str]) -> int:
        return self.group.desired

    def one(self, name: str) -> Home:
        return next(home for home in self.homes if home.name == name)

    def change(self, name: str, **goals: Any) -> None:
        self.homes = [home.model_copy(update=goals) if home.name == name else home for home in self.homes]

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        self.untagged -= {name}
        self.change(name, tags={**self.one(name).tags, **tags})

    def update(self, name: str, goals: GroupUpdate) -> None:
        self.change(name, **{key: value for key, value in vars(goals).items() if value is not None})

    def suspend(self, name: str, processes: Iterable[str]) -> None:
        self.change(name, suspended=self.one(name).suspended | set(processes))

    def resume(self, name: str, processes: Iterable[str]) -> None:
        self.change(name, suspended=self.one(name).suspended - set(processes))

    def last_failure(self, name: str, since: datetime) -> str | None:
        return self.failures.get(name)

    def terminate(self, instance: str, *, decrement: bool) -> None:
        if self.refused:
            raise self.refused.pop(0)
        found = next(i for i in self.instances if i.id == instance)
        of = self.one(found.home)
        if decrement and of.desired <= of.min:
            raise Invalid("terminating would violate the group's minimum size")
        self.change(of.name, desired=of.desired - decrement)
        self.instances.remove(found)


@dataclass
class Nodegroups:
    """Node groups by name; a new one is ACTIVE, with its Auto Scaling group, once `made` was called."""

    groups: Groups
    found: dict[str, Nodegroup] = field(default_factory=lambda: {"ng": FIRST})
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    busy: bool = False

    def find(self, cluster: str, name: str) -> Nodegroup | None:
        return self.found.get(name)

    def describe(self, cluster: str, name: str) -> Nodegroup:
        if name not in self.found:
            raise Invalid(f"describe node group {name}: ResourceNotFoundException: No node group found")
        return self.found[name]

    def create(self, asked: dict[str, Any], token: str) -> None:
        self.asked.append(("create", asked, token))
        name = asked["nodegroupName"]
        self.found[name] = replace(
            FIRST,
            name=name,
            status="CREATING",
            release=asked["releaseVersion"],
            groups=(),
            tags=asked["tags"],
            startup_taint=True,
        )

    def made(self, name: str) -> None:
        made = home(name, NEW, 0, min=0, tags={"eks:nodegroup-name": name})
        self.found[name] = replace(self.found[name], status="ACTIVE", groups=(made.name,))
        self.groups.homes.append(made)
        self.groups.untagged.add(made.name)

    def delete(self, cluster: str, name: str) -> None:
        if self.busy:
            raise Conflict(f"node group {name} is UPDATING")
        assert not any(i.home == f"eks-{name}-1" for i in self.groups.instances), "EKS would drain its nodes"
        self.asked.append(("delete", name))
        self.found.pop(name, None)
        self.groups.homes = [home for home in self.groups.homes if home.nodegroup != name]

    def set_sizes(self, cluster: str, name: str, least: int, most: int, token: str) -> None:
        if self.busy:
            raise Conflict(f"node group {name} is UPDATING")
        self.asked.append(("sizes", name, least, most))
        self.groups.change(f"eks-{name}-1", min=least, max=max(1, most))


def two(size: int = 3) -> Groups:
    """A managed group of old nodes, and nothing beside it."""
    first = home("ng", OLD, size)
    return Groups([first], [there(number, first, OLD) for number in range(size)])


def half_moved() -> Groups:
    """An earlier run has left two of three nodes in the old node group, and one in the new one."""
    first, second = home("ng", OLD, 2, min=1, max=2), home("ng-20261101", NEW, 1, min=0, max=2)
    second = second.model_copy(update={"tags": {**second.tags, GROUP_TAG: "gpu"}})
    return Groups([first, second], [there(0, first, OLD), there(1, first, OLD), there(9, second, NEW)])
