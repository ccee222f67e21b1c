"""One workflow's scenario under the sweep: what can go wrong in it, and what becomes of it when something does."""

import json
import shutil
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from rehearsal.report import Result
from rehearsal.scenario import SCENARIOS, Moment, Scenario, load
from rehearsal.sweep.cases import Case, cases_of
from rehearsal.sweep.stage import Stage
from rehearsal.sweep.tally import Violation
from rehearsal.sweep.trial import Trial, shrunk
from rehearsal.sweep.verdict import Verdict, judge
from rehearsal.sweep.ways import logical
from rehearsal.wire import read_record

WORKFLOWS = {
    "rotate": "rotate_ami",
    "admit": "admit_node",
    "apply": "apply_gpu_config",
    "rebalance": "rebalance_slicing",
    "remediate": "remediate_gpu",
}
"""The stories in scenarios/sweep, each with the machine that it is about."""
NAME_LENGTH = 62


class Story:
    """Run as it is once, and then with things going wrong."""

    def __init__(self, workflow: str, stage: Stage, out: Path, runs: Path | None = None) -> None:
        """`out`: for scenarios that break something; `runs`: for what each run leaves until the next."""
        self.workflow, self._stage, self._out = workflow, stage, out
        self.scenario = load(workflow, SCENARIOS / "sweep")
        self._run = (runs or out) / workflow

    def reference(self) -> list[Case]:
        """Run it as it is, and list what can go wrong in it.

        Raises: RuntimeError when it does not pass by itself.
        """
        reference = self._stage.rehearse(self.scenario, self._run)
        if reference.status != "passed":
            raise RuntimeError(f"{self.workflow} does not pass without a fault: {'; '.join(reference.missed)}")
        since = self.scenario.epoch
        calls = [{**call, "at": round(call["at"] - since, 3)} for call in self._calls() if call["at"] >= since]
        return cases_of(calls, reference.executions, self._decided())

    def run(self, trial: Trial) -> tuple[Verdict, list[Violation]]:
        """Run it with that going wrong; what breaks is kept, with a scenario in which no more goes wrong than must."""
        verdict = self._try(trial)
        if not verdict.violations:
            return verdict, []
        least, broken = trial, verdict
        if len(trial.cases) > 1:
            least = shrunk(trial, lambda fewer: bool(self._try(fewer).violations))
            broken = self._try(least)  # the last try may have been one that passed, and what is kept is what it left
            broken = broken if broken.violations else verdict
        file = self._keep(self._with(least))
        return verdict, [
            Violation(self.workflow, trial.fault, least.moments, *each, file) for each in broken.violations
        ]

    def _try(self, trial: Trial) -> Verdict:
        try:
            result = self._stage.rehearse(self._with(trial), self._run)
        except Exception as error:  # noqa: BLE001 - a rehearsal that breaks is a finding, and the sweep goes on
            return Verdict("failed", (("rehearsal", repr(error)),), tuple(True for _ in trial.cases))
        struck = {_about(call["fault"], call) for call in self._calls() if call["fault"]}
        met = tuple(_met(case, result, struck) for case in trial.cases)
        denied = {logical(caller) for kind, caller, *_ in struck if kind == "access_denied"}
        return judge(result, WORKFLOWS[self.workflow], met, denied)

    def _with(self, trial: Trial) -> Scenario:
        """The scenario in which it goes wrong."""
        moments = (Moment.model_validate(moment) for moment in trial.moments)
        more = {
            "name": f"{self.workflow}-{trial.name}"[:NAME_LENGTH].rstrip("-"),
            "timeline": (*self.scenario.timeline, *moments),
        }
        return self.scenario.model_copy(update=more)

    def _decided(self) -> dict[tuple[str, float], str]:
        """What the journal says of each function at each second of the story."""
        lines = map(json.loads, (self._run / "journal.jsonl").read_text(encoding="utf-8").splitlines())
        return {(line["function"], self._second(line["at"])): line["status"] for line in lines}

    def _second(self, at: str) -> float:
        return round(datetime.fromisoformat(at).timestamp() - self.scenario.epoch, 3)

    def _calls(self) -> list[dict[str, Any]]:
        return read_record(self._run / "wire.jsonl")

    def _keep(self, scenario: Scenario) -> str:
        """Write the scenario, and beside it what the last run left."""
        folder = self._out / "failing"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{scenario.name}.yaml"
        text = yaml.safe_dump(scenario.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
        path.write_text(text, encoding="utf-8")
        shutil.rmtree(folder / scenario.name, ignore_errors=True)
        if self._run.exists():
            shutil.copytree(self._run, folder / scenario.name)
        return str(path)


def _about(kind: str, call: Mapping[str, Any]) -> tuple[str, ...]:
    return kind, str(call["caller"]), str(call["service"]), str(call["action"])


def _met(case: Case, result: Result, struck: Collection[tuple[str, ...]]) -> bool:
    """Whether the wire's record, or an execution's end, shows that it went wrong."""
    if "interrupt" in case.moment:
        return any(run.redriven if case.later else run.status == "ABORTED" for run in result.executions)
    fault = case.moment["fault"]
    return case.fault == "twice" or _about(fault["kind"], fault) in struck
