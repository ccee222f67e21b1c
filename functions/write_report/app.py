"""Write the report of a run: one page for people, one object for programs; a repetition writes the same.

Of a repair, people are told in one message, too.

In:  the state of the execution: {"execution": {...}, "run"?, "plan"?, "change"?, "judge"?, "nodes"?, "rollback"?,
     "back"?, "close"?, "error"?, "now"};
     of an admission {"execution": {...}, "run"?, "find"?, "check"?, "smoke"?, "admit"?, "error"?, "now"};
     of a repair {"execution": {...}, "run"?, "event", "isolate"?, "diagnose"?, "close"?, "error"?, "now"};
     of a configuration {"execution": {...}, "apply"?, "error"?, "now"};
     of whoever was stopped from outside {"execution": {...}, "error", "stopped": true, "now"}
Out: {"status": "written", "reason", "html": "reports/<run>.html", "json": "reports/<run>.json"}
"""

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.adapters.world import World
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.notice import is_told, notice_of
from gpuops.domain.rotation.page import render_page
from gpuops.domain.rotation.report import Report, report_key
from gpuops.domain.run import Execution, Run
from gpuops.entry import entry


class WriteReport(BaseModel):
    """Whatever is known by now: a run that failed before its plan has a report too."""

    execution: Execution | None = None
    run: Run | None = None
    plan: dict[str, Any] | None = None
    approval: dict[str, Any] | None = None
    change: dict[str, Any] | None = None
    judge: dict[str, Any] | None = None
    nodes: list[dict[str, Any]] = Field(default_factory=list)
    rollback: dict[str, Any] | None = None
    back: list[dict[str, Any]] = Field(default_factory=list)
    close: dict[str, Any] | None = None
    find: dict[str, Any] | None = None
    check: dict[str, Any] | None = None
    smoke: dict[str, Any] | None = None
    admit: dict[str, Any] | None = None
    apply: dict[str, Any] | None = None
    event: dict[str, Any] | None = None
    """Of a repair: the fault."""
    isolate: dict[str, Any] | None = None
    diagnose: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    keep: bool = False
    """Whether a report that is there already stays: reconcile, which knows less than the run did, asks for that."""
    stopped: bool = False
    """Whether the execution was stopped before it could report; Step Functions' own event says so."""


class Written(BaseModel):
    """Where the report is."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    status: Literal["written"] = "written"
    reason: str
    html: str
    json_: str = Field(serialization_alias="json")


@entry(WriteReport)
def handler(request: WriteReport, now: datetime) -> Written:
    """Write; the same run overwrites its own report."""
    return write(request, now, World())


def write(request: WriteReport, now: datetime, world: World) -> Written:
    """Raises: Unavailable, Refused; a report that cannot be written fails the machine's step, not the roll."""
    name = request.run.id if request.run else request.execution.name if request.execution else "unknown"
    state = request.model_dump(mode="json", exclude={"execution", "keep", "stopped"})
    report = Report(name=name, written=now, lines=world.store.journal(name), **state)
    key = report_key(name, stopped=request.stopped)
    body, keep = json.dumps(report.model_dump(mode="json"), indent=1), request.keep
    world.reports.write(f"{key}.json", body, "application/json", keep=keep)
    world.reports.write(f"{key}.html", render_page(report), "text/html", keep=keep)
    if not request.keep:
        tell(report, world)
    return Written(reason=f"{len(report.lines)} journal lines", html=f"{key}.html", json_=f"{key}.json")


def tell(report: Report, world: World) -> None:
    """Publish what became of a repair; a repetition is a second message. Raises: Unavailable, Refused."""
    if is_told(report):
        world.notices.publish(notice_of(report, gpus_of(report.isolate or {}, world)))


def gpus_of(isolated: dict[str, Any], world: World) -> int | None:
    """How many GPUs the node has; None where EC2 has forgotten the instance."""
    try:
        return world.instances.gpus(str(isolated.get("instance") or ""))
    except Invalid:
        return None
