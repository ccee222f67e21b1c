"""Taking a group for a run, from a holder that is dead, too: the table knows the holder, Step Functions its end."""

from datetime import datetime

from gpuops.adapters.executions import Executions
from gpuops.adapters.store import Kind, Store
from gpuops.domain.rotation.lock import is_dead
from gpuops.domain.run import Run


def take(store: Store, executions: Executions, kind: Kind, run: Run, now: datetime) -> int:
    """Take the group and return the fencing number; again when the run holds it already.

    Raises: Conflict naming the owner, Unavailable.
    """
    held = store.lock(kind, run.group)
    other = held if held and held.owner != run.execution else None
    dead = other if other and is_dead(other.at, executions.find(other.owner), now) else None
    return store.take(kind, run, now, instead_of=dead)
