"""Runs a story once as it is, and then once for each thing that can go wrong in it, on premises that are kept."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from rehearsal.control_plane import find_or_build
from rehearsal.premises import Premises
from rehearsal.report import Result
from rehearsal.run import rehearse
from rehearsal.scenario import SCENARIOS, Moment, Scenario, load
from rehearsal.sweep.cases import Case, cases_of, chosen
from rehearsal.sweep.tally import Tally, Violation
from rehearsal.sweep.verdict import Verdict, judge

WORKFLOWS = {
    "rotate": "rotate_ami",
    "admit": "admit_node",
    "apply": "apply_gpu_config",
    "rebalance": "rebalance_slicing",
    "remediate": "remediate_gpu",
}
"""The stories in scenarios/sweep, each with the machine that it is about."""


class Stage:
    """Premises for run after run; after a run that broke them others are made."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._stack = say, ExitStack()
        self._premises: Premises | None = None

    def rehearse(self, scenario: Scenario, out: Path) -> Result:
        """Rehearse on kept premises. Raises: what `rehearse` does."""
        if self._premises is None:
            self._say("starting a control plane")
            self._premises = self._stack.enter_context(Premises(find_or_build()))
        try:
            return rehearse(scenario, out=out, premises=self._premises)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """End them."""
        self._premises = None
        self._stack.close()


class Story:
    """One workflow's scenario under the sweep."""

    def __init__(self, workflow: str, stage: Stage, out: Path) -> None:
        self.workflow, self._stage, self._out = workflow, stage, out
        self.scenario = load(workflow, SCENARIOS / "sweep")
        self._run = out / workflow

    def reference(self) -> list[Case]:
        """Run it as it is, and list what can go wrong in it.

        Raises: RuntimeError when it does not pass by itself.
        """
        reference = self._stage.rehearse(self.scenario, self._run)
        if reference.status != "passed":
            raise RuntimeError(f"{self.workflow} does not pass without a fault: {'; '.join(reference.missed)}")
        since = self.scenario.epoch
        return cases_of([call for call in self._calls() if call["at"] >= since], reference.executions)

    def run(self, case: Case) -> tuple[Verdict, list[Violation]]:
        """Run it with one thing going wrong; what it breaks is kept with the scenario that shows it."""
        moments = (*self.scenario.timeline, Moment.model_validate(case.moment))
        name = f"{self.workflow}-{case.name}"[:62].rstrip("-")
        aftermath = self.scenario.aftermath_seconds + case.later
        more = {"name": name, "timeline": moments, "aftermath_seconds": aftermath}
        scenario = self.scenario.model_copy(update=more)
        try:
            result = self._stage.rehearse(scenario, self._run)
            verdict = judge(result, WORKFLOWS[self.workflow], struck=self._struck(case, result))
        except Exception as error:  # noqa: BLE001 - a rehearsal that breaks is a finding, and the sweep goes on
            verdict = Verdict("failed", (("rehearsal", repr(error)),))
        file = self._keep(scenario) if verdict.violations else ""
        found = [Violation(self.workflow, case.fault, case.moment, *each, file) for each in verdict.violations]
        return verdict, found

    def _struck(self, case: Case, result: Result) -> bool:
        """Whether the wire's record, or an execution's end, shows the fault."""
        if case.fault == "aborted":
            return any(run.status == "ABORTED" for run in result.executions)
        if case.later:
            return any(run.redriven for run in result.executions)
        return case.fault == "twice" or any(call["fault"] for call in self._calls())

    def _calls(self) -> list[dict[str, Any]]:
        lines = (self._run / "wire.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _keep(self, scenario: Scenario) -> str:
        """Write the scenario, and beside it what the run left."""
        folder = self._out / "failing"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{scenario.name}.yaml"
        text = yaml.safe_dump(scenario.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
        path.write_text(text, encoding="utf-8")
        shutil.rmtree(folder / scenario.name, ignore_errors=True)
        if self._run.exists():
            shutil.copytree(self._run, folder / scenario.name)
        return str(path)


def sweep(tally: Tally, workflows: Sequence[str], limit: int | None, out: Path, say: Callable[[str], None]) -> None:
    """Run cases of each workflow, in the order of the tally's seed, and count them there while it goes on.

    Raises: RuntimeError when a story does not pass even without a fault.
    """
    stage = Stage(say)
    try:
        for workflow in workflows:
            story = Story(workflow, stage, out)
            cases = story.reference()
            tally.possible[workflow] = len(cases)
            for case in chosen(cases, tally.seed, limit):
                verdict, found = story.run(case)
                tally.add(workflow, case.fault, verdict, found)
                say(f"{tally.runs}: {story.workflow} {case.name}: {verdict.outcome}{_told(found)}")
    finally:
        stage.close()


def _told(found: Sequence[Violation]) -> str:
    return "".join(f"; VIOLATION {violation.rule}: {violation.what}" for violation in found)
