"""Judge a smoke Job by what its containers printed, and keep the lines that say why.

A container that exits 0 proves little: it may have found no GPU. So the log must name driver, CUDA and a GPU's UUID,
and the CUDA sample must say that its sums were right. Logs are untrusted text: they are matched by narrow patterns,
cut, and stripped of everything but printable characters.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

DEVICE = "nvidia-smi"
SAMPLE = "vectoradd"
"""The two containers of the Job, one after the other, so that one GPU is enough."""

MAX_LOG = 65_536
MAX_UUIDS = 16
MAX_EVIDENCE = 8
MAX_LINE = 160

_DRIVER = re.compile(r"Driver Version:\s*(\d{3,4}(?:\.\d{1,4}){1,3})\b")
_CUDA = re.compile(r"CUDA Version:\s*(\d{1,3}\.\d{1,3})\b")
_GPU = re.compile(
    r"^GPU \d{1,3}: ([^()\n]{1,64}) \(UUID: (GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)", re.MULTILINE
)
_PASSED = re.compile(r"^Test PASSED\s*$", re.MULTILINE)
_TELLING = re.compile(
    r"Driver Version|\(UUID: |Test (?:PASSED|FAILED)|error|fail|unable|unknown|insufficient|mismatch", re.IGNORECASE
)


@dataclass(frozen=True)
class JobState:
    """A smoke Job at one moment; None stands for one that is not there."""

    status: Literal["running", "complete", "failed"]
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the smoke says about a node, and the lines that prove it."""

    status: Literal["running", "passed", "failed"]
    reason: str
    driver: str | None = None
    cuda: str | None = None
    product: str | None = None
    uuids: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


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
        evidence=tuple(clean(str(line)) for line in (answer.get("evidence") or ())[:MAX_EVIDENCE]),
    )


def judge_smoke(job: JobState, logs: Mapping[str, str], *, overdue: bool) -> Verdict:
    """Pass only what proved itself; whatever is missing at the deadline counts against the node."""
    if job.status == "running" and not overdue:
        return Verdict("running", job.reason or "the smoke Job runs")
    device, sample = logs.get(DEVICE, "")[:MAX_LOG], logs.get(SAMPLE, "")[:MAX_LOG]
    driver, cuda, gpus = _first(_DRIVER, device), _first(_CUDA, device), _GPU.findall(device)
    missing = [
        what
        for what, found in (
            ("no driver version", driver),
            ("no CUDA version", cuda),
            ("no GPU", gpus),
            ("no passed CUDA sample", _PASSED.search(sample)),
        )
        if not found
    ]
    fault = _fault(job, missing)
    return Verdict(
        status="failed" if fault else "passed",
        reason=fault or f"driver {driver}, CUDA {cuda}, {len(gpus)} GPU computed",
        driver=driver,
        cuda=cuda,
        product=clean(gpus[0][0]) if gpus else None,
        uuids=tuple(uuid for _, uuid in gpus[:MAX_UUIDS]),
        evidence=tuple(_evidence(device, sample)),
    )


def clean(text: str) -> str:
    """One printable line of bounded length: a log must not be able to forge a report."""
    return "".join(c if c.isprintable() else "?" for c in text.strip())[:MAX_LINE]


def _fault(job: JobState, missing: list[str]) -> str:
    log = f"its log shows {', '.join(missing)}" if missing else ""
    if job.status == "complete":
        return log
    what = "did not finish in time" if job.status == "running" else "failed"
    return f"the smoke Job {what} ({clean(job.reason) or 'no reason given'})" + (f"; {log}" if log else "")


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _evidence(device: str, sample: str) -> Iterator[str]:
    """The telling lines; without any, the last words."""
    for name, text in ((DEVICE, device), (SAMPLE, sample)):
        lines = [line for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if _TELLING.search(line)] or lines[-2:]
        yield from (f"{name}: {clean(line)}" for line in telling[: MAX_EVIDENCE // 2])
