"""What the pieces of a scenario share: strictness, and the spelling of names, times, taints and faults."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: Kubernetes, Auto Scaling and file names all take it."""
Taint = Annotated[str, StringConstraints(pattern=r"^[^=:,\s]+(=[^=:,\s]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$")]
"""As kubelet's --register-with-taints writes it: key=value:Effect."""
Seconds = Annotated[float, Field(ge=0)]
"""Simulated seconds since the scenario's start."""
Fault = Annotated[
    str,
    StringConstraints(
        pattern=r"^(never_registers|plugin_crashes|smoke_fails|never_allocatable|wrong_uuids|xid_\d{1,3}"
        r"|kubelet_dead|ecc_uncorrectable|remap_pending|remap_failed|exporter_dead|agent_[A-Z][A-Za-z0-9]+)$"
    ),
]
"""What is wrong with a release, a machine or a board; `agent_REASON` is what EKS's node monitoring agent says of it."""
AlarmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,255}$")]
AmiId = Annotated[str, StringConstraints(pattern=r"^ami-[0-9a-f]{8,17}$")]


class Part(BaseModel):
    """Any piece of a scenario: frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
