"""Where the runs of a sweep, and those of the tests, take place: premises that are kept from run to run."""

import gc
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rehearsal.control_plane import find_or_build
from rehearsal.premises import Premises
from rehearsal.report import Result
from rehearsal.run import View, rehearse
from rehearsal.scenario import Scenario


class Stage:
    """Premises for run after run; after a run that broke them others are made."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._stack = say, ExitStack()
        self._premises: Premises | None = None

    def rehearse(self, scenario: Scenario, out: Path, view: View | None = None) -> Result:
        """Rehearse on kept premises. Raises: what `rehearse` does."""
        if self._premises is None:
            self._say("starting a control plane")
            self._premises = self._stack.enter_context(Premises(find_or_build()))
            gc.freeze()  # models of services and the like: they stay, and looking through them costs a tenth of a run
        try:
            return rehearse(scenario, out=out, view=view, premises=self._premises)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """End them."""
        self._premises = None
        self._stack.close()
