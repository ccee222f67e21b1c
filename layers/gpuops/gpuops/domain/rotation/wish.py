"""What a person wishes of a run, what a run asks of a person, and the stop that holds every run of the stack.

Wishes are read between nodes and before each act, never in the middle of one, so that whatever they end is whole.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Word = Literal["pause", "resume", "cancel"]
Past = Literal["paused", "resumed", "cancelled"]
PAST: dict[Word, Past] = {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}
FLEET = "fleet"
"""Key of the one global stop of a stack."""


class Wish(BaseModel):
    """The last word about one run; after a cancellation there is no other."""

    model_config = ConfigDict(frozen=True)

    run: str
    """Name of the run's root execution."""
    wish: Word
    by: str
    """Who said so: the ARN of an IAM principal, as the caller gives it."""
    at: AwareDatetime
    reason: str = ""
    roll_back: bool = False
    """Of a cancellation: whether nodes that were replaced already are to be replaced back."""

    @property
    def past(self) -> Past:
        """What the run is by it."""
        return PAST[self.wish]

    @property
    def said(self) -> str:
        """The wish in words, such as `cancelled by arn:…: not today`."""
        return f"{self.past} by {self.by}" + (f": {self.reason}" if self.reason else "")


class Pending(BaseModel):
    """A request that waits for its answer."""

    model_config = ConfigDict(frozen=True)

    run: str
    token: str = Field(repr=False)
    at: AwareDatetime
    expires: AwareDatetime


class GlobalStop(BaseModel):
    """While it stands, nothing is begun and nothing is taken further away, in any group."""

    model_config = ConfigDict(frozen=True)

    by: str
    at: AwareDatetime
    reason: str = ""

    @property
    def said(self) -> str:
        """The stop in words."""
        return f"global stop since {self.at.isoformat()} by {self.by}" + (f": {self.reason}" if self.reason else "")
