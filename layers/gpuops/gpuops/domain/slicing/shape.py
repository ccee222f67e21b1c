"""What a configuration of the device plugin makes of each GPU: how many shares, under which name."""

from dataclasses import dataclass

from gpuops.domain.cluster import Node
from gpuops.domain.keys import GPU_RESOURCE


@dataclass(frozen=True)
class Shape:
    """So many shares of each GPU; without anything else said, one: exclusive."""

    replicas: int = 1
    resource: str = GPU_RESOURCE

    @property
    def shared(self) -> bool:
        """Whether several pods may have the same GPU."""
        return self.replicas > 1


@dataclass(frozen=True)
class Goal:
    """The configuration that a node is to have."""

    key: str
    shape: Shape


def shape_offered(node: Node, gpus: int) -> Shape | None:
    """What a node without a label seems to have: every GPU once is exclusive; anything else is not ours to guess."""
    return Shape() if gpus and node.gpus == gpus and not node.shared_gpus else None
