"""When is the world at rest? After a write: quiet for a moment, and nothing owed.

Quiet alone guesses wrongly: controllers batch their work for a second and more. So the rest checks read from the
state of the world what a controller still owes. A debt that stays unpaid is overridden, and counted, because one
object a check misjudges must not hang the whole rehearsal.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
RestCheck = Callable[[], str | None]
_LOOK_AGAIN_SECONDS = 0.1


class Settling:
    """Not locked: the clock holds its lock around every call, but for `first_debt`."""

    def __init__(self, quiet_seconds: float, patience_seconds: float) -> None:
        self.checks: list[RestCheck] = []
        self.overrun: Counter[str] = Counter()
        self.settled = False
        self.debt: str | None = None
        self.generation = 0
        self._quiet_seconds = quiet_seconds
        self._patience_seconds = patience_seconds
        self._written = time.monotonic()
        self._owed_since = 0.0
        self._overridden = False

    def disturb(self) -> None:
        """The world was written to, or an event of it was seen."""
        self.settled = False
        self.generation += 1
        self._written = time.monotonic()

    def quiet_in(self) -> float:
        """Seconds until it has been quiet for long enough."""
        return max(0.0, self._written + self._quiet_seconds - time.monotonic())

    def first_debt(self) -> str | None:
        """What the world owes, asked without the clock's lock: a check may read the clock."""
        for check in list(self.checks):
            try:
                debt = check()
            except Exception as error:  # noqa: BLE001 - a broken check must show, not hang the clock
                _LOG.exception("a rest check failed")
                debt = f"rest check: {error!r}"
            if debt is not None:
                return debt
        return None

    def judge(self, debt: str | None, generation: int) -> float:
        """Seconds to wait before asking again; 0 when the world rests."""
        if generation != self.generation:
            return self.quiet_in() or _LOOK_AGAIN_SECONDS / 100
        if debt != self.debt:
            self.debt, self._owed_since, self._overridden = debt, time.monotonic(), False
        if debt is not None and not self._overridden:
            if time.monotonic() - self._owed_since < self._patience_seconds:
                return _LOOK_AGAIN_SECONDS
            self._override(debt)
        self.settled = True
        return 0.0

    def _override(self, debt: str) -> None:
        """Once for a debt, however often the world is written to before it is paid or another one comes up."""
        self._overridden = True
        self.overrun[debt] += 1
        _LOG.warning("unpaid for %.0f s, overridden: %s", self._patience_seconds, debt)
