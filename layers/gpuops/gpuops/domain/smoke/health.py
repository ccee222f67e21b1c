"""What a node's exporter adds to a verdict: the Xids since the driver was loaded, which nvidia-smi does not show."""

from dataclasses import replace

from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.faults.xids import Table
from gpuops.domain.smoke.stages import MAX_REASON, GpuFault, Verdict, clean


def add_xids(verdict: Verdict, readings: Readings, table: Table) -> Verdict:
    """Fail a node for an Xid that is fatal or that nobody knows; only a fatal one is held against its board."""
    if readings.silent:
        return replace(verdict, evidence=(*verdict.evidence, f"Xids were not looked at: {clean(readings.silent)}"))
    found = sorted((uuid, xid) for uuid, gpu in readings.gpus.items() for xid in gpu.xids if xid)
    lines = tuple(f"{uuid}: Xid {xid} is {table.effect(xid)}" for uuid, xid in found)[:4]
    fatal = tuple(GpuFault(uuid, f"xid_{xid}") for uuid, xid in found if table.effect(xid) == "fatal")
    bad = [f"{uuid}: Xid {xid} ({table.effect(xid)})" for uuid, xid in found if table.effect(xid) != "tolerated"]
    verdict = replace(verdict, evidence=(*verdict.evidence, *(lines or ("no Xid at any GPU",))))
    if not bad:
        return verdict
    reason = "; ".join([*([verdict.reason] if verdict.status == "failed" else []), *bad[:4]])
    return replace(verdict, status="failed", reason=reason[:MAX_REASON], faulty=(*verdict.faulty, *fatal))
