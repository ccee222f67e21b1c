"""One answer of several stages: what each proved is kept, and the last one speaks."""

from typing import Literal

from gpuops.domain.admission.answers import FaultyGpu, Smoked
from gpuops.domain.smoke.stages import MAX_PROOF, MAX_REASON, MAX_UUIDS, Stage, Verdict, once

NOTHING = Smoked(status="running", reason="nothing was judged yet")


def fold(earlier: Smoked | None, stage: Stage, verdict: Verdict, *, more: bool) -> Smoked:
    """Add a stage's verdict; `more` says that another stage follows, if this one passed."""
    before, passed = earlier or NOTHING, verdict.status == "passed"
    proved = (*before.proved, verdict.reason) if passed else before.proved
    lines = once(verdict.evidence)[:MAX_PROOF]
    kept = [line for line in before.evidence if line not in lines]
    return Smoked(
        status="failed" if not passed else "next" if more else "passed",
        reason=("; ".join(proved) if passed else verdict.reason)[:MAX_REASON],
        stage=stage,
        driver=verdict.driver or before.driver,
        cuda=verdict.cuda or before.cuda,
        product=verdict.product or before.product,
        uuids=once((*before.uuids, *verdict.uuids))[:MAX_UUIDS],
        evidence=(*kept[: MAX_PROOF - len(lines)], *lines),
        proved=proved,
        faulty=(*before.faulty, *(FaultyGpu(uuid=one.uuid, fault=one.fault) for one in verdict.faulty)),
    )


def look_again(
    earlier: Smoked | None, stage: Stage | None, status: Literal["running", "gone", "failed"], reason: str
) -> Smoked:
    """Say that nothing was judged now; what was proved before stays."""
    before = earlier or NOTHING
    return before.model_copy(update={"status": status, "reason": reason, "stage": stage or before.stage})
