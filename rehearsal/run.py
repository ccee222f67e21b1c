"""Runs one scenario from nothing to its report."""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rehearsal import granted
from rehearsal.chronicle import Chronicle
from rehearsal.control_plane import find_or_build
from rehearsal.observer import AwsAccess, KubeAccess, Observed, Observer, Wanted
from rehearsal.premises import Premises
from rehearsal.report import Result, page
from rehearsal.scenario import ExpectedObject, Scenario, collection
from rehearsal.stage.director import Director
from rehearsal.stage.outcome import ESCALATION
from rehearsal.stage.perform import perform
from rehearsal.stage.records import Records
from rehearsal.wire import read_record
from rehearsal.world import World

PASSED = (
    "floor_gpus",
    "groups",
    "moved",
    "job_pods_may_be_evicted",
    "nodes",
    "quarantined",
    "pods",
    "logs",
    "metrics",
    "suspended",
)
REPORTED = ("gpuops-rotate-ami", "gpuops-admit-node", "gpuops-apply-gpu-config", "gpuops-remediate-gpu")
WAITS_SHOWN = 3
WHAT_IS_REAL = Path(__file__).parent / "what_is_real.md"


class View(Protocol):
    """Whoever shows the rehearsal while it runs."""

    def phase(self, text: str) -> None:
        """Say what is being done now."""

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """Begin to show this chronicle."""


class Unseen:
    """Shows nothing."""

    def phase(self, text: str) -> None:
        """Nothing."""

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """Nothing."""


def rehearse(
    scenario: Scenario,
    *,
    out: Path,
    pace: float | None = None,
    view: View | None = None,
    beside: Callable[[World], None] = lambda _: None,
    premises: Premises | None = None,
) -> Result:
    """Run the scenario, write its report and records (journal, grants, result) into `out`, and return the result.

    On `premises` that are kept it takes a fraction of the time.

    `beside` is called when the story begins: for what somebody does to the world that no scenario can say.

    Raises: StageError, DeployError, ChildProcessError when the rehearsal itself could not be set up.
    """
    view, started = view or Unseen(), time.monotonic()
    _empty(out)
    view.phase("starting the control plane")
    records = Records()
    with World(scenario, find_or_build(), out, pace=pace, listener=records.listen, premises=premises) as world:
        chronicle = Chronicle(world.clock, scenario.epoch)
        records.chronicle = chronicle
        world.mirror.subscribe(chronicle.on_event)
        view.watch(chronicle, lambda: _waited_for(world))
        director = Director(world, records, view.phase)
        outcome = _play(world, director, beside)
        result = _result(world, records, outcome, out, time.monotonic() - started)
        _write(result, chronicle, _journal(world, director), world.wire_record, out)
        grants = granted.used(world.wire.grants_used(), director.parameters)
        (out / "grants.json").write_text(json.dumps(grants, indent=1) + "\n")
    return result


Outcome = tuple[Observed, tuple[str, ...]]


def _result(world: World, records: Records, outcome: Outcome, out: Path, wall_seconds: float) -> Result:
    """Put together what was seen and what was missed."""
    (observed, unmet), epoch = outcome, world.scenario.epoch
    return Result(
        scenario=world.scenario.name,
        status="failed" if observed.violations or unmet else "passed",
        executions=tuple(record.result(epoch) for record in records.all()),
        observed=observed.to_json(),
        unmet=unmet,
        wall_seconds=round(wall_seconds, 1),
        simulated_seconds=round(world.clock.now() - epoch, 1),
        report=str(out / "report.html"),
        clock=world.clock.stats(),
        escalations=world.region.bus.heard.count(ESCALATION),
    )


def _play(world: World, director: Director, beside: Callable[[World], None]) -> Outcome:
    """Time ends with the director, or the next tick would begin while everything is taken down."""

    def act() -> Outcome:
        try:
            director.set_stage()
            beside(world)
            observed = director.play(_observer(world, director))
            return observed, tuple(director.unmet(observed))
        finally:
            world.clock.stop()

    return perform(world.clock, act)


def _waited_for(world: World) -> str:
    """Say what comes next and when; an execution by its name, a machine or pod by its timer."""
    told = (f"{_short(key)} in {seconds:,.0f} s" for seconds, key in world.clock.upcoming(WAITS_SHOWN, "director"))
    return "; ".join(told) or "nothing"


def _short(key: str) -> str:
    return key.rpartition(":")[2].partition("#")[0]


def _observer(world: World, director: Director) -> Observer:
    """Tell the observer where to look and what to expect; it gets nothing else."""
    expected = world.scenario.expect.model_dump(exclude_none=True)
    expectations: dict[str, Any] = {
        **{key: expected[key] for key in PASSED},
        "objects": tuple(_wanted(item) for item in world.scenario.expect.objects),
        "table": director.outputs["StateTableName"],
        "bucket": director.outputs["ReportsBucketName"],
        "reported_machines": REPORTED,
    }
    kube = KubeAccess(world.plane.server, str(world.plane.ca_file), world.plane.admin_token)
    return Observer(kube, AwsAccess(world.region.url), expectations, lambda: world.clock.now() - world.scenario.epoch)


def _wanted(item: ExpectedObject) -> Wanted:
    """Where to look for an object."""
    path = f"{collection(item.kind, item.namespace)}/{item.name}"
    return Wanted(f"{item.kind} {item.namespace}/{item.name}", path, item.exists, item.has)


def _journal(world: World, director: Director) -> list[dict[str, Any]]:
    """Read the product's journal from its table, in order of time."""
    client = world.region.account.client("dynamodb")
    pages = client.get_paginator("scan").paginate(TableName=director.outputs["StateTableName"])
    items = [item for found in pages for item in found["Items"] if item["pk"]["S"].startswith("journal#")]
    items.sort(key=lambda item: (item["sk"]["S"], item["pk"]["S"]))
    return [{"run": i["pk"]["S"].removeprefix("journal#")} | json.loads(i["body"]["S"]) for i in items]


def _write(result: Result, chronicle: Chronicle, journal: list[dict[str, Any]], wire: Path, out: Path) -> None:
    """Write the three files that a rehearsal leaves behind, beside the wire's record and the functions' logs."""
    (out / "result.json").write_text(json.dumps(result.to_json(), indent=2) + "\n")
    (out / "journal.jsonl").write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in journal))
    limits = WHAT_IS_REAL.read_text(encoding="utf-8")
    html = page(result, list(chronicle.nodes.values()), _calls(wire), limits)
    (out / "report.html").write_text(html, encoding="utf-8")


def _calls(wire: Path) -> list[tuple[str, int, int]]:
    """Count the calls of each caller, and those that were refused."""
    calls, refused = Counter[str](), Counter[str]()
    for call in read_record(wire):
        calls[call["caller"]] += 1
        refused[call["caller"]] += not call["allowed"]
    return [(caller, count, refused[caller]) for caller, count in sorted(calls.items())]


def _empty(out: Path) -> None:
    """Remove what the last run left, so that nothing old is read as new."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
