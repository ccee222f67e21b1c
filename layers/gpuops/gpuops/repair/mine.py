"""Whether a node is still this run's to repair.

An interruption takes a node over, a person opens it, and who redrives an execution that died finds that another one
has repaired it since: pods are on it again.
"""

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict
from gpuops.domain.run import Run


def check_mine(run: Run, instance: str, node: Node | None) -> None:
    """Asked before each act on the instance's node; one that is gone is nobody's.

    Raises: Conflict, naming who has it.
    """
    if node is None or node.instance != instance or node.isolated_by == run.id:
        return
    who = f"run {node.isolated_by} has it" if node.isolated_by else "it was opened meanwhile"
    raise Conflict(f"{node.name} is not run {run.id}'s to repair any more: {who}")
