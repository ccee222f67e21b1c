"""What fleet.yaml may say about capacity that is scarce: how far a group may shrink while it rolls."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gpuops.domain.policy.parts import Part


class Floor(Part):
    """Nodes that must stay in service: Ready, admitted, not cordoned. One of the two, or none."""

    nodes: Annotated[int, Field(ge=0, le=2000)] | None = None
    """So many. Neither given: the group's size less `surge`."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """So many of a hundred of the group's size when its roll begins, rounded up."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.nodes is not None and self.percent is not None:
            raise ValueError("give `nodes` or `percent`, not both")
        return self

    def of(self, size: int, out: int) -> int:
        """Return the floor, in nodes, of a group of this size of which so many may be out at a time."""
        if self.nodes is not None:
            return self.nodes
        if self.percent is not None:
            return -(-size * self.percent // 100)
        return max(0, size - out)
