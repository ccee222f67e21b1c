"""The resource types that our CloudFormation knows; whatever is not here is refused."""

from rehearsal.region.kinds import clusters, functions, identity, messaging, schedules, storage, watching
from rehearsal.region.kinds.base import KINDS, AccessEntry, Account, Kind, Product, Properties

__all__ = ["KINDS", "AccessEntry", "Account", "Kind", "Product", "Properties", "clusters", "functions", "identity",
           "messaging", "schedules", "storage", "watching"]  # fmt: skip
