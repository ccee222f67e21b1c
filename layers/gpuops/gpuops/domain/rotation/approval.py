"""What a person is asked before a roll, and what the answer looks like.

The task token is the right to answer: it is in the request's own item (`wish.Pending`) and nowhere else, in no message
and no log.
"""

import json
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.cost import Surge
from gpuops.domain.rotation.messages import RotationPlan
from gpuops.domain.rotation.windows import closes_at, next_opening, wall_clock

SUBJECT_LENGTH = 100
"""Of an SNS message; it must be ASCII, too (the API reference of Publish)."""


class Approved(BaseModel):
    """The answer with which the run goes on; a refusal comes as the error `Refused`."""

    status: Literal["approved"] = "approved"
    by: str
    at: AwareDatetime
    reason: str = ""


class Notice(BaseModel):
    """A message for people."""

    model_config = ConfigDict(frozen=True)

    subject: str
    body: str

    @classmethod
    def of(cls, subject: str, lines: list[str]) -> Self:
        """Return the message; what a subject may not hold is left out of it."""
        plain = subject.encode("ascii", "replace").decode()
        return cls(subject=plain[:SUBJECT_LENGTH], body="\n".join(lines) + "\n")


def approval_notice(
    plan: RotationPlan, policy: GroupPolicy, surge: Surge, stack: str, expires: AwareDatetime
) -> Notice:
    """Return what is asked: the plan, what it costs, how to answer, and until when."""
    run, target = plan.run, plan.target
    lines = [
        f"gpuops asks whether it may roll the node group {run.group} of the cluster {run.cluster}.",
        "",
        f"to        {target.release} ({target.ami})",
        f"nodes     {len(plan.nodes)} to replace: {plan.reason}",
        f"strategy  {plan.strategy}" + (f", {plan.surge} at a time" if plan.surge else ""),
        f"surge     {surge.said}",
        f"window    {_window(policy, expires)}",
        *(f"change    {change}" for change in plan.changes),
        "",
        f"Answer before {expires:%Y-%m-%d %H:%M} UTC, or the run ends without a change. Either of:",
        *_commands(run.id, stack),
    ]
    return Notice.of(f"gpuops: approve {run.group} to {target.release}?", lines)


def _commands(run: str, stack: str) -> list[str]:
    """How to answer, by each of the two ways; whoever may invoke that function may answer."""
    event = json.dumps({"run": run, "wish": "approve", "by": "YOUR NAME"})
    option = "" if stack == "gpuops" else f" --stack {stack}"
    return [
        f"  gpuops approve {run}{option}",
        f"  gpuops approve {run} --reject{option}",
        f"  sam remote invoke SteerRunFunction --stack-name {stack} --event '{event}'",
        f"  sam remote invoke SteerRunFunction --stack-name {stack} --event '{event.replace('approve', 'reject')}'",
    ]


def _window(policy: GroupPolicy, asked: AwareDatetime) -> str:
    """When the roll would run, were it approved at the last moment."""
    if not policy.windows:
        return "at once: the group has none"
    opens = next_opening(policy.windows, policy.time_zone, asked)
    closes = closes_at(policy.windows, policy.time_zone, opens)
    until = f" until {wall_clock(policy.time_zone, closes)}" if closes else ""
    return f"from {wall_clock(policy.time_zone, opens)}{until}"
