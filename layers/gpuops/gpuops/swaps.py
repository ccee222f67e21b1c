"""A node around the replacement of its root volume: closed before it, opened again where it never began.

What follows a replacement is an admission: the run's own, or one by reconcile where that run died.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.keys import ADMITTED, STARTUP_TAINT, STARTUP_TAINT_KEY
from gpuops.domain.rotation.change import Undo

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


def close_for_swap(node: Node, now: datetime, cluster: "Cluster") -> None:
    """Write down the boot before, and keep everything but a smoke away until the node is admitted anew."""
    cluster.quarantine(node, now)
    cluster.add_taint(node.name, STARTUP_TAINT)


def open_again(node: Node, cluster: "Cluster") -> None:
    """Nothing happened to it: it is what it was when it was admitted."""
    cluster.end_quarantine(node)
    cluster.remove_taint(node.name, STARTUP_TAINT_KEY)


def settle_swaps(undo: Undo, nodes: Iterable[Node], world: World, cluster: "Cluster") -> tuple[str, ...]:
    """Put back what replacements that did not end in an admission left on nodes; return what is left to reconcile.

    Where none began, a node that was admitted takes work again. Else it stays behind its startup taint until it is
    admitted: without the mark of its quarantine reconcile need not ask how long its drain may take. On the way back
    the node has run the release that goes back, whatever began.
    """
    left: list[str] = []
    for node in nodes:
        if node.instance not in undo.images_before or not node.quarantined:
            continue
        good = undo.stage != "back" and ADMITTED in node.annotations
        if good and not node.restarted and not world.roots.busy(node.instance):
            open_again(node, cluster)
            continue
        cluster.end_quarantine(node)
        left.append(f"{node.name} waits for its admission: reconcile starts it")
    return tuple(left)
