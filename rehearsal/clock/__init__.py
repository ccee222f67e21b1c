"""One clock for a rehearsal: simulated time stands still while anything is in flight, and jumps when the world rests.

A two-day approval has to cost no more than a ten-second poll, and two runs of one scenario have to be the same run:
so time is not scaled but jumps, and whatever is due runs one after the other in an order drawn from the seed.
"""

from rehearsal.clock.agenda import Timer
from rehearsal.clock.clock import Clock
from rehearsal.clock.leases import ClockStopped
from rehearsal.clock.threads import SimEvent, SimThread

__all__ = ["Clock", "ClockStopped", "SimEvent", "SimThread", "Timer"]
