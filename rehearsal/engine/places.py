"""How far an execution got: each state with its input, kept for the day on which it is redriven."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Place:
    """How far a program got: an execution's, or that of one item of a Map."""

    state: str | None = None
    given: Any = None
    """The state's input."""
    items: dict[int, Place] = field(default_factory=dict)
    """Of the Map in which it is."""
    done: dict[int, Any] = field(default_factory=dict)
    """What the Map's items that ended well gave."""
    resumes: bool = False
    """It goes on from here, once its program is run."""
    takes_up: bool = False
    """The state is being done again; so are its items, as far as they are not done."""

    def enter(self, state: str, given: Any) -> None:
        """A state begins."""
        self.takes_up, self.resumes = self.resumes, False
        self.state, self.given = state, given

    def begin_items(self) -> None:
        """A Map begins, for the first time or once more; only one that is taken up keeps what its items did."""
        if not self.takes_up:
            self.items, self.done = {}, {}
        self.takes_up = False

    def resume(self) -> None:
        """From here on it goes, and so do the items."""
        self.resumes = self.state is not None
        for item in self.items.values():
            item.resume()


def place_of(env: Any) -> Place:
    """Where the program of this environment is."""
    found: Place = env.__dict__.setdefault("rehearsal_place", Place())
    return found


def stand(env: Any, place: Place) -> None:
    """The program of this environment is there."""
    env.rehearsal_place = place
