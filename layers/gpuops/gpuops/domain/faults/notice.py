"""One message for one repair: what was seen, decided and done, how long each step took, and what it cost.

The body is a custom notification of Amazon Q Developer in chat applications (formerly AWS Chatbot), version 1.0 of its
schema, so that a channel that is subscribed to the topic shows it; who reads it as an e-mail finds the same text.
"""

import json
import re
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from gpuops.domain.faults.answers import Closed, Diagnosed, Isolated, Order
from gpuops.domain.faults.diagnose import name_of
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.rotation.report import Report, Step

TOLD = {"repaired", "restarted", "evacuated", "kept", "gone", "released"}
"""What was only written down, or only looked at, is in the report."""
HEADS = {
    "repaired": "Repaired",
    "restarted": "Pod restarted",
    "released": "Given back by hand",
    "evacuated": "Emptied in time",
    "kept": "Needs a person",
    "gone": "Gone",
}
MAX_STEPS, SUBJECT_LENGTH = 20, 100
"""SNS's own limit of a subject."""
MARKUP = re.compile(r"[*`~<>\[\]]")


class Notice(BaseModel):
    """One message on the topic."""

    model_config = ConfigDict(frozen=True)

    subject: str
    body: str


def is_told(report: Report) -> bool:
    """Whether people hear of it: a repair that ended, and did more than look."""
    return bool(report.isolate and report.event and report.close and report.close.get("status") in TOLD)


def notice_of(report: Report, gpus: int | None) -> Notice:
    """Return the message about a repair that is told; `gpus`: how many its node has, where that is known."""
    closed = Closed.model_validate(report.close)
    isolated, fault = Isolated.model_validate(report.isolate), Order.model_validate(report.event).fault
    title = f"{HEADS[closed.status]}: {isolated.node} ({fault.title})"
    lines = [*_what(report, isolated, fault), *_done(report, closed), *_cost(isolated, gpus, report.written)]
    return Notice(subject=_plain(title)[:SUBJECT_LENGTH], body=json.dumps(_custom(report, title, lines, fault)))


def _custom(report: Report, title: str, lines: list[str], fault: GpuFault) -> dict[str, object]:
    """The notification as the schema has it."""
    resources = [value for value in (fault.instance, fault.uuid) if value]
    return {
        "version": "1.0",
        "source": "custom",
        "id": report.name,
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": "\n".join(lines),
            "keywords": ["gpuops", name_of(fault)],
        },
        "metadata": {
            "threadId": report.name,
            "summary": title,
            "eventType": "GPU remediation",
            "relatedResources": resources,
        },
    }


def _what(report: Report, isolated: Isolated, fault: GpuFault) -> list[str]:
    """Where, what, and what was seen of it; words from outside cannot format the message."""
    run = report.run or {}
    lines = [f"*Node*: {isolated.node} ({isolated.instance}), group {run.get('group')} of {run.get('cluster')}"]
    if fault.uuid:
        lines.append(f"*GPU*: {_plain(fault.uuid)}")
    decided = Diagnosed.model_validate(report.diagnose) if report.diagnose else None
    lines.append(f"*What*: {_meaning(fault)}" + (f"; {_plain(decided.reason)}" if decided else ""))
    if decided:
        lines.append(f"*Action*: {decided.action}")
    return [*lines, *(f"*Seen*: {_plain(line)}" for line in fault.evidence)]


def _meaning(fault: GpuFault) -> str:
    """The fault with NVIDIA's own words for its Xid."""
    name = xid_table().names.get(fault.xid) if fault.xid is not None else None
    return f"{fault.title} ({name})" if name else fault.title


def _done(report: Report, closed: Closed) -> list[str]:
    """How it ended, and how long each step took."""
    steps = [step for found in report.steps().values() for step in found]
    took = ", ".join(f"{step.function} {_seconds(step)} s" for step in steps[:MAX_STEPS])
    return [f"*Outcome*: {_plain(closed.reason)}", *([f"*Steps*: {took}"] if took else [])]


def _seconds(step: Step) -> int:
    return round(step.seconds)


def _cost(isolated: Isolated, gpus: int | None, ended: datetime) -> list[str]:
    """From when it was closed until the end: for longer than that, nobody knows yet."""
    if isolated.since is None or isolated.status != "closed":
        return []
    minutes = max(0.0, (ended - isolated.since).total_seconds() / 60)
    lost = f"{minutes:.0f} minutes" if gpus is None else f"{minutes * gpus:.0f} GPU-minutes"
    return [f"*Lost*: {lost} so far"]


def _plain(text: str) -> str:
    """Without what a chat would take for markup, or for a mention."""
    return MARKUP.sub("", text).replace("@", "(at)")
