"""The soonest that a roll could have ended with the machines that it met.

A slot is one node of the surge. Each slot goes round: launch, boot, admission, drain, termination, which makes Auto
Scaling launch the next one. No old node may be drained before its newcomer is admitted, and no more machines than the
surge may be extra at once, so the shortest roll hands each launch to the slot that is free first:

    free[slot] = start + lead                                            for each of the surge's slots
    for each newcomer, in the order of their launch:
        slot    = the one that is free first
        ended   = free[slot] + react + boot(newcomer) + admission + handover
        free[slot] = ended
    bound = the last `ended` + leaving

`boot` is what this newcomer took from its launch until its Node offered GPUs. Everything else is at its least, from the
rehearsal's own constants. An invocation takes its charged second on both sides of the ratio; an API call takes no
simulated time on either.
"""

import heapq
from collections.abc import Sequence

from rehearsal.kubelets.logs import SMOKE_SECONDS
from rehearsal.kubelets.pods import START_SECONDS
from rehearsal.lambdas import CHARGE_SECONDS
from rehearsal.region.autoscaling_lifecycle import PROCEED_SECONDS
from rehearsal.region.autoscaling_loop import REACT_SECONDS
from rehearsal.region.compute import SHUTDOWN_SECONDS
from rehearsal.region.fleet import NODE_DELETION_SECONDS

STAGES = 2
"""Of the smoke, as the policy's defaults have it: the GPUs, and every share at once."""
LEAD_SECONDS = CHARGE_SECONDS
"""plan_rotation; open_change raises the desired capacity as soon as it runs."""
STAGE_SECONDS = START_SECONDS + SMOKE_SECONDS + CHARGE_SECONDS
"""start_smoke makes the Job as soon as it runs, and its charge passes beside the Job; read_smoke judges."""
ADMISSION_SECONDS = CHARGE_SECONDS + STAGES * STAGE_SECONDS + PROCEED_SECONDS
"""check_node, the stages, and Auto Scaling's way from CONTINUE to in service."""
HANDOVER_SECONDS = 2 * CHARGE_SECONDS
"""claim_node, drain_node; retire_node terminates as soon as it runs."""
LEAVING_SECONDS = SHUTDOWN_SECONDS[0] + NODE_DELETION_SECONDS


def bound_seconds(boots: Sequence[float], surge: int) -> float:
    """The formula above; no node is assumed to have pods, which makes it lower still."""
    free = [LEAD_SECONDS] * surge
    for boot in boots:
        ended = heapq.heappop(free) + REACT_SECONDS + boot + ADMISSION_SECONDS + HANDOVER_SECONDS
        heapq.heappush(free, ended)
    return max(free) + LEAVING_SECONDS
