"""Whether a node is still this run's to repair.

A person opens it, an interruption takes it over, and who redrives an execution that died finds that another one has
repaired it since: pods are on it again.
"""

from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict
from gpuops.domain.faults.fault import INTERRUPTION
from gpuops.domain.keys import FAULT
from gpuops.domain.run import Run


def check_mine(run: Run, instance: str, node: Node | None) -> None:
    """Asked before each act on the instance's node; one that is gone is nobody's.

    Raises: Conflict, naming who has it.
    """
    if node is None or node.instance != instance or node.isolated_by == run.id:
        return
    who = f"run {node.isolated_by} has it" if node.isolated_by else "it was opened meanwhile"
    raise Conflict(f"{node.name} is not run {run.id}'s to repair any more: {who}")


def check_goes(run: Run, instance: str, node: Node | None) -> None:
    """Before it is emptied or terminated: where an interruption has taken it over, that is what is wanted, too.

    Raises: Conflict, naming who has it.
    """
    if node is None or not node.annotations.get(FAULT, "").startswith(INTERRUPTION):
        check_mine(run, instance, node)
