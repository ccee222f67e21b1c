"""Say what is to be done about a fault, and why.

In:  {"run": {...}, "event": {"fault": <GpuFault>}, "isolate": {...}, "now"}
Out: {"action": "none" | "replace" | "escalate", "reason"}
"""

from datetime import datetime

from gpuops.domain.faults.actions import diagnose
from gpuops.domain.faults.answers import Diagnosed, Repair
from gpuops.domain.faults.xids import xid_table
from gpuops.entry import entry


@entry(Repair)
def handler(request: Repair, now: datetime) -> Diagnosed:  # noqa: ARG001 - the fault says when it was seen
    """Decide by the table that is deployed with the code."""
    diagnosis = diagnose(request.fault, xid_table())
    return Diagnosed(action=diagnosis.action, reason=diagnosis.reason)
