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
    lacking: datetime | None = None
    """Since when an instance has been missing for want of capacity."""

    def after_rest(self, now: datetime) -> Self:
        """Return the times as if the run had not rested."""
        lost = self.lost(now)
        times = {"started": self.started + lost, "deadline": self.deadline + lost}
        lacking = self.lacking + lost if self.lacking else None
        return self.model_copy(update={**times, "lacking": lacking, "resting": None})
