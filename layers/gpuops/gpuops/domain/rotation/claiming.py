"""The clock of a slot's wait for its claim."""

from datetime import datetime
from typing import Self

from gpuops.domain.rotation.halt import Rest


class Times(Rest):
    """What the answer before said."""

    status: str = ""
    slot: str = ""
    started: datetime
    deadline: datetime

    def after_rest(self, now: datetime) -> Self:
        """Return the times as if the run had not rested."""
        lost = self.lost(now)
        times = {"started": self.started + lost, "deadline": self.deadline + lost}
        return self.model_copy(update={**times, "resting": None})
