"""What is done about a fault: the table's word for its Xid, or the word for its kind; unknown calls a person."""

from dataclasses import dataclass
from typing import Literal

from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.xids import Table

Action = Literal["none", "replace", "escalate"]
EFFECTS: dict[str, Action] = {"tolerated": "none", "fatal": "replace", "unknown": "escalate"}


@dataclass(frozen=True)
class Diagnosis:
    """What is to be done, and why."""

    action: Action
    reason: str


def diagnose(fault: GpuFault, table: Table) -> Diagnosis:
    """Decide by the Xid alone; a fault that names none is shown to a person."""
    if fault.xid is None:
        return Diagnosis("escalate", f"{fault.kind}: no Xid says what is to be done")
    effect = table.effect(fault.xid)
    return Diagnosis(EFFECTS[effect], f"Xid {fault.xid} is {effect}")


def closes(diagnosis: Diagnosis) -> bool:
    """Whether the node must take no new work meanwhile."""
    return diagnosis.action != "none"


def name_of(fault: GpuFault) -> str:
    """The fault as a taint's value names it."""
    return f"xid-{fault.xid}" if fault.xid is not None else fault.kind


def words_of(fault: GpuFault) -> str:
    """The fault in words, with what was seen of it."""
    what = f"Xid {fault.xid}" if fault.xid is not None else fault.kind
    where = f" on {fault.uuid}" if fault.uuid else ""
    return f"{what}{where}" + (f": {fault.evidence[0]}" if fault.evidence else "")
