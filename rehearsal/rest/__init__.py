"""When the world is at rest: a mirror of the cluster, and the ledger of what is still owed in it."""

from rehearsal.rest.mirror import Mirror, Seen
from rehearsal.rest.rest import Rest

__all__ = ["Mirror", "Rest", "Seen"]
