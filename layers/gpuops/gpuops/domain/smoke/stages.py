"""What a smoke is made of: stages, the Jobs and pods that are seen of them, and the verdict.

A smoke goes in stages, one Job each: `device` (the driver's own words, a CUDA sample), `overlap` (every share at the
same moment, and one pod too many), `diagnostic` (DCGM's own tests). A node with tenants gets `slices` alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Stage = Literal["device", "overlap", "diagnostic", "slices"]
STAGES: tuple[Stage, ...] = ("device", "overlap", "diagnostic", "slices")

DEVICE = "nvidia-smi"
SAMPLE = "vectoradd"
DIAGNOSTIC = "dcgmi"
"""The containers of the Jobs."""

MAX_LOG = 65_536
MAX_UUIDS = 16
MAX_EVIDENCE = 8
"""Lines of one stage."""
MAX_PROOF = 24
"""Lines of all stages together: a report shows them."""
MAX_LINE = 160
MAX_REASON = 300


@dataclass(frozen=True)
class JobState:
    """A smoke Job at one moment; None stands for one that is not there."""

    status: Literal["running", "complete", "failed"]
    reason: str = ""


@dataclass(frozen=True)
class PodState:
    """One pod of a smoke Job at one moment; one that is being deleted counts no longer."""

    name: str
    phase: str = "Running"
    reason: str = ""
    """The pod's own words about why it does not run."""
    logs: Mapping[str, str] = field(default_factory=dict)
    """What each container that started has printed; empty until somebody read it."""


@dataclass(frozen=True)
class GpuFault:
    """Evidence against one board, and nothing else: what its software did wrong is no fault of it."""

    uuid: str
    fault: str
    """`ecc_uncorrectable`, `ecc_threshold`, `remap_pending`, `remap_failed`, or `xid_<number>`."""


@dataclass(frozen=True)
class Verdict:
    """What a smoke says about a node, and the lines that prove it."""

    status: Literal["running", "passed", "failed", "withdrawn"]
    """`withdrawn`: it could not be tried, and says nothing about the node."""
    reason: str
    driver: str | None = None
    cuda: str | None = None
    product: str | None = None
    uuids: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    faulty: tuple[GpuFault, ...] = ()


@dataclass(frozen=True)
class Proof:
    """What a report keeps of a verdict."""

    driver: str
    cuda: str
    product: str
    uuids: tuple[str, ...]
    evidence: tuple[str, ...]


def read_proof(answer: Mapping[str, Any]) -> Proof:
    """Return what an answer, or the journal's line of it, shows; bounded once more, for it came from outside."""
    return Proof(
        driver=clean(str(answer.get("driver") or "")),
        cuda=clean(str(answer.get("cuda") or "")),
        product=clean(str(answer.get("product") or "")),
        uuids=tuple(clean(str(uuid)) for uuid in (answer.get("uuids") or ())[:MAX_UUIDS]),
        evidence=tuple(clean(str(line)) for line in (answer.get("evidence") or ())[:MAX_PROOF]),
    )


def clean(text: str, length: int = MAX_LINE) -> str:
    """One printable line of bounded length: a log must not be able to forge a report."""
    return "".join(c if c.isprintable() else "?" for c in text.strip())[:length]


def once(items: Iterable[str]) -> tuple[str, ...]:
    """Each of them once, in the order of their first coming."""
    return tuple(dict.fromkeys(items))
