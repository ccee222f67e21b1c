"""The whole fleet.yaml at one version."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gpuops.domain.errors import Invalid
from gpuops.domain.policy.cluster import ClusterPolicy
from gpuops.domain.policy.group import GroupPolicy
from gpuops.domain.policy.parts import Part

DEFAULT_NODES = 40
"""As many as one roll can ever have closed: without a word in the policy, a single roll is held up by nothing."""


class Budget(Part):
    """How many nodes of the whole fleet gpuops may have closed at one time: one of the two keys."""

    nodes: Annotated[int, Field(ge=1, le=2000)] | None = None
    """So many."""
    percent: Annotated[float, Field(gt=0, le=100)] | None = None
    """So many percent of the desired capacities of all groups in the policy, rounded down, and one at least."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.nodes is None) == (self.percent is None):
            raise ValueError("give one of nodes and percent")
        return self

    def limit(self, fleet: int) -> int:
        """Return the number of nodes, of a fleet of so many."""
        return self.nodes or max(1, int(fleet * (self.percent or 0) / 100))


class Policy(Part):
    """The whole fleet, at one version of the file."""

    version: str
    groups: tuple[GroupPolicy, ...]
    """One entry for each node group; what is not named is not touched. `defaults` beside it holds keys for all."""
    clusters: tuple[ClusterPolicy, ...] = ()
    """One entry for each cluster whose GPU configuration gpuops brings about; without one it is only looked at."""
    budget: Budget = Budget(nodes=DEFAULT_NODES)
    """How many nodes may be closed at one time, by rolls, repairs and changes of sharing together."""
    breaker_percent: Annotated[float, Field(gt=0, le=100)] = 25
    """So many percent of the fleet may be out of service, closed or in quarantine, and one node at least; with more of
    them, no repair begins, and people are called once."""

    def breaker(self, fleet: int) -> int:
        """Return the number of nodes that may be out of service, of a fleet of so many."""
        return max(1, int(fleet * self.breaker_percent / 100))

    def cluster(self, name: str) -> ClusterPolicy:
        """Return the cluster's policy, or the one that touches nothing."""
        return next((c for c in self.clusters if c.cluster == name), ClusterPolicy(cluster=name))

    def group(self, name: str) -> GroupPolicy:
        """Return the group's policy.

        Raises: Invalid when the policy does not name the group; what it does not name is not ours to touch.
        """
        for group in self.groups:
            if group.group == name:
                return group
        known = ", ".join(group.group for group in self.groups)
        raise Invalid(f"group {name!r} is not in the policy (version {self.version}); it names: {known}")
