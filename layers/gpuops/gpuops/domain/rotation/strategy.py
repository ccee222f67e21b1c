"""How old nodes make room for new ones, and why that way: new ones first, or old ones first where capacity is fixed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy

Strategy = Literal["surge", "terminate_first", "managed"]


class Chosen(BaseModel):
    """A strategy, and why."""

    model_config = ConfigDict(frozen=True)

    strategy: Strategy
    reason: str


def choose_strategy(policy: GroupPolicy) -> Chosen:
    """Return the way in which the group rolls."""
    return Chosen(strategy=policy.strategy, reason="the policy names it")
