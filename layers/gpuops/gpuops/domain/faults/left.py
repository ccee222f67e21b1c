"""What becomes of a node that is closed while the repair that closed it has died.

A repair that ends by itself has told people what it leaves closed, and wrote so on the node. One that was stopped from
outside, or could not even end, did neither. Another execution takes its fault up once; what was tried before counts as
tried, so that the same thing does not kill it again. When that one dies as well, a person is called.
"""

from datetime import UTC, datetime

from pydantic import ValidationError

from gpuops.domain.cluster import Node
from gpuops.domain.faults.answers import Order
from gpuops.domain.faults.fault import GpuFault, lines
from gpuops.domain.keys import FAULT, FAULT_SETTLED
from gpuops.domain.rotation.lock import Execution, is_dead

AGAIN, NAME_LENGTH = "-again", 80
"""Step Functions' own limit of an execution's name."""
NEVER = datetime.min.replace(tzinfo=UTC)


def is_left(node: Node, execution: Execution, now: datetime) -> bool:
    """Whether nobody is at work on the closed node, and nobody said that this is meant."""
    return FAULT_SETTLED not in node.annotations and is_dead(NEVER, execution, now)


def name_again(run: str) -> str | None:
    """Return the name of the execution that takes it up; None for one that did so already."""
    return None if run.endswith(AGAIN) else run[: NAME_LENGTH - len(AGAIN)] + AGAIN


def why_not_again(name: str | None, order: Order | None) -> str:
    """Why nobody takes it up; who does is named by `name`."""
    if name is None:
        return ", as the one before it did"
    return f": {name} takes it up" if order else "; what it was started with is not known any more"


def order_of(given: str) -> Order | None:
    """What the dead execution was started with; None where that is not known any more."""
    try:
        return Order.model_validate_json(given)
    except ValidationError:
        return None


def order_from(node: Node, cluster: str, now: datetime) -> Order:
    """The fault as the node itself says it, for a person."""
    seen = lines(node.annotations.get(FAULT, ""))
    where = {"cluster": cluster, "node": node.name, "instance": node.instance}
    return Order(fault=GpuFault(kind="hardware", evidence=seen, first_seen=now, **where))
