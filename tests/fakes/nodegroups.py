"""A managed node group that takes every goal at once, and budgets that say what a test tells them."""

# ruff: noqa: D102 - a fake's methods are described where the adapter stands

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.nodegroup import Nodegroup, UpdateStrategy

MANAGED = Nodegroup(
    name="ng",
    status="ACTIVE",
    version="1.36",
    release="1.36.2-20261001",
    ami_type="AL2023_x86_64_NVIDIA",
    groups=("gpu",),
    startup_taint=True,
)
OWN = Template(id="lt-0fedcba9876543210", version="3")
"""The launch template of a user with a custom image."""


@dataclass
class Nodegroups:
    """One node group."""

    found: Nodegroup = MANAGED
    asked: list[tuple[UpdateStrategy, str]] = field(default_factory=list)
    repairing: bool = False
    """Whether EKS's own auto-repair is on."""

    def describe(self, cluster: str, name: str) -> Nodegroup:
        return self.found

    def repairs(self, cluster: str, name: str) -> bool:
        return self.repairing

    def set_strategy(self, cluster: str, name: str, strategy: UpdateStrategy, token: str) -> None:
        self.asked.append((strategy, token))
        self.found = replace(self.found, strategy=strategy)


@dataclass
class Disruptions:
    """What blocks these nodes."""

    titles: dict[str, str] = field(default_factory=dict)

    def blocking(self, nodes: Iterable[str]) -> list[str]:
        return [self.titles[node] for node in nodes if node in self.titles]
