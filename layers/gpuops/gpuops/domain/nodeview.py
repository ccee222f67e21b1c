"""What a node registers with, whichever operating system's user data says so."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.keys import Taint

Family = Literal["al2023", "bottlerocket"]


class NodeView(BaseModel):
    """What a node of this launch template registers with."""

    model_config = ConfigDict(frozen=True)

    cluster: str | None
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    parts: int
    """How many NodeConfigs there are; nodeadm merges them."""
    family: Family = "al2023"
    """Whose user data it is."""
