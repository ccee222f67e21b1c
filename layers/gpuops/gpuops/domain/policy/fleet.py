"""The whole fleet.yaml at one version."""

from gpuops.domain.errors import Invalid
from gpuops.domain.policy.cluster import ClusterPolicy
from gpuops.domain.policy.group import GroupPolicy
from gpuops.domain.policy.parts import Part


class Policy(Part):
    """The whole fleet, at one version of the file."""

    version: str
    groups: tuple[GroupPolicy, ...]
    """One entry for each node group; what is not named is not touched. `defaults` beside it holds keys for all."""
    clusters: tuple[ClusterPolicy, ...] = ()
    """One entry for each cluster whose GPU configuration gpuops brings about; without one it is only looked at."""

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
