"""What a node's exporter adds to a verdict: the Xids since the driver was loaded, which nvidia-smi does not show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.domain.faults.xids import Table
from gpuops.domain.smoke.stages import MAX_REASON, GpuFault, Verdict, clean


@dataclass(frozen=True)
class Readings:
    """What the exporter said, or why it said nothing: an exporter that is missing is no fault of a GPU."""

    gpus: Mapping[str, GpuSample] = field(default_factory=dict)
    silent: str = ""

    @property
    def headroom(self) -> dict[str, int] | None:
        """Free memory of each GPU; None unless it is known of all of them."""
        free = {uuid: gpu.memory_free_mib for uuid, gpu in self.gpus.items()}
        known = {uuid: mib for uuid, mib in free.items() if mib is not None}
        return known if known and len(known) == len(free) else None


def read_exporter(scrape: Callable[[], str | None]) -> Readings:
    """Ask once. An exporter that cannot be read is told in the evidence, and judges nothing."""
    try:
        return read_text(scrape())
    except (Invalid, Refused, Unavailable) as fault:
        return Readings(silent=str(fault))


def read_text(text: str | None) -> Readings:
    """Read what an exporter said; nothing, or what is no exposition, is silence."""
    try:
        return Readings(read_samples(text)) if text else Readings(silent="no exporter runs on the node")
    except Unavailable as fault:
        return Readings(silent=str(fault))


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
