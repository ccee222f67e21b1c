"""What is to be done about a fault, decided by the table, the policy, and what was tried before; with the reason.

Where nobody knows, a person is called: an unknown Xid is never guessed at. What did not hold is not tried a second
time, but the next stronger thing; and what several jobs ran into on one GPU is no application's own mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gpuops.domain.faults.actions import HARMLESS, REPAIRS, Action, next_step
from gpuops.domain.faults.attempts import Attempt, repairs
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.recovery import recovery_of
from gpuops.domain.faults.suspect import Suspect
from gpuops.domain.faults.xids import Table
from gpuops.domain.policy import Remediation

KINDS: dict[str, Action] = {
    "memory": "reset",
    "link": "reset",
    "thermal": "relieve",
    "power": "relieve",
    "interruption": "evacuate",
    "rebalance": "replace",
    "maintenance": "replace",
}
"""What a fault without an Xid asks for; `hardware`, which says no more than that, is for a person."""


@dataclass(frozen=True)
class Diagnosis:
    """What is to be done, and why."""

    action: Action
    reason: str


@dataclass(frozen=True)
class Case:
    """A fault, and what is known around it."""

    fault: GpuFault
    table: Table
    policy: Remediation
    now: datetime
    past: Sequence[Attempt] = ()
    """Within the policy's window, of the node, of those it stands in for, and of the GPU."""
    suspect: Suspect | None = None
    """Whose pod is on the GPU; None where nobody looked."""
    silent: bool = False
    """Whether the node's kubelet is."""


def first_word(fault: GpuFault, table: Table, policy: Remediation) -> Diagnosis:
    """Return what the fault alone asks for: this is all that there is time for before its node is closed."""
    if fault.xid is None:
        when = f", by {fault.deadline.isoformat()}" if fault.deadline else ""
        return Diagnosis(KINDS.get(fault.kind, "escalate"), f"{fault.kind}{when}")
    if fault.xid in policy.xids:
        return Diagnosis(policy.xids[fault.xid], f"Xid {fault.xid}: the policy's word")
    if recovery := recovery_of(fault.evidence):
        return Diagnosis(recovery, f"Xid {fault.xid}: the driver's own recovery action (Xid 154)")
    row = table.row(fault.xid)
    if row is None:
        return Diagnosis("escalate", f"Xid {fault.xid} is in no row of the table of {table.as_of}: nobody guesses")
    return Diagnosis(table.action(row), f"Xid {fault.xid} is {row.effect} ({row.nvidia}, table of {table.as_of})")


def diagnose(case: Case) -> Diagnosis:
    """Decide: the fault's own word, promoted by its threshold and by other jobs, then by what did not hold before."""
    first = first_word(case.fault, case.table, case.policy)
    if case.fault.xid not in case.policy.xids:
        first = _promoted_by_jobs(case, _promoted_by_count(case, first))
    if first.action == "restart_pod":
        return _restart(case, first)
    decided = _stronger(case, first) if first.action in REPAIRS else first
    if case.silent and decided.action in REPAIRS and decided.action != "replace":
        return Diagnosis("replace", f"{decided.reason}; its kubelet is silent, so nothing can be done on the node")
    return decided


def _promoted_by_count(case: Case, first: Diagnosis) -> Diagnosis:
    row = case.table.row(case.fault.xid) if case.fault.xid is not None else None
    if row is None or row.threshold is None:
        return first
    since = case.now - timedelta(minutes=row.threshold.minutes)
    count = 1 + sum(attempt.about(case.fault) and attempt.at >= since for attempt in case.past)
    told = f"{first.reason}; {count} of {row.threshold.count} within {row.threshold.minutes} minutes"
    return Diagnosis(row.threshold.then if count >= row.threshold.count else first.action, told)


def _promoted_by_jobs(case: Case, first: Diagnosis) -> Diagnosis:
    if first.action not in HARMLESS:
        return first
    jobs = {attempt.job for attempt in case.past if attempt.about(case.fault) and attempt.job}
    jobs |= {case.suspect.job} if case.suspect and case.suspect.job else set()
    if len(jobs) < case.policy.promote_after_jobs:
        return first
    return Diagnosis("reset", f"{first.reason}; {len(jobs)} different jobs ran into it: {', '.join(sorted(jobs)[:3])}")


def _restart(case: Case, first: Diagnosis) -> Diagnosis:
    """Only a pod that is certainly meant, and that comes back by itself."""
    suspect = case.suspect or Suspect(why="nobody looked which pod it was")
    if suspect.pod is None:
        return Diagnosis("none", f"{first.reason}; only recorded: {suspect.why}")
    return replace(first, reason=f"{first.reason}; {suspect.pod.title} alone is on the GPU")


def _stronger(case: Case, first: Diagnosis) -> Diagnosis:
    """One step above the strongest thing that did not hold; a person, once so much was tried."""
    done = repairs(case.past)
    if len(done) >= case.policy.attempts:
        tried = ", ".join(attempt.action for attempt in done)
        return Diagnosis("escalate", f"{first.reason}; {len(done)} repairs did not hold: {tried}")
    tried_before = [REPAIRS.index(attempt.action) for attempt in done if attempt.about(case.fault)]
    if not tried_before or max(tried_before) < REPAIRS.index(first.action):
        return first
    strongest = REPAIRS[max(tried_before)]
    return Diagnosis(next_step(strongest), f"{first.reason}; {strongest} did not hold")


def name_of(fault: GpuFault) -> str:
    """The fault as a taint's value names it."""
    return f"xid-{fault.xid}" if fault.xid is not None else fault.kind


def words_of(fault: GpuFault) -> str:
    """The fault in words, with what was seen of it."""
    what = f"Xid {fault.xid}" if fault.xid is not None else fault.kind
    where = f" on {fault.uuid}" if fault.uuid else ""
    return f"{what}{where}" + (f": {fault.evidence[0]}" if fault.evidence else "")
