"""An admission tells the roll that waits for the newcomer."""

from gpuops.adapters.waiting import Waiting
from gpuops.domain.admission.answers import Admitted
from gpuops.domain.errors import Refused, Unavailable
from gpuops.domain.run import Run


def wake(answer: Admitted, run: Run, waiting: Waiting) -> Admitted:
    """Have a slot of the roll that waits for such a node look now. It looks by itself later: nothing fails for it."""
    if answer.status != "admitted":
        return answer
    try:
        slot = waiting.wake(run.group)
    except (Refused, Unavailable) as fault:
        return answer.model_copy(update={"reason": f"{answer.reason}; no slot of a roll was told: {fault}"})
    return answer.model_copy(update={"reason": f"{answer.reason}; slot {slot} is told"}) if slot else answer
