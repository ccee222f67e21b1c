"""What the pieces of a scenario share: strictness, and the spelling of names, times and taints."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: Kubernetes, Auto Scaling and file names all take it."""
Taint = Annotated[str, StringConstraints(pattern=r"^[^=:,\s]+(=[^=:,\s]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$")]
"""As kubelet's --register-with-taints writes it: key=value:Effect."""
Seconds = Annotated[float, Field(ge=0)]
"""Simulated seconds since the scenario's start."""
AmiId = Annotated[str, StringConstraints(pattern=r"^ami-[0-9a-f]{8,17}$")]


class Part(BaseModel):
    """Any piece of a scenario: frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
